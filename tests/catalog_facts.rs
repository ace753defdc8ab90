//! Classes of mistake in the devices' figures, caught by what is true of every device of an architecture.
//!
//! Each rule's table lies in tests/data and names what it allows and why; a row that nothing needs fails too.

use std::collections::BTreeSet;

use dsk::catalog::gpu::{GpuKind, Peak};
use dsk::catalog::{Catalog, Gpu};
use dsk::units::float;

/// How far a stated ratio may lie off: vendors round their peaks to two or three digits.
const ROUNDING: f64 = 0.035;

fn catalog() -> Catalog {
    Catalog::load(&[]).expect("the catalog is embedded")
}

fn rows(text: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.records().map(|row| row.expect("a row")).collect()
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap_or_else(|_| panic!("a number: {cell}"))
}

/// 16-bit products with the accumulation that a model needs.
fn sixteen(peak: &Peak) -> Option<f64> {
    peak.bf16_flops.or(peak.fp16_flops).map(float)
}

fn named<'a>(gpus: &'a [Gpu], id: &str) -> &'a Gpu {
    let own = gpus.iter().find(|gpu| gpu.id == id);
    own.unwrap_or_else(|| panic!("no device {id}"))
}

#[test]
fn eight_and_four_bits_are_as_many_times_faster_as_the_architecture_makes_them() {
    let catalog = catalog();
    let table = rows(include_str!("data/peak-ratios.csv"));
    let mut used = BTreeSet::new();
    let mut faults = Vec::new();
    for gpu in catalog.gpus().expect("gpus") {
        let Some(peak) = gpu.peak.as_ref() else {
            continue;
        };
        let Some(base) = sixteen(peak) else { continue };
        let others = [
            (
                "fp16_accumulate_fp16_flops",
                peak.fp16_accumulate_fp16_flops,
            ),
            ("fp8_flops", peak.fp8_flops),
            ("fp4_flops", peak.fp4_flops),
            ("int8_ops", peak.int8_ops),
        ];
        for (key, other) in others {
            let Some(other) = other else { continue };
            let times = float(other) / base;
            let allowed = table.iter().position(|row| {
                row[0] == gpu.architecture
                    && &row[1] == key
                    && (times / number(&row[2]) - 1.0).abs() < ROUNDING
            });
            match allowed {
                Some(index) => {
                    used.insert(index);
                }
                None => faults.push(format!("{} {key}: {times:.3} x", gpu.id)),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let idle: Vec<&csv::StringRecord> = (0..table.len())
        .filter(|index| !used.contains(index))
        .filter_map(|index| table.get(index))
        .collect();
    assert!(idle.is_empty(), "no device needs {idle:#?}");
}

#[test]
fn the_same_memory_is_as_fast_in_every_product() {
    let catalog = catalog();
    let gpus = catalog.gpus().expect("gpus");
    for row in rows(include_str!("data/same-memory.csv")) {
        let rates: BTreeSet<u64> = row[0]
            .split(' ')
            .map(|id| named(gpus, id).memory.bandwidth_bytes_per_second)
            .collect();
        assert_eq!(rates.len(), 1, "{}: {rates:?}", &row[0]);
    }
}

/// Matrix units do at least twice what the vector units do in FP32; a lower figure is the vector rate.
#[test]
fn a_matrix_peak_is_no_vector_rate() {
    let catalog = catalog();
    let gpus = catalog.gpus().expect("gpus");
    let table = rows(include_str!("data/fp32-vector.csv"));
    let mut faults = Vec::new();
    for row in &table {
        let gpu = named(gpus, &row[0]);
        let vector = number(&row[1]) * 1e12;
        let Some(matrix) = gpu.peak.as_ref().and_then(sixteen) else {
            continue;
        };
        if matrix < 2.0 * vector * (1.0 - ROUNDING / 2.0) {
            faults.push(format!("{}: {matrix:e} beside {vector:e} in FP32", gpu.id));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(table.len() >= 130, "{} devices", table.len());
}

#[test]
fn no_peak_is_said_to_leave_out_matrix_units_that_the_device_has() {
    let without = ["gcn5", "rdna2", "pascal"];
    for gpu in catalog().gpus().expect("gpus") {
        let said = gpu
            .peak
            .as_ref()
            .is_some_and(|peak| peak.source.contains("matrix units not counted"));
        let apple = gpu.architecture.starts_with("apple-") && gpu.architecture != "apple-m5";
        let excused = apple || without.contains(&gpu.architecture.as_str());
        assert!(!said || excused, "{} ({})", gpu.id, gpu.architecture);
    }
}

/// A laptop's maker chooses the power, and a card's power is not that of one of its devices.
#[test]
fn only_a_device_that_has_one_power_states_it() {
    for gpu in catalog().gpus().expect("gpus") {
        let part = gpu.name.contains("(one of its");
        let stated = gpu.power_watts.is_some();
        assert!(!((gpu.laptop || part) && stated), "{}", gpu.id);
    }
}

#[test]
fn what_a_board_joins_says_how_many_it_holds() {
    for gpu in catalog().gpus().expect("gpus") {
        let joined = gpu
            .link
            .as_ref()
            .is_some_and(|link| link.nvlink_bytes_per_second.is_some());
        assert!(
            !joined || gpu.gpus_per_node.is_some() || gpu.kind != GpuKind::Datacenter,
            "{}",
            gpu.id
        );
    }
}

/// A figure that was not chosen differs from the one that was.
#[test]
fn a_disagreement_disagrees() {
    for gpu in catalog().gpus().expect("gpus") {
        let own = float(gpu.memory.bandwidth_bytes_per_second) / 1e9;
        let others = gpu
            .disagreements
            .iter()
            .filter(|other| other.key == "memory.bandwidth_bytes_per_second");
        for other in others {
            let first = other.value.split(' ').next();
            let said: Option<f64> = first.and_then(|word| word.parse().ok());
            assert_ne!(said.map(f64::to_bits), Some(own.to_bits()), "{}", gpu.id);
        }
    }
}
