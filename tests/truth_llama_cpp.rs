//! llama.cpp's weights, cache and compute buffers, held against what it prints itself.

use dsk::calc::gguf::FileType;
use dsk::calc::llama_cpp::compute::{Part, buffers};
use dsk::calc::llama_cpp::{Backend, Outputs, Settings, cache_bytes, memory};
use dsk::calc::load::{Load, Options, Split};
use dsk::calc::mix::{LatentLayout, Mix, file_bytes, gguf_tensors};
use dsk::catalog::find::find;
use dsk::catalog::{Catalog, KvFormat, Shape};
use dsk::units::{Bytes, Tokens};

/// The lines of a CSV file without its comment and heading, split at commas.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| line.split(',').collect())
}

/// The shape and layout that a name in the data stands for.
fn model(catalog: &Catalog, name: &str) -> (Shape, LatentLayout) {
    let (id, layout) = match name.strip_suffix("-legacy") {
        Some(id) => (id, LatentLayout::MultiHead),
        None => (name, LatentLayout::Absorbed),
    };
    let id = id.strip_suffix("-nomtp").unwrap_or(id);
    let mut shape = catalog
        .model(id)
        .unwrap_or_else(|error| panic!("{error}"))
        .shape;
    if name.ends_with("-nomtp") {
        shape.draft_layers = 0;
    }
    (shape, layout)
}

#[test]
fn weights_are_0_bytes_off() {
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let mut checked = 0;
    for row in rows(include_str!("data/llamacpp-weights.csv")) {
        let (shape, layout) = model(&catalog, row[0]);
        let file_type = FileType::from_name(row[2]).unwrap_or_else(|| panic!("`{}`", row[2]));
        let tensors = gguf_tensors(&shape, layout);
        let bytes = file_bytes(&shape, &tensors, Mix::of(file_type));
        let elements: u64 = tensors
            .iter()
            .map(|tensor| tensor.elements() * u64::from(tensor.layers.end - tensor.layers.start))
            .sum();
        assert_eq!(elements.to_string(), row[3], "{} {}", row[0], row[2]);
        assert_eq!(
            bytes,
            Bytes(row[4].parse().expect("a number")),
            "{} {}",
            row[0],
            row[2]
        );
        checked += 1;
    }
    assert_eq!(checked, 154);
}

/// The settings of a line of the memory data.
fn settings(row: &[&str], layout: LatentLayout) -> Settings {
    let number = |column: usize| row[column].parse().expect("a number");
    Settings {
        context: Tokens(number(2)),
        keys: KvFormat::parse(row[3]).expect("a cache format"),
        values: KvFormat::parse(row[4]).expect("a cache format"),
        flash_attention: row[5] == "True",
        micro_batch: number(6),
        sequences: number(7),
        unified: row[8] == "True",
        outputs: match number(9) {
            0 => Outputs::EachToken,
            rows => Outputs::Rows(rows),
        },
        layout,
    }
}

#[test]
fn caches_are_0_bytes_off() {
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let mut checked = 0;
    for row in rows(include_str!("data/llamacpp-memory.csv")) {
        let (shape, layout) = model(&catalog, row[0]);
        let bytes = cache_bytes(&shape, &settings(&row, layout));
        assert_eq!(bytes.0.to_string(), row[10], "{row:?}");
        checked += 1;
    }
    assert_eq!(checked, 1427);
}

#[test]
fn compute_buffers_are_0_bytes_off() {
    let text = include_str!("data/llamacpp-memory.csv");
    assert_eq!(check_compute(text), 1427);
}

/// Settings and shapes that no formula was made for.
#[test]
fn random_settings_are_0_bytes_off() {
    let text = include_str!("data/llamacpp-random.csv");
    assert_eq!(check_compute(text), 605);
}

/// Holds cache and compute buffer of every line against the printed ones; gives the lines.
fn check_compute(text: &str) -> usize {
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let mut checked = 0;
    for row in rows(text) {
        let (shape, layout) = model(&catalog, row[0]);
        let settings = settings(&row, layout);
        assert_eq!(
            cache_bytes(&shape, &settings).0.to_string(),
            row[10],
            "{row:?}"
        );
        let buffers = buffers(&shape, &settings, Backend::Cpu, Part::WHOLE).expect("listed");
        assert_eq!(buffers.host.0.to_string(), row[11], "{row:?}");
        checked += 1;
    }
    checked
}

#[test]
fn a_gpu_holds_what_cuda_allocated() {
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let engine = find(catalog.engines().expect("engines"), "llama.cpp").expect("llama.cpp");
    for row in rows(include_str!("data/llamacpp-h200.csv")) {
        let number = |column: usize| row[column].parse::<u64>().expect("a number");
        let model = catalog.model(row[0]).expect("a model");
        let format = match row[1] {
            "F16" => "gguf-f16",
            other => other,
        };
        let format = find(catalog.formats().expect("formats"), format).expect("a format");
        let memory = memory(&Load {
            model: &model,
            format,
            kv: KvFormat::parse(row[4]).expect("a cache format"),
            context: Tokens(number(2) / number(3)),
            sequences: number(3),
            engine: Some(engine),
            hardware: None,
            split: Split::SINGLE,
            options: Options {
                flash_attention: Some(row[5] == "True"),
                micro_batch: Some(number(6)),
                ..Options::default()
            },
            explain: false,
        })
        .expect("a memory");
        let parts = memory.fullest();
        let ours = [
            parts.weights,
            parts.kv_cache,
            parts.compute,
            memory.host.weights,
            memory.host.compute,
        ];
        let theirs: Vec<Bytes> = (7..12).map(|column| Bytes(number(column))).collect();
        assert_eq!(ours.as_slice(), theirs, "{row:?}");
    }
}
