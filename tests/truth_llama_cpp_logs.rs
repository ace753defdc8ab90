//! Caches that llama.cpp and its relatives printed on other people's machines.
//!
//! Left out: rows without a context or cache type, and one early port of V4 that kept keys and values at
//! full length, which no release of llama.cpp does.

use dsk::calc::gguf_tensors::LatentLayout;
use dsk::calc::llama_cpp::{Settings, cache_bytes};
use dsk::catalog::{Catalog, KvFormat};
use dsk::units::Tokens;

/// The logs print two digits of a MiB.
const TOLERANCE: f64 = 0.001;

#[test]
fn printed_caches() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let rows = include_str!("data/llamacpp-logs.csv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1);
    let mut held = 0;
    for row in rows {
        let cells: Vec<&str> = row.splitn(6, ',').collect();
        let [model, context, kv, layout, mib, source] = cells.as_slice() else {
            panic!("a row of six cells: {row}");
        };
        let kv = KvFormat::parse(kv).expect("a cache type");
        let settings = Settings {
            keys: kv,
            values: kv,
            layout: if *layout == "heads" {
                LatentLayout::MultiHead
            } else {
                LatentLayout::Absorbed
            },
            ..Settings::of(Tokens(context.parse().expect("tokens")))
        };
        let ours = cache_bytes(&catalog.model(model).expect("a model").shape, &settings).mib();
        let theirs: f64 = mib.parse().expect("MiB");
        assert!(
            (ours / theirs - 1.0).abs() < TOLERANCE,
            "{model} {source}: {ours} instead of {theirs} MiB"
        );
        held += 1;
    }
    assert!(held >= 30, "{held} rows");
}
