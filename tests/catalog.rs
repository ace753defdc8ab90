//! The embedded catalog: every file is an entry, every entry holds together.

use std::path::Path;

use dsk::calc::checkpoint::checkpoint_size;
use dsk::calc::estimate::weights;
use dsk::calc::tensors::parameters;
use dsk::catalog::find::find;
use dsk::catalog::{Catalog, Entry, Gpu};

fn catalog() -> Catalog {
    Catalog::load(&[]).expect("the catalog is embedded")
}

#[test]
fn everything_that_is_named_exists() {
    catalog().check().expect("the catalog holds together");
}

#[test]
fn every_file_is_embedded() {
    let catalog = catalog();
    let embedded = [
        ("variants", catalog.variants().expect("variants").len()),
        ("models", catalog.releases().expect("models").len()),
        ("gpus", catalog.gpus().expect("gpus").len()),
        ("formats", catalog.formats().expect("formats").len()),
        ("engines", catalog.engines().expect("engines").len()),
        ("scenarios", catalog.scenarios().expect("scenarios").len()),
    ];
    for (folder, entries) in embedded {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("catalog")
            .join(folder);
        let files = std::fs::read_dir(&path).expect("the folder").count();
        assert_eq!(entries, files, "{folder}");
    }
    assert!(catalog.gpus().expect("gpus").len() >= 110);
}

#[test]
fn every_file_names_a_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    for folder in std::fs::read_dir(root)
        .expect("catalog")
        .map(|entry| entry.expect("an entry").path())
    {
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
        {
            let text = std::fs::read_to_string(&file).expect("readable");
            let sourced = text
                .lines()
                .any(|line| line.starts_with("source = \"") && line.len() > 14);
            assert!(sourced, "{}", file.display());
        }
    }
}

/// The hub's own counts and the index files' own sums, where a source has them.
#[test]
fn what_others_state_is_what_the_shape_gives() {
    let catalog = catalog();
    let mut held = 0;
    for release in catalog.releases().expect("models") {
        let (Some(shape), Some(storage), Some(stated)) =
            (&release.shape, &release.storage, &release.stated)
        else {
            continue;
        };
        let size = checkpoint_size(shape, storage, true);
        if let Some(bytes) = stated.tensor_bytes {
            assert_eq!(size.bytes, bytes, "{}", release.id());
            held += 1;
        }
        if let Some(stated) = stated.parameters {
            let logical = parameters(shape).stored;
            assert!(
                stated == logical || stated.0 == size.elements,
                "{}: {stated:?}",
                release.id()
            );
            held += 1;
        }
    }
    assert!(held > 40, "{held} statements");
}

#[test]
fn every_model_has_a_native_format_that_holds_it() {
    let catalog = catalog();
    let formats = catalog.formats().expect("formats");
    for model in catalog.models().expect("models") {
        let native = find(formats, &model.native).expect("a native format");
        weights(&model, native, None).unwrap_or_else(|error| panic!("{}: {error}", model.id));
    }
}

#[test]
fn a_claim_of_the_article_that_is_wrong_says_so() {
    let catalog = catalog();
    let contradicted: Vec<&str> = catalog
        .variants()
        .expect("variants")
        .iter()
        .filter(|variant| {
            variant
                .claims
                .iter()
                .any(|claim| claim.contradicted_by.is_some())
        })
        .map(|variant| variant.id.as_str())
        .collect();
    assert_eq!(contradicted, ["1.3b", "13b", "175b", "33b", "6.7b", "65b"]);
}

#[test]
fn an_entry_is_found_by_its_id_alone() {
    let catalog = catalog();
    let found = |id: &str| catalog.entry::<Gpu>(id).expect("a usable file");
    for gpu in catalog.gpus().expect("gpus") {
        let named = found(&gpu.id.to_uppercase()).map(|own| own.id);
        assert_eq!(named.as_ref(), Some(&gpu.id));
    }
    for other in ["4090", "./rtx-4090", "../gpus/rtx-4090", "rtx-4090/", ""] {
        assert!(found(other).is_none(), "{other}");
    }
}
