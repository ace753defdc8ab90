//! Names from files, folders and command lines never leave their string.

use dsk::catalog::{Basis, Origin};
use dsk::deploy::Target;
use dsk::deploy::cluster::Manifest;
use dsk::render::manifest;
use proptest::prelude::*;
use serde_json::Value;

use super::{Plan, read_text};

/// What YAML, shells, templates and Kubernetes each take for something else.
const HOSTILE: [&str; 30] = [
    "yes",
    "no",
    "on",
    "~",
    "null",
    "1e3",
    "0x10",
    "0o7",
    "1_000",
    "12:30:45",
    "2024-01-01",
    ".inf",
    "=",
    "<<",
    "-",
    "- a",
    "a: b",
    "a #b",
    "#",
    "&a",
    "*a",
    "!!int 1",
    "%TAG",
    "@x",
    "`id`",
    "{{ .Values.x }}",
    "$(reboot) ${HOME} $$(x) $HOME",
    "a\nkind: Pod\n---\nb",
    "\u{85}\u{2028}\u{2029}\r\t\u{7}",
    "\u{e9}\u{1f600}'\"\\",
];

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
        "\\PC{1,40}",
        proptest::collection::vec(prop::sample::select(HOSTILE.to_vec()), 1..4)
            .prop_map(|parts| parts.concat()),
    ]
}

/// Arguments that are `wanted`, alone or behind what keeps it from being taken for an option.
fn times(value: &Value, wanted: &str) -> usize {
    let own = |text: &str| {
        [
            wanted,
            &format!("./{wanted}"),
            &format!("--served-model-name={wanted}"),
        ]
        .contains(&text)
    };
    match value {
        Value::String(text) => usize::from(own(text)),
        Value::Array(parts) => parts.iter().map(|part| times(part, wanted)).sum(),
        Value::Object(parts) => parts.values().map(|part| times(part, wanted)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// The written text, read again, is what was meant, document by document.
fn survives(written: &Manifest) -> Vec<Value> {
    let text = manifest(written).expect("text");
    let documents = read_text(&text);
    let meant: Vec<Value> = written
        .documents
        .iter()
        .map(|document| document.content.clone())
        .collect();
    assert_eq!(documents, meant, "{text}");
    documents
}

fn called(model: &str, gpu: &str, hostile: &str) -> Plan {
    let mut plan = Plan::of(model, gpu, "vllm");
    hostile.clone_into(&mut plan.request.model.id);
    hostile.clone_into(&mut plan.request.model.name);
    plan.request.model.origin = Origin::File;
    plan.request.model.basis = Basis::Exact;
    plan.request.model.checkpoint = None;
    plan.asked = format!("dsk deploy {hostile}");
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_names_stay_one_string(hostile in hostile()) {
        // As the model and as the served name of each container, with Kubernetes' variables switched off.
        for (gpu, uses) in [("8xh200", 2), ("16xh100", 3)] {
            prop_assert_eq!(uses_of(&hostile, ("v3", gpu), Target::Kubernetes), uses);
        }
        for target in [Target::DockerCompose, Target::HelmValues] {
            prop_assert_eq!(uses_of(&hostile, ("33b", "2xh100"), target), 2);
        }
    }
}

/// How often a file says `hostile` because a model is called so: not counting what says the same whatever the
/// model is called, such as a number of devices.
fn uses_of(hostile: &str, (model, gpu): (&str, &str), target: Target) -> usize {
    let wanted = hostile.replace('$', "$$");
    let said = |name: &str| -> usize {
        let documents = survives(&called(model, gpu, name).written(target).expect("a file"));
        documents
            .iter()
            .map(|document| times(document, &wanted))
            .sum()
    };
    said(hostile) - said("harmless-name")
}

/// A served name that is also the number of devices is counted once a use.
#[test]
fn a_name_that_is_said_elsewhere_too_is_told_apart() {
    assert_eq!(uses_of("8", ("v3", "8xh200"), Target::Kubernetes), 2);
}

/// Comments hold the question; none of its line breaks ends one.
#[test]
fn a_question_stays_a_comment() {
    for hostile in HOSTILE {
        let plan = called("33b", "2xh100", hostile);
        let text = manifest(&plan.written(Target::DockerCompose).expect("a file")).expect("text");
        let first = text.lines().next().expect("a line");
        assert!(first.starts_with("# dsk deploy"), "{first}");
        assert!(!text.contains("\nkind: Pod"), "{text}");
    }
}
