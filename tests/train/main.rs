//! Training held against what others print: DeepSpeed's estimator, Megatron's own estimate and flags,
//! Korthikanti's tables, the parsers of both frameworks.

mod activations;
mod arithmetic;
mod experts;
mod layouts;
mod ranking;
mod settings;
mod states;

use dsk::calc::hardware::Hardware;
use dsk::catalog::shape::{Attention, FeedForward};
use dsk::catalog::{Catalog, Model};
use dsk::request::HardwareAsked;
use dsk::train::{Asked, Fixed, Framework, Job, Layout, Method, Offload, Recompute, Zero, job};

const SINGLE: Layout = Layout {
    data: 1,
    tensor: 1,
    pipeline: 1,
    expert: 1,
    zero: Zero::Off,
    micro_batch: 1,
    micro_batches: 1,
    interleave: 1,
    recompute: Recompute::Full,
    sequence_parallel: false,
    offload: Offload::Off,
};

fn asked(method: Method, framework: Framework) -> Asked {
    Asked {
        method,
        rank: None,
        targets: Vec::new(),
        framework,
        sequence_tokens: 2048,
        global_batch: Some(256),
        tokens: None,
        mfu: None,
        fixed: Fixed::default(),
    }
}

/// Runs `check` on the job that training `model` on `gpus` A100s is.
fn with_job<T>(model: &Model, asked: &Asked, check: impl Fn(&Job<'_>) -> T) -> T {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = hardware(&catalog, ("a100-80gb", 1), None);
    check(&job(&catalog, (model, asked), &hardware).expect("a job"))
}

/// So many of a device, with Gbit/s between servers.
fn hardware(catalog: &Catalog, (gpu, count): (&str, u64), network: Option<f64>) -> Hardware {
    let asked = HardwareAsked {
        gpu: Some(gpu.to_owned()),
        count: Some(count),
        network_gbps: network,
        ..HardwareAsked::default()
    };
    let hardware = asked.resolve(catalog).expect("hardware");
    hardware.expect("given")
}

fn model(id: &str) -> Model {
    Catalog::load(&[])
        .and_then(|catalog| catalog.model(id))
        .expect("a model")
}

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("test data")
}

fn lines(name: &str) -> Vec<String> {
    let kept = |line: &&str| !line.starts_with('#') && !line.is_empty();
    data(name).lines().filter(kept).map(str::to_owned).collect()
}

/// A model of the paper: GPT with dropout and a network four times as wide.
struct Gpt {
    name: &'static str,
    layers: u64,
    hidden: u64,
    heads: u64,
    pipeline: u64,
    micro_batch: u64,
    interleave: u64,
    /// Figure 1, GiB: parameters with optimizer; activations with nothing and with both techniques.
    states: f64,
    plain: f64,
    reduced: f64,
    /// Figure 7, per cent of tensor parallelism alone, as read off the figure.
    shares: [f64; 4],
}

/// Korthikanti et al. 2022 (arXiv 2205.05198), table 3 and figures 1 and 7; the figures' values as
/// calculon-ai/calculon @caa4b11f calculon/llm/validation.py gives them.
const GPTS: [Gpt; 4] = [
    Gpt {
        name: "22B",
        layers: 48,
        hidden: 6144,
        heads: 64,
        pipeline: 1,
        micro_batch: 4,
        interleave: 1,
        states: 45.5625,
        plain: 59.25,
        reduced: 9.5625,
        shares: [66.84, 49.42, 16.18, 7.64],
    },
    Gpt {
        name: "175B",
        layers: 96,
        hidden: 12288,
        heads: 96,
        pipeline: 8,
        micro_batch: 1,
        interleave: 3,
        states: 45.5625,
        plain: 66.84375,
        reduced: 12.351_562_5,
        shares: [62.04, 56.53, 18.49, 8.71],
    },
    Gpt {
        name: "530B",
        layers: 105,
        hidden: 20480,
        heads: 128,
        pipeline: 35,
        micro_batch: 1,
        interleave: 3,
        states: 31.640_625,
        plain: 114.023_437_5,
        reduced: 23.076_171_875,
        shares: [58.31, 62.04, 20.27, 9.42],
    },
    Gpt {
        name: "1T",
        layers: 128,
        hidden: 25600,
        heads: 160,
        pipeline: 64,
        micro_batch: 1,
        interleave: 1,
        states: 32.958_984_375,
        plain: 131.25,
        reduced: 26.5625,
        shares: [58.31, 62.04, 20.27, 9.42],
    },
];

/// GPT's layer as a gated one of the same 12 h^2 parameters, with the paper's tied vocabulary.
fn gpt_shaped(hidden: u64, heads: u64, layers: u32) -> Model {
    let mut model = model("6.7b");
    model.shape.hidden = hidden;
    model.shape.layers = layers;
    model.shape.vocabulary = 51_200;
    model.shape.tied_embeddings = true;
    model.shape.attention = Attention::Grouped {
        heads,
        kv_heads: heads,
        head_size: hidden / heads,
        qkv_bias: false,
        qk_norm: false,
    };
    model.shape.feed_forward = FeedForward::Dense {
        intermediate: hidden * 8 / 3,
    };
    model
}
