//! The constants of an engine as numbers to fit: where each starts, and how far it is believed to lie from there.

use dsk::catalog::engine_speed::{EngineSpeed, Factor, ModelClass};

/// Where a constant starts, and the expected distance from there on a logarithmic scale.
pub(crate) struct Constant {
    pub(crate) start: f64,
    pub(crate) distance: f64,
}

/// Starts of the constants: the order of magnitude, before any fit.
const STARTS: [(&str, f64, f64); 21] = [
    ("step_seconds", 1e-3, 2.0),
    ("sequence_seconds", 1e-5, 2.0),
    ("prefill_seconds", 4e-3, 2.0),
    ("tensor_layer_seconds", 1e-5, 2.0),
    ("link_efficiency", 0.3, 1.0),
    ("hop_seconds", 4e-4, 1.5),
    ("prefill_hop_seconds", 2e-3, 1.5),
    ("layer_seconds", 6e-5, 1.4),
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
    ("crowding", 1.0, 1.5),
    ("interference", 0.8, 0.8),
    ("wait", 0.5, 1.5),
];

fn start(name: &str) -> (f64, f64) {
    STARTS
        .iter()
        .find(|(known, _, _)| *known == name)
        .map(|(_, start, distance)| (*start, *distance))
        .expect("a constant with a start")
}

/// Calls `visit` with every constant that is fitted; one that is 0 stays so.
pub(crate) fn each(speed: &mut EngineSpeed, mut visit: impl FnMut(Constant, &mut f64)) {
    let mut scalar = |name: &'static str, value: &mut f64| {
        if *value > 0.0 {
            let (start, distance) = start(name);
            visit(Constant { start, distance }, value);
        }
    };
    scalar("step_seconds", &mut speed.step_seconds);
    scalar("sequence_seconds", &mut speed.sequence_seconds);
    scalar("prefill_seconds", &mut speed.prefill_seconds);
    scalar("tensor_layer_seconds", &mut speed.tensor_layer_seconds);
    scalar("hop_seconds", &mut speed.hop_seconds);
    scalar("prefill_hop_seconds", &mut speed.prefill_hop_seconds);
    if speed.step_seconds > 0.0 {
        scalar("link_efficiency", &mut speed.link_efficiency);
    }
    if let Some(queue) = &mut speed.queue {
        scalar("base_seconds", &mut queue.base_seconds);
        scalar("prefills", &mut queue.prefills);
        scalar("steps", &mut queue.steps);
        scalar("crowding", &mut queue.crowding);
        scalar("interference", &mut queue.interference);
        scalar("wait", &mut queue.wait);
    }
    // llama.cpp's kernels are written for each architecture; the others share theirs.
    let spread = if speed.queue.is_some() { 0.3 } else { 0.6 };
    for (name, table) in tables(speed) {
        let (start, distance) = start(name);
        let unpack = name == "unpack";
        for factor in table {
            let base = factor.on.is_empty()
                && factor.class.is_none()
                && (unpack || factor.kernel.is_none());
            let constant = Constant {
                start: if base { start } else { relative(name, factor) },
                distance: if base { distance } else { spread * distance },
            };
            visit(constant, &mut factor.value);
        }
    }
}

/// What a part is expected to multiply by: nothing is known but that routed experts take more launches and smaller products.
fn relative(name: &str, factor: &Factor) -> f64 {
    let experts = factor.class == Some(ModelClass::Experts);
    match name {
        "layer_seconds" if experts => 1.5,
        "prefill_compute" if experts => 0.6,
        _ => 1.0,
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
