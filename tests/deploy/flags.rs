//! Every flag and every value against the engine's own parser.

use std::collections::BTreeSet;

use dsk::catalog::{Catalog, Model, Version};
use dsk::deploy::Target;
use dsk::request::SplitAsked;

use super::question::{Wish, command, value};

/// A flag as the engine's parser has it.
struct Known {
    names: Vec<String>,
    is_switch: bool,
    choices: Option<String>,
}

fn known(text: &str) -> Vec<Known> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let mut parts = line.splitn(3, '|');
        let names = parts.next().expect("names");
        let default = parts.next().expect("a default");
        let choices = parts.next().unwrap_or_default();
        Known {
            names: names.split(',').map(str::to_owned).collect(),
            is_switch: default == "False",
            choices: (!choices.is_empty()).then(|| choices.to_owned()),
        }
    })
    .collect()
}

/// Holds the words of one command against the parser; gives the flags that it used.
fn check(words: &[String], known: &[Known], skip: usize) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let mut words = words.iter().skip(skip);
    while let Some(word) = words.next() {
        let flag = known
            .iter()
            .find(|flag| flag.names.contains(word))
            .unwrap_or_else(|| panic!("the engine has no {word}"));
        used.insert(word.clone());
        let switch = flag.is_switch || ["--kv-unified", "--metrics"].contains(&word.as_str());
        if switch {
            continue;
        }
        let value = words
            .next()
            .unwrap_or_else(|| panic!("{word} lacks a value"));
        if let Some(choices) = &flag.choices {
            assert!(
                choices.contains(&format!("'{value}'")),
                "{word} {value}: {choices}"
            );
        }
    }
    used
}

/// Splits of 16 devices in two nodes of 8.
fn splits() -> Vec<SplitAsked> {
    let split = |tensor, pipeline, data, expert| SplitAsked {
        tensor: Some(tensor),
        pipeline: Some(pipeline),
        data: Some(data),
        expert: Some(expert),
    };
    vec![
        split(16, 1, 1, 1),
        split(8, 2, 1, 8),
        split(8, 1, 2, 16),
        split(1, 1, 16, 16),
        split(4, 2, 2, 1),
        split(4, 1, 4, 16),
    ]
}

fn all(target: Target, version: Option<&str>, data: &str, skip: usize) -> BTreeSet<String> {
    let version = version.map(|version| Version::parse(version).expect("a version"));
    let catalog = Catalog::load(&[]).expect("the catalog");
    let known = known(data);
    let formats = catalog.formats().expect("formats");
    let engine = target.engine().expect("an engine");
    let runs = |format: &&dsk::catalog::Format| format.engines.iter().any(|id| id == engine);
    let mut used = BTreeSet::new();
    let mut written = 0;
    for model in catalog.models().expect("models") {
        for format in formats.iter().filter(runs) {
            for kv in [
                "f16",
                "f32",
                "fp8",
                "fp8_ds_mla",
                "nvfp4_ds_mla",
                "q8_0",
                "iq4_nl",
            ] {
                written += one(
                    &catalog,
                    (&model, &format.id, kv),
                    (target, version.as_ref()),
                    |words| {
                        used.extend(check(words, &known, skip));
                    },
                );
            }
        }
    }
    assert!(written > 300, "{written} were written");
    used
}

/// Writes one model in one format over every split; how many could be written.
fn one(
    catalog: &Catalog,
    (model, format, kv): (&Model, &str, &str),
    (target, version): (Target, Option<&Version>),
    mut each: impl FnMut(&[String]),
) -> u64 {
    let nodes = target != Target::LlamaCpp;
    let mut written = 0;
    for split in if nodes {
        splits()
    } else {
        vec![SplitAsked::default()]
    } {
        let mut wish = Wish::of(target, if nodes { "16xh100" } else { "2xrtx-4090" });
        (wish.format, wish.kv, wish.split) = (Some(format), Some(kv), split);
        wish.sequences = 32;
        wish.version = version.cloned();
        wish.mtp = (model.shape.draft_layers > 0
            && nodes
            && model.shape.architecture != dsk::catalog::shape::Architecture::DeepseekV41)
            .then_some(2);
        let Ok(request) = wish.request(catalog, model.clone()) else {
            continue;
        };
        let Ok(deployment) = wish.deploy(&request) else {
            continue;
        };
        written += 1;
        for rank in if nodes { 0..2 } else { 0..1 } {
            each(&command(&deployment.files[0].text, rank));
        }
    }
    written
}

#[test]
fn vllm_knows_every_flag_and_value() {
    let used = all(
        Target::Vllm,
        None,
        include_str!("../data/engine-flags/vllm-0.32.0.txt"),
        3,
    );
    for flag in [
        "--quantization",
        "--reasoning-parser",
        "--enable-expert-parallel",
        "--nnodes",
        "--data-parallel-start-rank",
        "--trust-remote-code",
        "--speculative-config",
    ] {
        assert!(used.contains(flag), "{flag} was never written");
    }
}

#[test]
fn older_versions_of_sglang_know_every_flag_and_value() {
    for (version, data) in [
        (
            "0.5.5",
            include_str!("../data/engine-flags/sglang-0.5.5.txt"),
        ),
        (
            "0.5.9",
            include_str!("../data/engine-flags/sglang-0.5.9.txt"),
        ),
    ] {
        let used = all(Target::Sglang, Some(version), data, 3);
        assert!(used.contains("--enable-dp-attention"), "{version}");
    }
}

/// The versions whose memory is calculated, and the first that runs over several nodes.
#[test]
fn older_versions_of_vllm_know_every_flag_and_value() {
    for (version, data) in [
        (
            "0.11.1",
            include_str!("../data/engine-flags/vllm-0.11.1.txt"),
        ),
        (
            "0.24.0",
            include_str!("../data/engine-flags/vllm-0.24.0.txt"),
        ),
    ] {
        let used = all(Target::Vllm, Some(version), data, 3);
        assert!(used.contains("--nnodes"), "{version}");
    }
}

#[test]
fn sglang_knows_every_flag_and_value() {
    let used = all(
        Target::Sglang,
        None,
        include_str!("../data/engine-flags/sglang-0.5.23.txt"),
        3,
    );
    for flag in [
        "--quantization",
        "--tool-call-parser",
        "--enable-dp-attention",
        "--ep-size",
        "--dist-init-addr",
    ] {
        assert!(used.contains(flag), "{flag} was never written");
    }
}

#[test]
fn llama_cpp_knows_every_flag_and_value() {
    let used = all(
        Target::LlamaCpp,
        None,
        include_str!("../data/engine-flags/llama.cpp-0.5.0.txt"),
        1,
    );
    for flag in ["-hf", "-m", "--cache-type-k", "--tensor-split", "--fit"] {
        assert!(used.contains(flag), "{flag} was never written");
    }
}

/// vLLM 0.11.0 has no `--nnodes` (0.11.1 has) and no reader of V3.1's reasoning; 0.18 does not know V4.
#[test]
fn an_older_version_gets_its_own_flags() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let at = |version: &str, gpu, model: &str| {
        let mut wish = Wish::of(Target::Vllm, gpu);
        wish.version = Some(Version::parse(version).expect("a version"));
        let model = catalog.model(model).expect("a model");
        let request = wish.request(&catalog, model).expect("a plan");
        wish.deploy(&request)
            .map(|deployment| deployment.files[0].text.clone())
    };
    let error = at("0.11.0", "16xh100", "v3").expect_err("no nodes");
    assert!(error.to_string().contains("0.11.1"), "{error}");
    assert!(at("0.11.1", "16xh100", "v3").is_ok());
    let old = command(&at("0.11.0", "8xh200", "v3.1").expect("one node"), 0);
    assert_eq!(value(&old, "--reasoning-parser"), None);
    let new = command(&at("0.32.0", "8xh200", "v3.1").expect("one node"), 0);
    assert_eq!(value(&new, "--reasoning-parser"), Some("deepseek_v3"));
    let error = at("0.18.0", "8xh200", "v4-flash").expect_err("too old");
    assert!(error.to_string().contains("0.20.0"), "{error}");
}
