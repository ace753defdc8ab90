//! Every document against its schema, and every schema against the one that scripts were promised.

use std::path::Path;
use std::process::Command;

use dsk::render::document::Document;
use serde_json::Value;

/// Command lines that between them write every document, with and without what may be absent.
const QUESTIONS: &[&str] = &[
    "recommend --vram 12",
    "recommend --gpu 8xh200 --engine vllm --context 32k --sequences 16",
    "recommend --gpu 4090,3090 --min-accuracy 90",
    "recommend --vram 1",
    "memory 13b --fp16",
    "memory 6.7b --int8 --context 16k --engine llama.cpp",
    "memory 6.7b --fp32 --rule --explain",
    "memory v3 --gpu 8xh200 --engine vllm --explain",
    "memory v4-flash --gpu 2xh200",
    "memory r1 --vram 12 --quant q4_k_m",
    "memory 6.7b --gpu rtx-4090 --gpu-layers 10 --quant q4_k_m",
    "memory tests/data/configs/deepseek-ai--DeepSeek-V2-Lite.json",
    "check 13b --fp16 --vram 24",
    "check 6.7b --int4 --gpu rtx-4090 --min-accuracy 80 --max-latency 150ms",
    "speed 13b --gpu a100-40gb",
    "speed v3 --gpu 8xh200 --engine vllm --concurrency 64",
    "speed 6.7b",
    "plan 65b --train --gpu a100-80gb --gpus 16",
    "plan 6.7b --train --method qlora --gpu rtx-4090 --tokens 1b",
    "plan v3 --gpu 8xh200 --engine vllm",
    "plan r1 --gpu 2x4090 --ram 256 --ram-bandwidth 300",
    "plan 33b --target ttft<500ms,tpot<30ms,concurrency=64",
    "deploy 6.7b --vram 12 --to llama.cpp",
    "deploy v3 --gpu 16xh100 --to kubernetes",
    "deploy 6.7b --vram 12 --to ollama",
    "deploy 6.7b --int8 --gpu cpu --to transformers",
    "deploy 33b --gpu 2xh100 --engine sglang --to docker-compose",
    "deploy 13b --gpu a100-40gb --to helm-values",
    "speed 6.7b --gpu cpu --ram-bandwidth 40",
    "bench 6.7b --engine vllm --gpu a100-80gb",
    "quantize 13b",
    "quantize v3",
    "migrate 6.7b 13b",
    "migrate 1.3b v3",
    "compare 6.7b 13b r1 v4-pro",
    "list",
    "list gpus",
    "show 13b",
    "show rtx-3060",
    "show deepseek-r1",
];

fn dsk(arguments: &str) -> (Option<i32>, String) {
    dsk_as(arguments, "json")
}

fn dsk_as(arguments: &str, form: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dsk"))
        .args(arguments.split(' '))
        .args(["-o", form])
        .env_remove("DSK_CATALOG")
        .output()
        .expect("dsk runs");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), text)
}

/// The schema with every object closed, so that a key that it does not tell of is a fault.
fn closed(mut schema: Value) -> Value {
    close(&mut schema);
    schema
}

fn close(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.contains_key("properties") {
                map.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_document_holds_to_its_schema() {
    let mut written = Vec::new();
    for &question in QUESTIONS {
        let (code, text) = dsk(question);
        assert!(
            matches!(code, Some(0 | 3)),
            "`dsk {question}` ended with {code:?}"
        );
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let named = |kind: &Document| document["schema"] == format!("dsk.{}.v1", kind.name());
        let kind = Document::ALL.into_iter().find(named).expect("a document");
        let validator = jsonschema::validator_for(&closed(kind.schema())).expect("a schema");
        let faults: Vec<String> = validator
            .iter_errors(&document)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "`dsk {question}`: {faults:#?}");
        written.push(kind);
    }
    for kind in Document::ALL {
        assert!(written.contains(&kind), "nothing asks for {kind:?}");
    }
}

/// A YAML reader that shares nothing with the writer sees the same document.
#[test]
fn yaml_says_what_json_says() {
    for &question in QUESTIONS {
        let (code, json) = dsk(question);
        let (same, yaml) = dsk_as(question, "yaml");
        assert_eq!(code, same, "{question}");
        let written: Value = serde_json::from_str(&json).expect("JSON");
        let read: Value = serde_yaml_ng::from_str(&yaml)
            .unwrap_or_else(|error| panic!("`dsk {question} -o yaml`: {error}"));
        // A deployment quotes the question, whose form is another.
        let expected = json_with_form(&written);
        assert_eq!(json_with_form(&read), expected, "{question}");
    }
}

fn json_with_form(document: &Value) -> Value {
    let text = document.to_string().replace("-o json", "-o yaml");
    serde_json::from_str(&text).expect("JSON")
}

/// Every row of a CSV has the columns that its head names.
#[test]
fn csv_is_a_table() {
    for &question in QUESTIONS {
        let (code, text) = dsk_as(question, "csv");
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        for row in rows.records() {
            row.unwrap_or_else(|error| panic!("`dsk {question} -o csv` ({code:?}): {error}"));
        }
    }
}

/// The committed schemas are the contract: a change here is a change for every script.
#[test]
fn the_contract_is_kept() {
    for kind in Document::ALL {
        let command = kind.name();
        let path = format!("schemas/dsk.{command}.v1.json");
        let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path))
            .unwrap_or_else(|_| panic!("no {path}"));
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        assert_eq!(
            kept,
            kind.schema(),
            "the document `dsk.{command}.v1` changed. More keys may stand beside the old ones (then `dsk schema {command} > {path}`); \
             a key that goes or changes its type needs a new version"
        );
    }
}

#[test]
fn a_document_that_breaks_its_schema_is_found() {
    let (_, text) = dsk("memory 13b");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let validator =
        jsonschema::validator_for(&closed(Document::Memory.schema())).expect("a schema");
    assert!(validator.is_valid(&document));
    for (key, value) in [
        ("weights_bytes", Value::from(1.5)),
        ("schema", Value::from("dsk.memory.v2")),
        ("surplus", Value::from(1)),
        ("notes", Value::Null),
    ] {
        let mut broken = document.clone();
        broken[key] = value;
        assert!(!validator.is_valid(&broken), "{key}");
    }
    let mut short = document;
    short.as_object_mut().expect("an object").remove("fits");
    assert!(!validator.is_valid(&short));
}
