//! The configurations of official checkpoints, held against the catalog and published counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dsk::calc::checkpoint::checkpoint_size;
use dsk::calc::tensors::parameters;
use dsk::catalog::find::find;
use dsk::catalog::{Basis, Catalog, Origin};
use serde::Deserialize;

use super::opened;

#[derive(Deserialize)]
struct Truth {
    model: Vec<Counts>,
}

#[derive(Deserialize)]
struct Counts {
    id: String,
    logical_total: u64,
    main_without_mtp: u64,
    tensor_bytes: u64,
}

/// Conversions of others, with the release whose tensors they have.
const CONVERSIONS: [(&str, &str); 6] = [
    ("nvidia--DeepSeek-V3.1-NVFP4", "deepseek-v3.1"),
    ("nvidia--DeepSeek-V3.2-NVFP4", "deepseek-v3.2"),
    ("nvidia--DeepSeek-V4-Flash-NVFP4", "deepseek-v4-flash"),
    ("nvidia--DeepSeek-V4-Pro-NVFP4", "deepseek-v4-pro"),
    ("sgl-project--DeepSeek-V4-Flash-FP8", "deepseek-v4-flash"),
    ("sgl-project--DeepSeek-V4-Pro-FP8", "deepseek-v4-pro"),
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/configs")
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(data())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names.len(), 36);
    names
}

fn truth() -> BTreeMap<String, Counts> {
    let truth: Truth = toml::from_str(include_str!("../data/models.toml")).expect("it parses");
    truth
        .model
        .into_iter()
        .map(|counts| (counts.id.clone(), counts))
        .collect()
}

#[test]
fn every_configuration_gives_the_published_counts() {
    let catalog = Catalog::load(&[]).expect("sound");
    let releases = catalog.releases().expect("releases");
    let truth = truth();
    for name in names() {
        let conversion = CONVERSIONS.iter().find(|(known, _)| *known == name);
        let repo = name.replace("--", "/");
        let id = match conversion {
            Some((_, id)) => *id,
            None => &find(releases, &repo).expect("a release").id,
        };
        let theirs = &truth[id];
        let model = opened(&data().join(format!("{name}.json")));
        let counted = parameters(&model.model.shape);
        assert_eq!(counted.main.0, theirs.main_without_mtp, "{name}");
        assert_eq!(counted.stored.0, theirs.logical_total, "{name}");
        assert_eq!(model.model.origin, Origin::File);
        assert_eq!(model.model.id, name);
        assert!(find(catalog.formats().expect("formats"), &model.model.native).is_ok());
        let mixed = name.contains("V4") && name.contains("NVFP4");
        let basis = if mixed { Basis::Modelled } else { Basis::Exact };
        assert_eq!(
            (model.model.basis, model.notes.len()),
            (basis, usize::from(mixed)),
            "{name}"
        );
        if conversion.is_some() {
            continue;
        }
        let storage = model.model.storage.as_ref().expect("a storage");
        let size = checkpoint_size(&model.model.shape, storage, true);
        assert_eq!(size.bytes.0, theirs.tensor_bytes, "{name}");
    }
}

#[test]
fn an_official_configuration_is_the_catalogs_shape() {
    let catalog = Catalog::load(&[]).expect("sound");
    let releases = catalog.releases().expect("releases");
    for name in names()
        .iter()
        .filter(|name| name.starts_with("deepseek-ai"))
    {
        let release = find(releases, &name.replace("--", "/")).expect("a release");
        let model = opened(&data().join(format!("{name}.json")));
        assert_eq!(Some(&model.model.shape), release.shape.as_ref(), "{name}");
        assert_eq!(model.model.storage, release.storage, "{name}");
        assert_eq!(Some(&model.model.native), release.native.as_ref(), "{name}");
        let scaling = |scaling: &dsk::catalog::release::RopeScaling| {
            format!(
                "{} {} {:?}",
                scaling.method, scaling.factor, scaling.original_tokens
            )
        };
        assert_eq!(
            model.rope_scaling.as_ref().map(scaling),
            release.rope_scaling.as_ref().map(scaling),
            "{name}"
        );
    }
}

#[test]
fn conversions_name_their_format() {
    let native = |name: &str| opened(&data().join(format!("{name}.json"))).model.native;
    assert_eq!(native("nvidia--DeepSeek-V4-Flash-NVFP4"), "nvfp4");
    assert_eq!(native("sgl-project--DeepSeek-V4-Pro-FP8"), "fp8-block");
    assert_eq!(native("deepseek-ai--DeepSeek-V4-Pro-0813"), "fp4-fp8");
    assert_eq!(native("deepseek-ai--deepseek-llm-67b-base"), "bf16");
}
