//! Measured constants of an engine's speed: `[speed]` of `catalog/engines/<id>.toml`.

use serde::Deserialize;

use super::gpu::Vendor;

/// The constants of an engine's speed model; what each is for says `calc::speed`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSpeed {
    /// Vendors on whose devices it was measured.
    pub vendors: Vec<Vendor>,
    /// Seconds that each decode step takes whatever it computes.
    pub step_seconds: f64,
    /// Seconds that each sequence adds to a decode step.
    pub sequence_seconds: f64,
    /// Seconds that each batch of prompts takes whatever it computes.
    pub prefill_seconds: f64,
    /// Seconds that tensor parallelism adds to a layer, besides what it transfers.
    pub tensor_layer_seconds: f64,
    /// The share of a link's peak that tensor parallelism reaches, 0 to 1.
    pub link_efficiency: f64,
    /// Prompt tokens between two reads of the weights.
    pub chunk_tokens: u64,
    /// Seconds from a device to the next that holds layers, in each decode step.
    #[serde(default)]
    pub hop_seconds: f64,
    /// The same, for a prompt.
    #[serde(default)]
    pub prefill_hop_seconds: f64,
    /// Whether prompts of latent attention are computed on the latent, as decoding is.
    #[serde(default)]
    pub absorbed_prefill: bool,
    /// Seconds that each layer takes in a decode step whatever it computes.
    pub layer_seconds: Vec<Factor>,
    /// The share of memory bandwidth that reading weights reaches, 0 to 1.
    pub bandwidth: Vec<Factor>,
    /// The share of memory bandwidth that reading the cache reaches, 0 to 1.
    pub cache_bandwidth: Vec<Factor>,
    /// The share of the 16-bit peak at which one sequence's step unpacks and multiplies weights; none where it costs nothing.
    #[serde(default)]
    pub unpack: Vec<Factor>,
    /// The share of the peak that a decode step reaches, 0 to 1; as in prefill where there is none.
    #[serde(default)]
    pub decode_compute: Vec<Factor>,
    /// The share of the peak that the linear layers reach on prompts, 0 to 1.
    pub prefill_compute: Vec<Factor>,
    /// The share of the 16-bit peak that attention reaches on prompts, 0 to 1.
    pub attention_compute: Vec<Factor>,
    /// Seconds that each layer takes in a chunk of a prompt whatever it computes.
    #[serde(default)]
    pub chunk_layer_seconds: Vec<Factor>,
    /// Where the constants were measured.
    pub source: String,
    /// What a closed loop of clients adds; none where it was not measured.
    #[serde(default)]
    pub queue: Option<Queue>,
    /// How far measurements lie from the model.
    pub ranges: Ranges,
}

/// A constant, and what it was measured on; what is not named holds for all.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Architectures of devices.
    #[serde(default)]
    pub on: Vec<String>,
    /// The class of model.
    #[serde(default)]
    pub class: Option<ModelClass>,
    /// How the linear layers are multiplied.
    #[serde(default)]
    pub kernel: Option<Kernel>,
    /// The constant.
    pub value: f64,
    /// Measurements that carry it.
    pub rows: u64,
    /// Whether the fit stopped at a limit, so that the constant is not identified.
    #[serde(default)]
    pub at_limit: bool,
}

/// Models that behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelClass {
    /// One feed-forward a layer.
    Dense,
    /// Routed experts.
    Experts,
}

/// How linear layers are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    /// In 16 bits, weight-only formats included.
    Fp16,
    /// In 8-bit floats.
    Fp8,
    /// In 4-bit floats.
    Fp4,
    /// In 8-bit integers.
    Int8,
    /// GGUF's blocks of 8-bit integers.
    Q8,
    /// GGUF's other blocks.
    Blocks,
}

/// What a closed loop of clients adds to a lone batch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Seconds to the first token that no prompt explains.
    pub base_seconds: f64,
    /// How many times a lone prompt's time passes until its first token.
    pub prefills: f64,
    /// The share of each other prompt's time that a decoding sequence waits for.
    pub interference: f64,
    /// The share of the excess clients' turns that a request waits for.
    pub wait: f64,
    /// Where that was measured.
    pub source: String,
}

/// Measured over modelled, from the 10th to the 90th percentile.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    /// One batch at a time.
    #[serde(rename = "static")]
    pub lone: Spread,
    /// A closed loop of clients.
    #[serde(default)]
    pub served: Option<Spread>,
    /// Devices or models that no constant was measured on.
    pub unseen: Spread,
    /// Which measurements they come from.
    pub source: String,
}

/// Measured over modelled, from the 10th to the 90th percentile.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Of the time to the first token.
    pub first_token: [f64; 2],
    /// Of the time per output token.
    pub output_token: [f64; 2],
    /// Of the throughput.
    pub throughput: [f64; 2],
}
