//! The values for vLLM's chart, key by key: what each is, and that the pod that it becomes is the one that
//! kubernetes.yaml has.

use std::collections::BTreeMap;

use dsk::deploy::Target;
use serde_json::Value;

use super::{Plan, of_kind};

/// The keys that the chart reads of those that are written, with their types (tests/data/helm-values.toml).
fn known() -> BTreeMap<String, String> {
    let text = include_str!("../data/helm-values.toml");
    let table: toml::Table = toml::from_str(text).expect("data");
    let keys = table["keys"].as_table().expect("keys").clone();
    keys.into_iter()
        .map(|(key, kind)| (key, kind.as_str().expect("a type").to_owned()))
        .collect()
}

/// Every key of `value` with its type, list items as `[]`; below a key whose content is Kubernetes' own nothing.
fn keys(
    value: &Value,
    path: &str,
    known: &BTreeMap<String, String>,
    found: &mut BTreeMap<String, &'static str>,
) {
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Null => "null",
    };
    found.insert(path.to_owned(), kind);
    if known
        .get(path)
        .is_some_and(|kind| kind.starts_with("kubernetes "))
    {
        return;
    }
    match value {
        Value::Object(parts) => {
            for (key, part) in parts {
                keys(part, &format!("{path}.{key}"), known, found);
            }
        }
        Value::Array(parts) => {
            for part in parts {
                keys(part, &format!("{path}[]"), known, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_key_is_one_that_the_chart_reads() {
    let known = known();
    let plan = Plan::of("33b", "2xh100", "vllm");
    let values = plan.documents(Target::HelmValues);
    let mut found = BTreeMap::new();
    let spec = values[0]["servingEngineSpec"].clone();
    assert_eq!(values[0].as_object().expect("values").len(), 1);
    keys(&spec, "servingEngineSpec", &known, &mut found);
    for (path, kind) in &found {
        let expected = known
            .get(path)
            .unwrap_or_else(|| panic!("the chart has no {path}"));
        let expected = expected.trim_start_matches("kubernetes ");
        assert!(
            expected.split('|').any(|one| one == *kind),
            "{path}: {kind}, not {expected}"
        );
    }
    for path in known.keys() {
        assert!(found.contains_key(path), "{path} is not written");
    }
}

/// Where it may run, how long it may take and what it keeps is as in kubernetes.yaml.
#[test]
fn the_chart_gets_the_pod_of_the_manifest() {
    for (model, gpu) in [("13b", "a100-40gb"), ("33b", "2xh100"), ("r1", "8xmi300x")] {
        let plan = Plan::of(model, gpu, "vllm");
        let documents = plan.documents(Target::Kubernetes);
        let pod = &of_kind(&documents, "Deployment")["spec"]["template"]["spec"];
        let values = plan.documents(Target::HelmValues);
        let engine = &values[0]["servingEngineSpec"];
        let own = &engine["modelSpec"][0];
        assert_eq!(own["tolerations"], pod["tolerations"], "{model}");
        let affinity = &pod["affinity"]["nodeAffinity"];
        let terms =
            &affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
        let none = Value::Array(Vec::new());
        assert_eq!(
            &own["nodeSelectorTerms"],
            if terms.is_null() { &none } else { terms }
        );
        let container = &pod["containers"][0];
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            for key in ["failureThreshold", "periodSeconds", "timeoutSeconds"] {
                assert_eq!(engine[probe][key], container[probe][key], "{probe} {key}");
            }
            // The chart takes 0 for nothing said, and waits 15 seconds.
            assert_ne!(engine[probe]["initialDelaySeconds"], 0);
        }
        let variables = own["env"].as_array().expect("variables");
        let cache = variables
            .iter()
            .find(|variable| variable["name"] == "VLLM_CACHE_ROOT");
        assert!(
            cache.expect("a cache")["value"]
                .as_str()
                .expect("text")
                .starts_with("/data/")
        );
    }
}

/// The chart's own deadline, which no value changes, is told where a start takes longer.
#[test]
fn the_charts_deadline_is_told() {
    for (model, gpu, told) in [("v3", "8xh200", true), ("1.3b", "h100", false)] {
        let plan = Plan::of(model, gpu, "vllm");
        let manifest = plan.written(Target::HelmValues).expect("values");
        let found = manifest
            .heading
            .iter()
            .any(|line| line.contains("after 1200 s"));
        assert_eq!(
            found,
            told || plan.with(Target::HelmValues, |rollout| {
                dsk::deploy::cluster::sizes(rollout)
                    .expect("sizes")
                    .deadline
                    > 1200
            }),
            "{model}"
        );
    }
}

/// The chart makes one DNS label of the names of release and model.
#[test]
fn names_stay_a_label() {
    for model in [
        "13b",
        "deepseek-r1-distill-qwen-14b",
        "deepseek-coder-v2-lite",
    ] {
        let plan = Plan::of(model, "h200", "vllm");
        let manifest = plan.written(Target::HelmValues).expect("values");
        let install = manifest
            .closing
            .iter()
            .find_map(|line| line.split_once("--install "));
        let release = install.and_then(|(_, rest)| rest.split(' ').next());
        let release = release.expect("a release");
        let name =
            manifest.documents[0].content["servingEngineSpec"]["modelSpec"][0]["name"].clone();
        let name = name.as_str().expect("a name");
        assert!(release.starts_with("dsk-"), "{release}");
        assert!(
            format!("{release}-{name}-engine-service").len() <= 63,
            "{release} {name}"
        );
    }
}
