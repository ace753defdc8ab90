//! vLLM's memory against what it printed on an H200.

#![expect(
    clippy::print_stdout,
    reason = "the report: our figure, theirs, the error"
)]

mod vllm_data;

use dsk::calc::hardware::{Device, Hardware};
use dsk::calc::load::{Load, Options, Split};
use dsk::calc::vllm::budget::Model;
use dsk::calc::vllm::{
    self, Generation, Server, Stage, Usage, Weights, block_tokens, cache_tokens, defaults, runner,
    stages,
};
use dsk::catalog::format::{Format, Scaled, Storage};
use dsk::catalog::{Catalog, KvFormat};
use dsk::units::{Bytes, Tokens, float};
use serde::Deserialize;
use vllm_data::{overheads, shapes};

/// "Model loading took": a load size may be off by the last printed digit and no more than this.
const LOAD_TOLERANCE: f64 = 0.0005;
/// Cache memory and cache tokens.
const CACHE_TOLERANCE: f64 = 0.002;
/// CUDA graphs.
const GRAPHS_TOLERANCE: f64 = 0.05;
/// What CUDA counts on an H200, in GiB.
const H200_GIB: f64 = 139.80;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    model: String,
    weight_format: String,
    max_model_len: u64,
    gpu_memory_utilization: f64,
    max_num_batched_tokens: u64,
    model_load_gib: f64,
    available_kv_gib: f64,
    kv_cache_tokens: u64,
    cuda_graphs_gib: f64,
}

fn cases() -> Vec<Case> {
    toml::from_str::<Cases>(include_str!("data/vllm-h200.toml"))
        .expect("cases")
        .case
}

fn calculate(case: &Case) -> (Stage, Server) {
    let shape = &shapes()[&case.model];
    let per_tensor = Storage::Scaled(Scaled {
        block_rows: 0,
        block_columns: 0,
        scale_bits: 32,
        zero_bits: 0,
        tensor_bits: 0,
        column_bits: 0,
        head: false,
        embedding: false,
    });
    let (bits, storage) = match case.weight_format.as_str() {
        "bf16" => (16, Storage::Plain {}),
        "fp8-dynamic" => (8, per_tensor),
        other => panic!("no format {other}"),
    };
    let device = Bytes::from_gib(H200_GIB);
    let server = Server {
        device,
        utilization: case.gpu_memory_utilization,
        longest: Tokens(case.max_model_len),
        batched_tokens: Tokens(case.max_num_batched_tokens),
        sequences: defaults(device, false, Usage::Library).sequences,
        block_tokens: block_tokens(shape, Generation::Hopper),
        runner: runner(shape.architecture),
    };
    let model = Model {
        shape,
        weights: Weights::Format {
            bits,
            storage: &storage,
        },
        kv: KvFormat::F16,
        split: Split::SINGLE,
        draft_layers: 0,
    };
    (stages(&model, &server, &overheads()).remove(0), server)
}

fn off(ours: f64, theirs: f64) -> f64 {
    ours / theirs - 1.0
}

#[test]
fn load_sizes_are_vllms() {
    for case in cases() {
        let ours = calculate(&case).0.load.gib();
        let error = off(ours, case.model_load_gib);
        println!(
            "{} load {ours:.4} against {} ({:+.3} %)",
            case.id,
            case.model_load_gib,
            error * 100.0
        );
        let rounding = 0.005 / case.model_load_gib;
        assert!(
            error.abs() <= LOAD_TOLERANCE.max(rounding),
            "{}: {error}",
            case.id
        );
    }
}

#[test]
fn cache_memory_and_tokens_are_vllms() {
    for case in cases() {
        let (stage, server) = calculate(&case);
        let available = stage.available(&server).gib();
        let tokens = cache_tokens(std::slice::from_ref(&stage), &server);
        let memory_error = off(available, case.available_kv_gib);
        let tokens_error = off(float(tokens.0), float(case.kv_cache_tokens));
        println!(
            "{} cache {:.3} against {} ({:+.3} %), {} tokens against {} ({:+.3} %), activation {:.3}",
            case.id,
            available,
            case.available_kv_gib,
            memory_error * 100.0,
            tokens,
            case.kv_cache_tokens,
            tokens_error * 100.0,
            stage.activation.gib(),
        );
        assert!(memory_error.abs() <= CACHE_TOLERANCE, "{}", case.id);
        assert!(tokens_error.abs() <= CACHE_TOLERANCE, "{}", case.id);
    }
}

#[test]
fn graphs_are_near_vllms() {
    for case in cases() {
        let ours = calculate(&case).0.graphs.gib();
        let error = off(ours, case.cuda_graphs_gib);
        println!(
            "{} graphs {ours:.3} against {} ({:+.2} %)",
            case.id,
            case.cuda_graphs_gib,
            error * 100.0
        );
        assert!(error.abs() <= GRAPHS_TOLERANCE, "{}", case.id);
    }
}

/// The same figures through the door that the program uses, and a cache that fits to the last block.
#[test]
fn a_load_on_the_catalogs_h200_has_vllms_tokens() {
    let catalog = Catalog::load(&[]).expect("catalog");
    let find = |id: &str| {
        catalog
            .engines()
            .expect("engines")
            .iter()
            .find(|engine| engine.id == id)
    };
    let gpus = catalog.gpus().expect("gpus");
    let h200 = gpus.iter().find(|gpu| gpu.id == "h200-sxm").expect("H200");
    let bare = &catalog.defaults().expect("defaults").bare_memory;
    let hardware = Hardware::of(&Device::of(h200, None, bare).expect("device"), 1);
    let format: Format = toml::from_str(
        "id = 'bf16'\nname = 'BF16'\nabout = ''\nbits = 16\nengines = []\nsource = ''\nstorage = { kind = 'plain' }",
    )
    .expect("format");
    for case in cases().iter().filter(|case| case.weight_format == "bf16") {
        let model = catalog.model(&case.model).expect("model");
        let load = Load {
            model: &model,
            format: &format,
            kv: KvFormat::F16,
            context: Tokens(case.max_model_len),
            sequences: 1,
            engine: find("vllm"),
            hardware: Some(&hardware),
            split: Split::SINGLE,
            options: Options {
                utilization: Some(case.gpu_memory_utilization),
                batched_tokens: Some(case.max_num_batched_tokens),
                ..Options::default()
            },
            explain: false,
        };
        let tokens = vllm::pool_tokens(&load).expect("tokens").expect("hardware");
        let error = off(float(tokens.0), float(case.kv_cache_tokens));
        println!(
            "{} {tokens} against {} ({:+.3} %)",
            case.id,
            case.kv_cache_tokens,
            error * 100.0
        );
        assert!(error.abs() <= CACHE_TOLERANCE, "{}", case.id);
        let usable = hardware.devices[0].usable.expect("usable").bytes;
        let total = |context| {
            let load = Load { context, ..load };
            vllm::memory(&load).expect("memory").fullest().total()
        };
        let budget = vllm::budget(&load, usable);
        assert!(total(tokens) <= budget, "{}", case.id);
        assert!(total(Tokens(tokens.0 + 1)) > budget, "{}", case.id);
    }
}
