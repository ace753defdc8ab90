//! The devices' figures against a table that was gathered apart from the catalog; each row names its sources.
//!
//! GB/s and TFLOPS there have three or four digits, so that a figure may differ by half a per cent. Where the table was
//! found wrong, data/devices-corrected.csv has its figure, the right one and why; the entry itself names the source.

use std::collections::BTreeMap;

use dsk::catalog::{Catalog, Gpu};

/// How far a rounded figure may lie off.
const ROUNDING: f64 = 0.006;

fn figures(gpu: &Gpu) -> [(&'static str, Option<f64>); 8] {
    let tera = |rate: Option<u64>| rate.map(|rate| dsk::units::float(rate) / 1e12);
    let peak = gpu.peak.as_ref();
    let bandwidth = dsk::units::float(gpu.memory.bandwidth_bytes_per_second) / 1e9;
    [
        ("memory_gb", gpu.memory.vendor_gb),
        ("bandwidth_gbs", Some(bandwidth)),
        ("fp16_tflops", tera(peak.and_then(|peak| peak.fp16_flops))),
        ("bf16_tflops", tera(peak.and_then(|peak| peak.bf16_flops))),
        ("fp8_tflops", tera(peak.and_then(|peak| peak.fp8_flops))),
        ("fp4_tflops", tera(peak.and_then(|peak| peak.fp4_flops))),
        ("watts", gpu.power_watts.map(f64::from)),
        ("year", Some(f64::from(gpu.year))),
    ]
}

/// The table's figure and the right one, which is none where nothing is known, by id and name of the figure.
type Corrections = BTreeMap<(String, String), (f64, Option<f64>)>;

fn corrections() -> Corrections {
    let mut rows = csv::Reader::from_reader(include_str!("data/devices-corrected.csv").as_bytes());
    let read = |row: csv::StringRecord| {
        let theirs = row[2].parse().expect("a figure");
        let ours = (!row[3].is_empty()).then(|| row[3].parse().expect("a figure"));
        ((row[0].to_owned(), row[1].to_owned()), (theirs, ours))
    };
    rows.records()
        .map(|row| read(row.expect("a row")))
        .collect()
}

#[test]
fn every_figure_of_the_table_is_the_catalogs() {
    let catalog = Catalog::load(&[]).expect("the catalog is embedded");
    let gpus = catalog.gpus().expect("gpus");
    let mut rows = csv::Reader::from_reader(include_str!("data/devices.csv").as_bytes());
    let mut corrected = corrections();
    let mut held = 0;
    let mut faults = Vec::new();
    for row in rows.records() {
        let row = row.expect("a row");
        let id = &row[0];
        let Some(gpu) = gpus.iter().find(|gpu| gpu.id == id) else {
            faults.push(format!("{id} is missing"));
            continue;
        };
        for ((name, own), cell) in figures(gpu).into_iter().zip(row.iter().skip(1)) {
            let Ok(theirs) = cell.parse::<f64>() else {
                assert!(cell.is_empty(), "{id} {name}: {cell}");
                continue;
            };
            held += 1;
            let near = |one: f64, other: f64| (one / other - 1.0).abs() < ROUNDING;
            if let Some((wrong, right)) = corrected.remove(&(id.to_owned(), name.to_owned())) {
                let agrees = match (own, right) {
                    (Some(own), Some(right)) => near(own, right),
                    (own, right) => own == right,
                };
                if !(agrees && near(theirs, wrong)) {
                    faults.push(format!("{id} {name}: {own:?}, not {right:?}"));
                }
                continue;
            }
            let agrees = own.is_some_and(|own| near(own, theirs));
            let sizes = &gpu.memory.options_gb;
            let sold = name == "memory_gb" && sizes.iter().any(|size| (size - theirs).abs() < 0.5);
            if !(agrees || sold) {
                faults.push(format!("{id} {name}: {own:?}, not {theirs}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(corrected.is_empty(), "not in the table: {corrected:#?}");
    assert!(held > 500, "{held} figures");
}
