//! Cache bytes per token of every official release, by engine.

use dsk::calc::cache::{CacheRequest, expanded_sequence_bytes, sequence_bytes};
use dsk::calc::llama_cpp::{Settings, cache_bytes};
use dsk::calc::load::Split;
use dsk::catalog::shape::{Attention, Shape};
use dsk::catalog::{Catalog, KvFormat};
use dsk::units::{Tokens, float};
use toml::{Table, Value};

/// A context that every ratio of V4 and every block of llama.cpp divides.
const LONG: u64 = 1 << 20;

struct Case {
    id: String,
    shape: Shape,
    stated: Table,
}

fn cases() -> Vec<Case> {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let data: Table = include_str!("data/kv.toml").parse().expect("the data");
    let rows = data["model"].as_array().expect("models");
    rows.iter()
        .map(|row| {
            let stated = row.as_table().expect("a table").clone();
            let id = stated["id"].as_str().expect("an id").to_owned();
            let shape = catalog.model(&id).expect("a model").shape;
            Case { id, shape, stated }
        })
        .collect()
}

/// The cache of one token at length, with what every sequence keeps whatever its length taken away.
fn per_token(shape: &Shape, kv: KvFormat) -> f64 {
    let request = CacheRequest {
        shape,
        kv,
        split: Split::SINGLE,
        draft_layers: 0,
    };
    let whole = sequence_bytes(&request, &(0..shape.layers), Tokens(LONG));
    let double = sequence_bytes(&request, &(0..shape.layers), Tokens(2 * LONG));
    (double.as_f64() - whole.as_f64()) / float(LONG)
}

fn number(value: &Value) -> f64 {
    value
        .as_float()
        .or_else(|| {
            value
                .as_integer()
                .map(|integer| f64::from(i32::try_from(integer).expect("small")))
        })
        .expect("a number")
}

/// Holds `ours` against each stated figure of that key; says how many there were.
fn hold(key: &str, ours: impl Fn(&Shape) -> f64) -> usize {
    let mut held = 0;
    for case in cases() {
        if let Some(stated) = case.stated.get(key) {
            let (ours, theirs) = (ours(&case.shape), number(stated));
            assert!(
                (ours - theirs).abs() < 1e-6,
                "{} {key}: {ours} instead of {theirs}",
                case.id
            );
            held += 1;
        }
    }
    held
}

fn without_indexer(shape: &Shape) -> Shape {
    let mut plain = shape.clone();
    if let Attention::Latent { indexer, .. } = &mut plain.attention {
        *indexer = None;
    }
    plain
}

#[test]
fn sixteen_and_eight_bits() {
    assert!(
        hold("bf16", |shape| per_token(
            &without_indexer(shape),
            KvFormat::F16
        )) > 30
    );
    assert!(
        hold("fp8", |shape| per_token(
            &without_indexer(shape),
            KvFormat::Fp8
        )) > 30
    );
}

#[test]
fn vllms_layouts_of_latent_attention() {
    let plain = |kv| move |shape: &Shape| per_token(&without_indexer(shape), kv);
    assert!(hold("vllm_fp8_ds_mla", plain(KvFormat::Fp8DsMla)) > 10);
    assert!(hold("vllm_nvfp4_ds_mla", plain(KvFormat::Nvfp4DsMla)) > 10);
    assert!(hold("bf16_plus_indexer", |shape| per_token(shape, KvFormat::F16)) > 2);
    assert!(
        hold("vllm_fp8_ds_mla_plus_indexer", |shape| per_token(
            shape,
            KvFormat::Fp8DsMla
        )) > 2
    );
}

#[test]
fn every_heads_keys_and_values() {
    let expanded = |shape: &Shape| {
        expanded_sequence_bytes(shape, KvFormat::F16, Tokens(LONG)).as_f64() / float(LONG)
    };
    assert!(hold("expanded_mha_bf16", expanded) > 10);
}

#[test]
fn llama_cpps_caches() {
    let cached = |shape: &Shape, kv| {
        let settings = Settings {
            keys: kv,
            values: kv,
            ..Settings::of(Tokens(LONG))
        };
        cache_bytes(shape, &settings).as_f64() / float(LONG)
    };
    let latent = |kv| move |shape: &Shape| cached(&without_indexer(shape), kv);
    assert!(hold("llamacpp_mla_f16", latent(KvFormat::F16)) > 10);
    assert!(hold("llamacpp_mla_q8_0", latent(KvFormat::Q8_0)) > 10);
    assert!(
        hold("llamacpp_f16_plus_indexer", |shape| cached(
            shape,
            KvFormat::F16
        )) > 2
    );
    assert!(hold("llamacpp_q8_0", latent(KvFormat::Q8_0)) > 10);
}

#[test]
fn v4s_entries_and_windows() {
    assert!(
        hold("per_token_fp8_indexer_fp8", |shape| per_token(
            shape,
            KvFormat::Fp8
        )) >= 4
    );
    let small_keys = |shape: &Shape| per_token(shape, KvFormat::Fp8IndexFp4);
    assert!(hold("per_token_fp8_indexer_fp4", small_keys) >= 4);
    assert!(hold("sglang_bf16_rows", |shape| per_token(shape, KvFormat::F16)) >= 4);
    let fixed = |shape: &Shape| {
        let request = CacheRequest {
            shape,
            kv: KvFormat::Fp8,
            split: Split::SINGLE,
            draft_layers: 0,
        };
        let whole = sequence_bytes(&request, &(0..shape.layers), Tokens(LONG));
        whole.as_f64() - per_token(shape, KvFormat::Fp8) * float(LONG)
    };
    assert!(hold("swa_fixed_per_sequence_raw", fixed) >= 4);
    assert!(hold("bytes_584_fp8idx", |shape| per_token(shape, KvFormat::Fp8)) >= 1);
    assert!(hold("swa_fixed_per_sequence_raw_584", fixed) >= 1);
}
