//! A device that is worse in nothing is slower at nothing: same engine, model, format, cache and split.

#[expect(dead_code, reason = "tests/truth_speed.rs asks for the rest")]
mod speed_rows;

use dsk::calc::load::Split;
use dsk::calc::speed::{Prepared, Workload};
use dsk::catalog::engine_speed::Kernel;
use dsk::catalog::gpu::{GpuKind, Peak, Vendor};
use dsk::catalog::{Catalog, Format, Gpu, KvFormat};
use speed_rows::{Row, Setup, question};

const MODELS: [&str; 4] = [
    "deepseek-coder-6.7b",
    "deepseek-v2-lite",
    "deepseek-v3",
    "deepseek-v4-flash",
];

/// A device's times for the same questions; none where it has no figure.
struct Timed<'c> {
    gpu: &'c Gpu,
    kernel: Kernel,
    seconds: Vec<Option<f64>>,
}

/// How fast `gpu` answers in the cases of `row`: one prompt and many, alone and as one of eight.
fn timed<'c>(catalog: &'c Catalog, gpu: &'c Gpu, row: &Row) -> Option<Timed<'c>> {
    let row = Row {
        gpu: gpu.id.clone(),
        ..row.clone()
    };
    let setup = Setup::of(catalog, &row);
    let prepared = Prepared::of(&setup.load(&row)).ok()?;
    let mut seconds = Vec::new();
    for (tensor, sequences) in [(1, 1), (1, 64), (8, 1), (8, 64)] {
        let split = Split {
            tensor,
            ..Split::SINGLE
        };
        let workload = Workload {
            sequences,
            ..Workload::one(1024, 256)
        };
        let times = prepared.times((split, tensor), &workload).ok();
        seconds.push(times.map(|times| times.first_token));
        seconds.push(times.map(|times| times.output_token));
    }
    Some(Timed {
        gpu,
        kernel: prepared.key().2,
        seconds,
    })
}

/// What a device can do, each figure the better the larger.
fn abilities(gpu: &Gpu) -> [Option<u64>; 6] {
    let peak = |of: fn(&Peak) -> Option<u64>| gpu.peak.as_ref().and_then(of);
    let link = gpu.link.as_ref();
    let lanes = link.and_then(|link| link.pcie.as_ref()?.split('.').next()?.parse::<u64>().ok());
    [
        Some(gpu.memory.bandwidth_bytes_per_second),
        peak(|peak| peak.fp16_flops.or(peak.bf16_flops)),
        peak(|peak| peak.fp8_flops),
        peak(|peak| peak.fp4_flops),
        peak(|peak| peak.int8_ops),
        link.and_then(|link| link.nvlink_bytes_per_second)
            .or_else(|| lanes.map(|generation| 1_000_000_000 << generation)),
    ]
}

/// Whether `one` is worse than `other` in nothing.
fn is_no_worse(one: &Gpu, other: &Gpu) -> bool {
    abilities(one)
        .iter()
        .zip(abilities(other))
        .all(|(one, other)| other.is_none_or(|other| one.is_some_and(|one| one >= other)))
}

/// Whether an engine multiplies the weights of a format on `other` but must unpack them on `one`: newer, but not supported.
fn is_other_program(one: &Timed<'_>, other: &Timed<'_>) -> bool {
    one.kernel == Kernel::Unpacked && other.kernel != Kernel::Unpacked
}

fn slower(all: &[Timed<'_>], what: &str) -> (usize, Vec<String>) {
    let mut compared = 0;
    let mut found = Vec::new();
    for one in all {
        for other in all {
            if !is_no_worse(one.gpu, other.gpu) || is_other_program(one, other) {
                continue;
            }
            for (ours, theirs) in one.seconds.iter().zip(&other.seconds) {
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    compared += 1;
                    if ours / theirs > 1.0 + 1e-9 {
                        found.push(format!(
                            "{what}: {} {ours} s, {} {theirs} s",
                            one.gpu.id, other.gpu.id
                        ));
                    }
                }
            }
        }
    }
    (compared, found)
}

fn runs_on(format: &Format, engine: &str) -> bool {
    format.engines.iter().any(|known| known == engine)
}

fn questions(engine: &str, formats: &[Format]) -> Vec<Row> {
    let mut rows = Vec::new();
    for model in MODELS {
        for format in formats.iter().filter(|format| runs_on(format, engine)) {
            for kv in [KvFormat::F16, KvFormat::Fp8] {
                let what = [model, format.id.as_str(), ""];
                rows.push(Row {
                    kv,
                    ..question(engine, what, Workload::one(1024, 256))
                });
            }
        }
    }
    rows
}

#[test]
fn what_is_no_worse_is_no_slower() {
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let gpus = catalog.gpus().expect("devices");
    let gpus: Vec<&Gpu> = gpus
        .iter()
        .filter(|gpu| gpu.vendor == Vendor::Nvidia && gpu.kind != GpuKind::Cpu)
        // What is not known of a device costs it nothing.
        .filter(|gpu| {
            let peak = gpu.peak.as_ref();
            peak.is_some_and(|peak| peak.fp16_flops.or(peak.bf16_flops).is_some())
        })
        .collect();
    let (mut compared, mut found) = (0, Vec::new());
    for engine in ["vllm", "sglang"] {
        for row in questions(engine, catalog.formats().expect("formats")) {
            let all: Vec<Timed<'_>> = gpus
                .iter()
                .filter_map(|gpu| timed(&catalog, gpu, &row))
                .collect();
            let what = format!("{engine} {} {} {:?}", row.model, row.format, row.kv);
            let (more, slow) = slower(&all, &what);
            compared += more;
            found.extend(slow);
        }
    }
    assert!(compared > 100_000, "{compared} pairs compared");
    assert!(
        found.is_empty(),
        "{} of {compared}, such as\n{}",
        found.len(),
        found
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}
