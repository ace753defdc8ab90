//! Loads, caches and peaks that vLLM printed on other people's machines.

#![expect(
    clippy::print_stdout,
    reason = "the report: our figure, theirs, the error"
)]

mod vllm_data;

use dsk::calc::cache::{CacheRequest, stage_token_bytes};
use dsk::calc::load::Split;
use dsk::calc::vllm::{Runner, Server, Weights, activation, load_bytes};
use dsk::catalog::KvFormat;
use dsk::catalog::format::Storage;
use dsk::units::{Bytes, Tokens};
use serde::Deserialize;
use vllm_data::{overheads, shapes};

/// Cache bytes; the print's last digit is allowed beside it.
const CACHE_TOLERANCE: f64 = 0.001;
/// Activation peaks.
const PEAK_TOLERANCE: f64 = 0.015;

#[derive(Deserialize)]
struct Logs {
    load: Vec<Load>,
    cache: Vec<Cache>,
    peak: Vec<Peak>,
}

#[derive(Deserialize)]
struct Load {
    model: String,
    tensor: u64,
    gib: f64,
    digits: i32,
    source: String,
}

#[derive(Deserialize)]
struct Cache {
    model: String,
    tensor: u64,
    pipeline: u64,
    gib: f64,
    tokens: u64,
    source: String,
}

#[derive(Deserialize)]
struct Peak {
    model: String,
    tensor: u64,
    gib: f64,
    source: String,
}

fn logs() -> Logs {
    toml::from_str(include_str!("data/vllm-logs.toml")).expect("logs")
}

#[test]
fn load_sizes_agree_to_the_last_printed_digit() {
    let shapes = shapes();
    let storage = Storage::Plain {};
    for log in logs().load {
        let shape = &shapes[&log.model];
        let split = Split {
            tensor: log.tensor,
            ..Split::SINGLE
        };
        let weights = Weights::Format {
            bits: 16,
            storage: &storage,
        };
        let ours = load_bytes(shape, &weights, &split, &(0..shape.layers)).gib();
        println!(
            "{} tp {}: {ours:.4} against {}",
            log.model, log.tensor, log.gib
        );
        let digit = 10_f64.powi(-log.digits);
        assert!(
            (ours - log.gib).abs() <= digit,
            "{}: {ours} against {}",
            log.source,
            log.gib
        );
    }
}

#[test]
fn cache_tokens_take_the_printed_memory() {
    let shapes = shapes();
    for log in logs().cache {
        let shape = &shapes[&log.model];
        let split = Split {
            tensor: log.tensor,
            pipeline: log.pipeline,
            ..Split::SINGLE
        };
        let request = CacheRequest {
            shape,
            kv: KvFormat::F16,
            split,
            draft_layers: 0,
        };
        let each = stage_token_bytes(&request, &split.stages(shape.layers)[0]);
        let ours = (each * log.tokens).gib();
        println!(
            "{} tp {}: {ours:.4} against {}",
            log.model, log.tensor, log.gib
        );
        let allowed = (CACHE_TOLERANCE * log.gib).max(0.005);
        assert!(
            (ours - log.gib).abs() <= allowed,
            "{}: {ours} against {}",
            log.source,
            log.gib
        );
    }
}

#[test]
fn activation_peaks_are_vllms() {
    let shapes = shapes();
    for log in logs().peak {
        let shape = &shapes[&log.model];
        let split = Split {
            tensor: log.tensor,
            ..Split::SINGLE
        };
        let server = Server {
            device: Bytes::from_gib(79.19),
            utilization: 0.95,
            longest: Tokens(8192),
            batched_tokens: Tokens(8192),
            sequences: 1024,
            block_tokens: Tokens(16),
            runner: Runner::First,
        };
        let ours = activation::peak(shape, &split, &server, &overheads()).gib();
        let error = ours / log.gib - 1.0;
        println!(
            "{} tp {}: {ours:.3} against {} ({:+.2} %)",
            log.model,
            log.tensor,
            log.gib,
            error * 100.0
        );
        assert!(
            error.abs() <= PEAK_TOLERANCE,
            "{}: {ours} against {}",
            log.source,
            log.gib
        );
    }
}
