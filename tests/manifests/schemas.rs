//! Objects against the schemas of those who read them: the definitions in tests/data/crds.
//!
//! The objects that Kubernetes itself knows are typed (k8s-openapi) and checked again by .ci/manifests.

use dsk::deploy::Target;
use serde_json::{Map, Value};

use super::{Plan, of_kind};

/// The schema of `kind`; a key that it does not know is an error, as for `kubectl --validate=strict`.
fn schema(kind: &str) -> jsonschema::Validator {
    let path = format!(
        "{}/tests/data/crds/{}.json",
        env!("CARGO_MANIFEST_DIR"),
        kind.to_lowercase()
    );
    let text = std::fs::read_to_string(path).expect("a definition");
    let mut definition: Value = serde_json::from_str(&text).expect("JSON");
    let mut schema = definition["schema"].take();
    close(&mut schema);
    // An API server writes the metadata's schema itself.
    schema["properties"]["metadata"] = serde_json::json!({ "type": "object" });
    jsonschema::validator_for(&schema).expect("a schema")
}

/// Forbids unknown keys wherever the schema lists the known ones.
fn close(schema: &mut Value) {
    let open = |object: &Map<String, Value>| {
        object.contains_key("additionalProperties")
            || object.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
    };
    match schema {
        Value::Object(object) => {
            if object.get("properties").is_some_and(Value::is_object) && !open(object) {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(parts) => parts.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn faults(kind: &str, object: &Value) -> Vec<String> {
    let schema = schema(kind);
    schema
        .iter_errors(object)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

#[test]
fn custom_resources_are_valid() {
    for (model, gpu, engine) in [
        ("v3", "16xh100", "vllm"),
        ("r1", "16xh100", "sglang"),
        ("r1", "16xmi300x", "sglang"),
        ("13b", "a100-40gb", "vllm"),
    ] {
        let mut plan = Plan::of(model, gpu, engine);
        plan.place.namespace = Some("inference");
        let documents = plan.documents(Target::Kubernetes);
        for kind in [
            "LeaderWorkerSet",
            "PodMonitor",
            "PrometheusRule",
            "ScaledObject",
        ] {
            if kind == "LeaderWorkerSet" && !gpu.starts_with("16x") {
                continue;
            }
            let object = of_kind(&documents, kind);
            assert_eq!(object["metadata"]["namespace"], "inference");
            let faults = faults(kind, object);
            assert!(faults.is_empty(), "{model} {kind}: {faults:#?}");
        }
    }
}

/// A check that cannot fail is none.
#[test]
fn wrong_resources_are_found() {
    let plan = Plan::of("v3", "16xh100", "vllm");
    let documents = plan.documents(Target::Kubernetes);
    let set = of_kind(&documents, "LeaderWorkerSet");
    let mut unknown = set.clone();
    unknown["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]["cmd"] =
        Value::from("x");
    assert!(!faults("LeaderWorkerSet", &unknown).is_empty());
    let mut wrong = set.clone();
    wrong["spec"]["leaderWorkerTemplate"]["size"] = Value::from("2");
    assert!(!faults("LeaderWorkerSet", &wrong).is_empty());
    let mut policy = set.clone();
    policy["spec"]["leaderWorkerTemplate"]["restartPolicy"] = Value::from("Sometimes");
    assert!(!faults("LeaderWorkerSet", &policy).is_empty());
}
