//! The constants of an engine as numbers to fit: where each starts, and how far it is believed to lie from there.

use dsk::catalog::engine_speed::{EngineSpeed, Factor, Kernel, ModelClass};

/// Where a constant starts, the expected distance from there on a logarithmic scale, and the most that it can be.
#[derive(Clone, Copy)]
pub(crate) struct Constant {
    pub(crate) start: f64,
    pub(crate) distance: f64,
    pub(crate) most: f64,
}

/// The most of a peak that anything reaches.
const MOST: f64 = 0.97;

/// Starts of the constants: the order of magnitude, before any fit.
const STARTS: [(&str, f64, f64); 23] = [
    ("step_seconds", 5e-4, 1.0),
    ("sequence_seconds", 1e-5, 2.0),
    ("prefill_seconds", 4e-3, 2.0),
    ("tensor_layer_seconds", 3e-6, 1.0),
    ("link_efficiency", 0.3, 1.0),
    ("hop_seconds", 4e-4, 1.5),
    ("prefill_hop_seconds", 2e-3, 1.5),
    ("layer_seconds", 4e-5, 1.4),
    ("narrow_layer_seconds", 2e-5, 1.0),
    ("experts_layer_seconds", 3e-5, 1.0),
    ("bandwidth", 0.8, 0.5),
    ("cache_bandwidth", 0.7, 0.8),
    ("unpack", 0.5, 2.0),
    ("decode_compute", 0.7, 0.6),
    ("prefill_compute", 0.45, 1.0),
    ("attention_compute", 0.3, 1.5),
    ("chunk_layer_seconds", 1e-4, 2.0),
    ("base_seconds", 0.05, 2.0),
    ("prefills", 1.0, 1.0),
    ("steps", 1.0, 2.0),
    ("burst", 0.1, 1.0),
    ("stream_seconds", 1e-5, 1.5),
    ("wait", 0.5, 1.5),
];

fn start(name: &str) -> (f64, f64) {
    STARTS
        .iter()
        .find(|(known, _, _)| *known == name)
        .map(|(_, start, distance)| (*start, *distance))
        .expect("a constant with a start")
}

/// Where the share of the others' prompts in front starts in an engine that computes all prompts before it goes on.
///
/// Clients that started together then stay together: each waits for half of the others.
const TOGETHER: (&str, Constant) = (
    "sglang",
    Constant {
        start: 0.5,
        distance: 0.1,
        most: 1.0,
    },
);

/// Calls `visit` with every constant of engine `id` that is fitted; one that is 0 stays so.
pub(crate) fn each(id: &str, speed: &mut EngineSpeed, mut visit: impl FnMut(Constant, &mut f64)) {
    let mut scalar = |name: &'static str, value: &mut f64| {
        if *value > 0.0 {
            let (start, distance) = start(name);
            let most = f64::INFINITY;
            visit(
                Constant {
                    start,
                    distance,
                    most,
                },
                value,
            );
        }
    };
    scalar("step_seconds", &mut speed.step_seconds);
    scalar("sequence_seconds", &mut speed.sequence_seconds);
    scalar("prefill_seconds", &mut speed.prefill_seconds);
    scalar("tensor_layer_seconds", &mut speed.tensor_layer_seconds);
    scalar("narrow_layer_seconds", &mut speed.narrow_layer_seconds);
    scalar("experts_layer_seconds", &mut speed.experts_layer_seconds);
    scalar("hop_seconds", &mut speed.hop_seconds);
    scalar("prefill_hop_seconds", &mut speed.prefill_hop_seconds);
    if speed.step_seconds > 0.0 {
        scalar("link_efficiency", &mut speed.link_efficiency);
    }
    if let Some(queue) = &mut speed.queue {
        scalar("base_seconds", &mut queue.base_seconds);
        scalar("prefills", &mut queue.prefills);
        scalar("steps", &mut queue.steps);
        scalar("stream_seconds", &mut queue.stream_seconds);
        scalar("wait", &mut queue.wait);
        if id == TOGETHER.0 {
            visit(TOGETHER.1, &mut queue.burst);
        } else {
            scalar("burst", &mut queue.burst);
        }
    }
    // llama.cpp's kernels are written for each architecture; the others share theirs, but not among formats.
    let shared = if speed.queue.is_some() { 0.3 } else { 0.6 };
    for (name, table) in tables(speed) {
        let (start, distance) = start(name);
        let unpack = name == "unpack";
        for factor in table.iter_mut().filter(|factor| !is_derived(factor)) {
            let base = factor.on.is_empty()
                && factor.class.is_none()
                && (unpack || factor.kernel.is_none());
            let spread = if factor.kernel.is_some() { 0.6 } else { shared };
            let constant = Constant {
                start: if base { start } else { relative(name, factor) },
                distance: if base { distance } else { spread * distance },
                most: if base && !name.ends_with("_seconds") && !unpack {
                    MOST
                } else {
                    f64::INFINITY
                },
            };
            visit(constant, &mut factor.value);
        }
    }
}

/// What a part is expected to multiply by: nothing is known but that routed experts take more launches and smaller
/// products, and that a narrow cache is unpacked.
fn relative(name: &str, factor: &Factor) -> f64 {
    let experts = factor.class == Some(ModelClass::Experts);
    match name {
        "layer_seconds" if experts => 1.5,
        "prefill_compute" if experts => 0.6,
        "cache_bandwidth" if factor.narrow_cache => 0.8,
        _ => 1.0,
    }
}

/// Whether nobody measured such a kernel: weights that the device does not multiply as they are.
fn is_derived(factor: &Factor) -> bool {
    factor.kernel == Some(Kernel::Unpacked)
}

/// Kernels that nobody measured are taken to be as slow as the slowest that was.
pub(crate) fn derive(speed: &mut EngineSpeed) {
    for (_, table) in tables(speed) {
        let slowest = table
            .iter()
            .filter(|factor| factor.kernel.is_some() && !is_derived(factor))
            .map(|factor| factor.value)
            .fold(1.0, f64::min);
        for factor in table.iter_mut().filter(|factor| is_derived(factor)) {
            factor.value = slowest;
        }
    }
}

/// The constants that are products, by name.
pub(crate) fn tables(speed: &mut EngineSpeed) -> [(&'static str, &mut Vec<Factor>); 8] {
    [
        ("layer_seconds", &mut speed.layer_seconds),
        ("bandwidth", &mut speed.bandwidth),
        ("cache_bandwidth", &mut speed.cache_bandwidth),
        ("unpack", &mut speed.unpack),
        ("decode_compute", &mut speed.decode_compute),
        ("prefill_compute", &mut speed.prefill_compute),
        ("attention_compute", &mut speed.attention_compute),
        ("chunk_layer_seconds", &mut speed.chunk_layer_seconds),
    ]
}
