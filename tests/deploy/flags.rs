//! Every flag and every value against the engine's own parser.

use std::collections::{BTreeMap, BTreeSet};

use dsk::catalog::{Catalog, Model, Version};
use dsk::deploy::Target;
use dsk::error::Error;
use dsk::request::SplitAsked;

use super::question::{Wish, command, value};

/// A flag as the engine's parser has it.
struct Known {
    names: Vec<String>,
    default: String,
    choices: Option<String>,
}

impl Known {
    fn is_switch(&self) -> bool {
        self.default == "False"
    }

    /// Whether a value is of the kind that the default is of.
    fn takes(&self, value: &str) -> bool {
        if self.default.parse::<i64>().is_ok() {
            value.parse::<i64>().is_ok()
        } else if self.default.parse::<f64>().is_ok() {
            value.parse::<f64>().is_ok()
        } else {
            !value.is_empty()
        }
    }
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
            default: default.to_owned(),
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
        let switch = flag.is_switch() || ["--kv-unified", "--metrics"].contains(&word.as_str());
        if switch {
            continue;
        }
        let value = words
            .next()
            .unwrap_or_else(|| panic!("{word} lacks a value"));
        assert!(flag.takes(value), "{word} {value}: not as {}", flag.default);
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

/// The caches that are asked for, the usual ones first.
const CACHES: [&str; 7] = [
    "f16",
    "fp8",
    "f32",
    "fp8_ds_mla",
    "nvfp4_ds_mla",
    "q8_0",
    "iq4_nl",
];

/// How V4.1 stores what is outside its experts: no checkpoint is in it throughout.
const PART_ONLY: &str = "fp8-block32";

/// How many of them every combination is asked with.
const USUAL_CACHES: usize = 2;

/// Why a combination may have no command: what the message says.
const REFUSALS: [&str; 9] = [
    // Caches and models that the engine does not have.
    "keeps no cache in",
    "has no cache in",
    "cannot quantize the cache of latent attention",
    "has no graph for",
    // Weights that cannot be had so.
    "is published in",
    "nobody is known to make",
    // Splits and versions.
    "spreads experts over all",
    "is not known to run",
    "cannot run that",
];

/// What was written.
#[derive(Default)]
struct Written {
    used: BTreeSet<String>,
    /// Format and cache, with how many commands there are.
    pairs: BTreeMap<(String, String), u64>,
    /// Splits, by their place in the list.
    splits: BTreeSet<usize>,
    refused: BTreeSet<String>,
}

fn all(target: Target, version: Option<&str>, data: &str, skip: usize) -> Written {
    let version = version.map(|version| Version::parse(version).expect("a version"));
    let catalog = Catalog::load(&[]).expect("the catalog");
    let known = known(data);
    let formats = catalog.formats().expect("formats");
    let engine = target.engine().expect("an engine");
    let runs = |format: &&dsk::catalog::Format| format.engines.iter().any(|id| id == engine);
    let mut written = Written::default();
    // What differs by version are names of flags: every fourth model shows them.
    let step = if version.is_some() { 4 } else { 1 };
    for (number, model) in (0..).zip(catalog.models().expect("models")).step_by(step) {
        for (place, format) in (number..).zip(formats.iter().filter(runs)) {
            // The usual caches, and one of the others in turn: engines say of a cache whether they have it, no more.
            let others = &CACHES[USUAL_CACHES..];
            let usual = CACHES[..USUAL_CACHES].iter();
            for kv in usual.chain(&others[place % others.len()..][..1]) {
                one(
                    &catalog,
                    (&model, &format.id, kv),
                    (target, version.as_ref()),
                    (&mut written, |words: &[String]| check(words, &known, skip)),
                );
            }
        }
    }
    // Whatever is refused says one of the reasons that are known; the rest was written and checked.
    let strange: Vec<&String> = written
        .refused
        .iter()
        .filter(|reason| !REFUSALS.iter().any(|known| reason.contains(known)))
        .collect();
    assert!(
        strange.is_empty(),
        "refused without a known reason: {strange:#?}"
    );
    let splits = if target == Target::LlamaCpp {
        1
    } else {
        splits().len()
    };
    assert_eq!(written.splits.len(), splits, "{:?}", written.splits);
    written
}

/// Every format of the engine was written with every one of `caches`.
fn covers(written: &Written, engine: &str, caches: &[&str]) {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for format in catalog.formats().expect("formats") {
        if !format.engines.iter().any(|id| id == engine) {
            continue;
        }
        for cache in caches {
            let pair = (format.id.clone(), (*cache).to_owned());
            let times = written.pairs.get(&pair).copied().unwrap_or_default();
            if format.id == PART_ONLY {
                assert_eq!(times, 0, "{pair:?}");
                continue;
            }
            // One that only a few checkpoints are published in is written for those alone.
            let least = if format.only_native { 1 } else { 20 };
            assert!(times >= least, "{pair:?}: {times} commands");
        }
    }
}

/// Writes one model in one format over every split.
fn one(
    catalog: &Catalog,
    (model, format, kv): (&Model, &str, &str),
    (target, version): (Target, Option<&Version>),
    (written, check): (&mut Written, impl Fn(&[String]) -> BTreeSet<String>),
) {
    let nodes = target != Target::LlamaCpp;
    let splits = if nodes {
        splits()
    } else {
        vec![SplitAsked::default()]
    };
    // Splits and caches are written apart from each other: every split with the first cache, two with the others.
    let first = if kv == CACHES[0] {
        0
    } else {
        splits.len().saturating_sub(2)
    };
    for (place, split) in splits.into_iter().enumerate().skip(first) {
        let written_for = |gpu: &str| {
            let mut wish = Wish::of(target, gpu);
            (wish.format, wish.kv, wish.split) = (Some(format), Some(kv), split);
            wish.sequences = 32;
            wish.version = version.cloned();
            wish.mtp = (model.shape.draft_layers > 0
                && nodes
                && model.shape.architecture != dsk::catalog::shape::Architecture::DeepseekV41)
                .then_some(2);
            let request = wish.request(catalog, model.clone())?;
            wish.deploy(&request)
        };
        // What Hopper does not run may run on Blackwell.
        let deployment = if nodes {
            let hopper = written_for("16xh100");
            if matches!(hopper, Err(Error::CannotRun { .. })) {
                written_for("16xb200")
            } else {
                hopper
            }
        } else {
            written_for("2xrtx-4090")
        };
        let deployment = match deployment {
            Ok(deployment) => deployment,
            Err(error) => {
                written.refused.insert(error.to_string());
                continue;
            }
        };
        written.splits.insert(place);
        let pair = (format.to_owned(), kv.to_owned());
        *written.pairs.entry(pair).or_default() += 1;
        for rank in if nodes { 0..2 } else { 0..1 } {
            let words = command(&deployment.files[0].text, rank);
            written.used.extend(check(&words));
        }
    }
}

#[test]
fn vllm_knows_every_flag_and_value() {
    let written = all(
        Target::Vllm,
        None,
        include_str!("../data/engine-flags/vllm-0.32.0.txt"),
        3,
    );
    covers(&written, "vllm", &["f16", "fp8"]);
    for flag in [
        "--quantization",
        "--reasoning-parser",
        "--enable-expert-parallel",
        "--nnodes",
        "--data-parallel-start-rank",
        "--trust-remote-code",
        "--speculative-config",
    ] {
        assert!(written.used.contains(flag), "{flag} was never written");
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
        let written = all(Target::Sglang, Some(version), data, 3);
        assert!(written.used.contains("--enable-dp-attention"), "{version}");
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
        let written = all(Target::Vllm, Some(version), data, 3);
        assert!(written.used.contains("--nnodes"), "{version}");
    }
}

#[test]
fn sglang_knows_every_flag_and_value() {
    let written = all(
        Target::Sglang,
        None,
        include_str!("../data/engine-flags/sglang-0.5.23.txt"),
        3,
    );
    covers(&written, "sglang", &["f16", "fp8"]);
    for flag in [
        "--quantization",
        "--tool-call-parser",
        "--enable-dp-attention",
        "--ep-size",
        "--dist-init-addr",
    ] {
        assert!(written.used.contains(flag), "{flag} was never written");
    }
}

#[test]
fn llama_cpp_knows_every_flag_and_value() {
    let written = all(
        Target::LlamaCpp,
        None,
        include_str!("../data/engine-flags/llama.cpp-0.5.0.txt"),
        1,
    );
    covers(&written, "llama.cpp", &["f16"]);
    for cache in ["f32", "q8_0", "iq4_nl"] {
        let times = |pair: &(String, String)| pair.1 == cache;
        assert!(written.pairs.keys().any(times), "{cache} was never written");
    }
    for flag in ["-hf", "-m", "--cache-type-k", "--tensor-split", "--fit"] {
        assert!(written.used.contains(flag), "{flag} was never written");
    }
}

/// The share of a device that vLLM takes unless told otherwise is the parser's default; what is chosen is written.
#[test]
fn the_default_share_is_the_parsers() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let flags = known(include_str!("../data/engine-flags/vllm-0.32.0.txt"));
    let default = |name: &str| {
        let flag = flags
            .iter()
            .find(|flag| flag.names.iter().any(|known| known == name));
        flag.expect("a flag").default.clone()
    };
    let words = command(&Wish::of(Target::Vllm, "h100").text(&catalog, "6.7b"), 0);
    let written = value(&words, "--gpu-memory-utilization").expect("a share");
    assert_eq!(written, default("--gpu-memory-utilization"));
    // Its parser leaves this one to the engine, so the plan's is always said.
    assert_eq!(default("--max-num-batched-tokens"), "None");
    assert!(value(&words, "--max-num-batched-tokens").is_some());
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
