//! The devices' figures against a table that was gathered apart from the catalog; each row names its sources.
//!
//! GB/s and TFLOPS there have three or four digits, so that a figure may differ by half a per cent.

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

#[test]
fn every_figure_of_the_table_is_the_catalogs() {
    let catalog = Catalog::load(&[]).expect("the catalog is embedded");
    let gpus = catalog.gpus().expect("gpus");
    let mut rows = csv::Reader::from_reader(include_str!("data/devices.csv").as_bytes());
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
            let agrees = own.is_some_and(|own| (own / theirs - 1.0).abs() < ROUNDING);
            let sizes = &gpu.memory.options_gb;
            let sold = name == "memory_gb" && sizes.iter().any(|size| (size - theirs).abs() < 0.5);
            if !(agrees || sold) {
                faults.push(format!("{id} {name}: {own:?}, not {theirs}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(held > 500, "{held} figures");
}
