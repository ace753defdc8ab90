//! llama.cpp's weights, cache and compute buffers, held against what it prints itself.

use dsk::calc::gguf::FileType;
use dsk::calc::mix::{LatentLayout, Mix, file_bytes, gguf_tensors};
use dsk::catalog::{Catalog, Shape};
use dsk::units::Bytes;

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
