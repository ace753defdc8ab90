//! Parameters and bytes of every official release with a shape, held against published counts: all 0 off.

use std::collections::BTreeMap;

use dsk::calc::checkpoint::{active_bytes, checkpoint_size};
use dsk::calc::tensors::{ParameterCount, parameters};
use dsk::catalog::find::find;
use dsk::catalog::{Catalog, Entry, NativeStorage, Release, Shape};
use serde::Deserialize;

#[derive(Deserialize)]
struct Truth {
    model: Vec<Counts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    id: String,
    logical_total: u64,
    stored_elements: u64,
    main_without_mtp: u64,
    mtp: u64,
    embed_tokens: u64,
    lm_head: u64,
    indexer_in_main: u64,
    scale_elements: u64,
    active_with_embed_and_head: u64,
    active_without_embed: u64,
    active_without_embed_and_head: u64,
    active_weight_bytes_without_embed: u64,
    transformers_meta_parameters: Option<u64>,
    engram_params: Option<u64>,
    backbone_params: Option<u64>,
    tensor_bytes: u64,
    tensor_bytes_without_mtp: u64,
    tensors: u64,
    dtype_elements: BTreeMap<String, u64>,
    #[expect(dead_code, reason = "a citation for readers of the data")]
    confirmed_by: String,
}

fn truth() -> Vec<Counts> {
    let truth: Truth = toml::from_str(include_str!("data/models.toml")).expect("the data parses");
    truth.model
}

fn catalog() -> Catalog {
    Catalog::load(&[]).expect("the embedded catalog is sound")
}

fn release<'a>(releases: &'a [Release], id: &str) -> &'a Release {
    releases
        .iter()
        .find(|release| release.id == id)
        .unwrap_or_else(|| panic!("`{id}` is missing from the catalog"))
}

fn parts(release: &Release) -> (&Shape, &NativeStorage) {
    let shape = release.shape.as_ref().expect("a shape");
    (shape, release.storage.as_ref().expect("a storage"))
}

/// What differs, as `key: ours, theirs`.
fn differences(pairs: &[(&str, u64, Option<u64>)]) -> Vec<String> {
    pairs
        .iter()
        .filter(|(_, ours, theirs)| theirs.is_some_and(|theirs| theirs != *ours))
        .map(|(key, ours, theirs)| format!("{key}: {ours}, {theirs:?}"))
        .collect()
}

fn count_differences(counted: &ParameterCount, theirs: &Counts) -> Vec<String> {
    let active = counted.active.0;
    let (embedding, head) = (counted.embedding.0, counted.head.0);
    let backbone = counted.main.0 - counted.engram.0 - counted.vision.0;
    differences(&[
        ("total", counted.stored.0, Some(theirs.logical_total)),
        ("main", counted.main.0, Some(theirs.main_without_mtp)),
        ("draft", counted.draft.0, Some(theirs.mtp)),
        ("embedding", embedding, Some(theirs.embed_tokens)),
        ("head", head, Some(theirs.lm_head)),
        ("indexer", counted.indexer.0, Some(theirs.indexer_in_main)),
        ("active", active, Some(theirs.active_with_embed_and_head)),
        (
            "active without embedding",
            active - embedding,
            Some(theirs.active_without_embed),
        ),
        (
            "active without embedding and head",
            active - embedding - head,
            Some(theirs.active_without_embed_and_head),
        ),
        (
            "registered by Transformers",
            counted.registered.0,
            theirs.transformers_meta_parameters,
        ),
        ("engram", counted.engram.0, theirs.engram_params),
        ("backbone", backbone, theirs.backbone_params),
    ])
}

#[test]
fn every_parameter_count_is_exact() {
    let catalog = catalog();
    let releases = catalog.releases().expect("releases");
    for theirs in truth() {
        let (shape, _) = parts(release(releases, &theirs.id));
        let wrong = count_differences(&parameters(shape), &theirs);
        assert!(wrong.is_empty(), "{}: {wrong:?}", theirs.id);
    }
}

#[test]
fn every_checkpoint_is_exact_to_the_byte() {
    let catalog = catalog();
    let releases = catalog.releases().expect("releases");
    for theirs in truth() {
        let (shape, storage) = parts(release(releases, &theirs.id));
        let all = checkpoint_size(shape, storage, true);
        let main = checkpoint_size(shape, storage, false);
        let active = active_bytes(shape, storage).0;
        let wrong = differences(&[
            ("bytes", all.bytes.0, Some(theirs.tensor_bytes)),
            (
                "main bytes",
                main.bytes.0,
                Some(theirs.tensor_bytes_without_mtp),
            ),
            ("elements", all.elements, Some(theirs.stored_elements)),
            ("scales", all.scales, Some(theirs.scale_elements)),
            ("tensors", all.tensors, Some(theirs.tensors)),
            (
                "active bytes",
                active,
                Some(theirs.active_weight_bytes_without_embed),
            ),
        ]);
        assert!(wrong.is_empty(), "{}: {wrong:?}", theirs.id);
        let by_type: BTreeMap<String, u64> = all
            .by_element
            .iter()
            .map(|(element, number)| (element.name().to_owned(), *number))
            .collect();
        assert_eq!(by_type, theirs.dtype_elements, "{}", theirs.id);
    }
}

#[test]
fn every_release_with_a_shape_is_held_against_counts() {
    let catalog = catalog();
    let known: Vec<String> = truth().into_iter().map(|counts| counts.id).collect();
    for release in catalog.releases().expect("releases") {
        assert_eq!(
            release.shape.is_some(),
            known.contains(&release.id),
            "{}",
            release.id
        );
        assert_eq!(release.shape.is_some(), release.storage.is_some());
    }
}

/// The hub counts some checkpoints with their scales and some without.
#[test]
fn what_others_state_is_what_we_compute() {
    let catalog = catalog();
    for release in catalog.releases().expect("releases") {
        let (Some(stated), Some(shape), Some(storage)) =
            (&release.stated, &release.shape, &release.storage)
        else {
            continue;
        };
        let size = checkpoint_size(shape, storage, true);
        if let Some(stated) = stated.parameters {
            let ours = [parameters(shape).stored.0, size.elements];
            assert!(ours.contains(&stated.0), "{}: {stated:?}", release.id);
        }
        if let Some(stated) = stated.tensor_bytes {
            assert_eq!(size.bytes, stated, "{}", release.id);
        }
    }
}

#[test]
fn short_names_and_repositories_resolve() {
    let catalog = catalog();
    let cases = [
        ("v3", "deepseek-v3"),
        ("R1", "deepseek-r1"),
        ("deepseek-ai/DeepSeek-V3", "deepseek-v3"),
        ("deepseek-ai/DeepSeek-V3-Base", "deepseek-v3"),
        ("DeepSeek-V4-Pro-DSpark", "deepseek-v4-pro-0813"),
        (
            "DeepSeek-R1-Distill-Qwen-14B",
            "deepseek-r1-distill-qwen-14b",
        ),
        ("r1-qwen-14b", "deepseek-r1-distill-qwen-14b"),
        ("r1-0528-qwen3-8b", "deepseek-r1-0528-qwen3-8b"),
        ("v2-lite", "deepseek-v2-lite"),
        ("coder-6.7b", "deepseek-coder-6.7b"),
        ("v4.1-flash", "deepseek-v4.1-flash"),
        ("ocr", "deepseek-ocr"),
    ];
    for (name, id) in cases {
        let model = catalog.model(name).expect(name);
        assert_eq!(model.id, id, "{name}");
    }
    let unpublished = catalog.model("ocr-2").expect_err("it has no shape");
    assert!(unpublished.to_string().contains("not public"));
}

#[test]
fn no_name_means_two_releases() {
    let catalog = catalog();
    let releases = catalog.releases().expect("releases");
    for release in releases {
        for name in release.names() {
            let found = find(releases, name).expect(name);
            assert_eq!(found.id, release.id, "{name}");
        }
    }
}
