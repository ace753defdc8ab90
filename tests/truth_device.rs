//! What two H100 said of themselves (tests/data/device-2026-11-24.csv), against the catalog's entry.

use std::collections::BTreeMap;

use dsk::catalog::Catalog;

/// The driver keeps a little more or less from version to version; the source of the catalog's figure is another one.
const DRIVERS_DIFFER_BYTES: u64 = 4 << 20;

/// The bytes of every device, by quantity.
fn measured() -> BTreeMap<String, Vec<u64>> {
    let mut rows = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(include_bytes!("data/device-2026-11-24.csv").as_slice());
    let mut bytes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for row in rows.records() {
        let row = row.expect("a row");
        if &row[3] == "bytes" {
            let value = row[2].parse().expect("bytes");
            bytes.entry(row[0].to_owned()).or_default().push(value);
        }
    }
    bytes
}

#[test]
fn the_catalogs_memory_is_the_cards() {
    let catalog = Catalog::load(&[]).expect("the catalog is embedded");
    let gpu = catalog
        .gpus()
        .expect("gpus")
        .iter()
        .find(|gpu| gpu.id == "h100-sxm")
        .expect("an H100");
    let total = gpu.memory.total_bytes.expect("a total").0;
    let usable = gpu.memory.usable_bytes.expect("usable bytes").0;
    let measured = measured();
    assert_eq!(measured["nvidia_smi_total"], [total, total]);
    for bytes in &measured["program_total"] {
        let error = usable.abs_diff(*bytes);
        assert!(error <= DRIVERS_DIFFER_BYTES, "{error} bytes apart");
    }
}

/// What nvidia-smi calls free on an idle card is all that a program sees there, which detection takes as usable.
#[test]
fn what_is_free_on_an_idle_card_is_what_a_program_can_use() {
    let measured = measured();
    assert_eq!(measured["nvidia_smi_free"], measured["program_total"]);
}
