//! Names of devices as people, clouds and drivers write them, each with the device that it means.
//!
//! `expected` is an id, perhaps with the GB asked for; several ids with `|` between them where the name must ask;
//! `-` where no device of the catalog has that name.

use dsk::catalog::Catalog;
use dsk::error::Error;
use dsk::request::HardwareAsked;

fn answer(catalog: &Catalog, typed: &str) -> String {
    let asked = HardwareAsked {
        gpu: Some(typed.to_owned()),
        ram_gb: Some(64.0),
        ..HardwareAsked::default()
    };
    match asked.resolve(catalog) {
        Ok(Some(hardware)) => {
            let device = hardware.devices.first().expect("a device");
            let gpu = device.gpu.as_ref().expect("an entry");
            match device.name.strip_prefix(&gpu.name) {
                Some(size) if !size.is_empty() => {
                    format!("{}{}", gpu.id, size.trim_end_matches(" GB"))
                }
                _ => gpu.id.clone(),
            }
        }
        Ok(None) => "nothing".to_owned(),
        Err(Error::Ambiguous { candidates, .. }) => candidates.join("|"),
        Err(_) => "-".to_owned(),
    }
}

#[test]
fn every_name_means_its_device() {
    let catalog = Catalog::load(&[]).expect("the catalog is embedded");
    let table = include_str!("data/gpu-names.csv");
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let mut held = 0;
    let mut faults = Vec::new();
    for row in rows.records() {
        let row = row.expect("a row");
        let (typed, expected) = (&row[0], &row[1]);
        let found = answer(&catalog, typed);
        held += 1;
        if found != expected {
            faults.push(format!("{typed}: {found}, not {expected}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(held >= 150, "{held} names");
}

/// The devices that a name is looked up among are all that it can mean: the others need not be read.
#[test]
fn a_name_means_the_same_among_the_devices_like_it() {
    let catalog = Catalog::load(&[]).expect("the catalog is embedded");
    let all = catalog.gpus().expect("gpus");
    let table = include_str!("data/gpu-names.csv");
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let typed = rows.records().map(|row| row.expect("a row")[0].to_owned());
    let mut names: Vec<String> = typed.collect();
    names.extend(all.iter().flat_map(|gpu| {
        let joined = gpu.id.replace('-', "");
        [gpu.id.replace('-', " "), joined, gpu.name.clone()]
            .into_iter()
            .chain(gpu.aliases.clone())
    }));
    let mut read = 0;
    for name in &names {
        let like = catalog.gpus_like(name).expect("gpus");
        read += like.len();
        let word = |gpus: &[dsk::catalog::Gpu]| match dsk::catalog::gpu_name::find_gpu(gpus, name) {
            Ok(found) => format!("{} {:?}", found.gpu.id, found.size_gb),
            Err(Error::Unknown { .. }) => "unknown".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(word(&like), word(all), "{name}");
    }
    let most = names.len() * all.len() / 4;
    assert!(
        read < most,
        "{read} devices were read for {} names",
        names.len()
    );
}

/// The catalog's own names, and names written without spaces or dashes, mean the entry that has them.
#[test]
fn an_entrys_own_names_mean_it() {
    let catalog = Catalog::load(&[]).expect("the catalog is embedded");
    let mut faults = Vec::new();
    for gpu in catalog.gpus().expect("gpus") {
        let joined = gpu.id.replace('-', "");
        for typed in [&gpu.id, &gpu.id.to_uppercase(), &joined, &gpu.name] {
            let found = dsk::catalog::gpu_name::find_gpu(catalog.gpus().expect("gpus"), typed);
            match found {
                Ok(named) if named.gpu.id == gpu.id => {}
                other => faults.push(format!("{typed}: {:?}", other.map(|named| &named.gpu.id))),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Numerals, and words that people write around a device's name.
const COMMON: [&str; 119] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "twelve",
    "sixteen",
    "twenty",
    "hundred",
    "thousand",
    "half",
    "both",
    "double",
    "dual",
    "pair",
    "single",
    "several",
    "many",
    "few",
    "some",
    "any",
    "all",
    "each",
    "every",
    "none",
    "no",
    "yes",
    "a",
    "an",
    "the",
    "this-one",
    "that",
    "my",
    "our",
    "your",
    "its",
    "their",
    "i",
    "we",
    "is",
    "are",
    "has",
    "have",
    "with",
    "without",
    "in",
    "on",
    "of",
    "for",
    "to",
    "from",
    "by",
    "and",
    "or",
    "not",
    "new",
    "old",
    "big",
    "small",
    "large",
    "fast",
    "slow",
    "cheap",
    "best",
    "good",
    "used",
    "free",
    "local",
    "home",
    "office",
    "server",
    "desktop",
    "notebook",
    "machine",
    "computer",
    "box",
    "rack",
    "node",
    "cluster",
    "cloud",
    "rig",
    "card",
    "cards",
    "gpus",
    "device",
    "devices",
    "die",
    "dies",
    "chip",
    "chips",
    "stack",
    "stacks",
    "module",
    "part",
    "half-card",
    "bridge",
    "memory",
    "system",
    "driver",
    "kernel",
    "model",
    "large-one",
    "test",
    "default",
    "auto",
    "nano",
    "mini",
    "data",
    "center",
    "gaming",
    "graphics",
    "processor",
    "video",
];

#[test]
fn a_common_word_is_no_device() {
    let catalog = Catalog::load(&[]).expect("the catalog is embedded");
    let gpus = catalog.gpus().expect("gpus");
    let mut faults = Vec::new();
    for word in COMMON {
        let doubled = format!("{word} {word}");
        for typed in [word, &doubled, &word.to_uppercase()] {
            if let Ok(named) = dsk::catalog::gpu_name::find_gpu(gpus, typed) {
                faults.push(format!("{typed}: {}", named.gpu.id));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
