//! `dsk bench --url` against servers of every kind.
#![cfg(feature = "bench")]

mod asks;
mod faults;
mod saves;
mod server;
mod stops;
mod streams;
mod times;

use std::process::{Command, Output};

use dsk::render::document::Document;
use serde_json::Value;
use server::Server;

fn command(url: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsk"));
    command
        .env_clear()
        .args(["bench", "6.7b", "--url", url, "--warmup", "0", "--json"])
        .args(more);
    command
}

fn run(url: &str, more: &[&str]) -> Output {
    command(url, more).output().expect("dsk runs")
}

fn bench(url: &str, more: &[&str]) -> (Value, Output) {
    let output = run(url, more);
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let validator = jsonschema::validator_for(&Document::Bench.schema()).expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    (document, output)
}

/// One level of few requests for eight tokens each.
fn level(server: &Server, more: &[&str]) -> (Value, Output) {
    let mut arguments = vec!["--input", "101", "--output-tokens", "8"];
    if !more.contains(&"--requests") {
        arguments.extend(["--requests", "4"]);
    }
    arguments.extend(more);
    let (document, output) = bench(&server.url, &arguments);
    (document["run"]["levels"][0].clone(), output)
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}
