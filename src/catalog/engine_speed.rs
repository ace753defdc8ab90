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
    /// Seconds that it takes longer where linear layers are kept in fewer than 16 bits: rounding inputs or unpacking weights.
    #[serde(default)]
    pub narrow_layer_seconds: f64,
    /// Seconds that it takes longer where it has routed experts: choosing and sorting.
    #[serde(default)]
    pub experts_layer_seconds: f64,
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
    /// What they were measured on.
    pub measured: Vec<Measured>,
    /// Devices that are slower than their peaks let expect.
    #[serde(default)]
    pub slower: Vec<Slower>,
    /// What host memory reaches; empty where it was not measured.
    #[serde(default)]
    pub host: Vec<HostMemory>,
    /// What drafting with the model's own draft layers brings; none where it was not measured.
    #[serde(default)]
    pub speculative: Option<Speculative>,
    /// What a closed loop of clients adds; none where it was not measured.
    #[serde(default)]
    pub queue: Option<Queue>,
    /// How far batches lie from what lone prompts let expect; none where batches were measured.
    #[serde(default)]
    pub batches: Option<Batches>,
    /// How far measurements lie from the model.
    pub ranges: Ranges,
}

impl EngineSpeed {
    /// What host memory reaches with models of `class`; none where it was not measured.
    #[must_use]
    pub fn host(&self, class: ModelClass) -> Option<&HostMemory> {
        self.host.iter().find(|host| host.class == class)
    }

    /// How much slower devices of `architecture` are; none where that was not measured.
    #[must_use]
    pub fn slower_on(&self, architecture: &str) -> Option<&Slower> {
        let mut slower = self.slower.iter();
        slower.find(|slower| slower.on.iter().any(|on| on == architecture))
    }

    /// How fast further sequences of a batch are multiplied with models of `class`; none where that was not measured.
    #[must_use]
    pub fn further(&self, class: ModelClass) -> Option<&Further> {
        let mut further = self.batches.iter().flat_map(|batches| &batches.further);
        further.find(|further| further.class == class)
    }
}

/// Devices, models and kernels that constants were measured on; what is not named holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Architectures or ids of devices.
    #[serde(default)]
    pub on: Vec<String>,
    /// The class of model.
    #[serde(default)]
    pub class: Option<ModelClass>,
    /// How the linear layers are multiplied.
    #[serde(default)]
    pub kernel: Option<Kernel>,
    /// How many measurements.
    pub rows: u64,
}

/// A part of a constant; the constant is the product of all parts that hold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Architectures or ids of devices; empty holds for all.
    #[serde(default)]
    pub on: Vec<String>,
    /// The class of model.
    #[serde(default)]
    pub class: Option<ModelClass>,
    /// How the linear layers are multiplied.
    #[serde(default)]
    pub kernel: Option<Kernel>,
    /// Whether it holds only where the cache is kept in fewer than 16 bits.
    #[serde(default)]
    pub narrow_cache: bool,
    /// The constant where nothing is named, else what it is multiplied by.
    pub value: f64,
}

/// Devices whose times are longer than the constants say.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slower {
    /// Architectures of devices.
    pub on: Vec<String>,
    /// Times are so many times longer.
    pub times: f64,
    /// Measured over modelled times per token then, from the shortest to the longest.
    pub range: [f64; 2],
    /// Where that was measured.
    pub source: String,
}

/// What reading weights from host memory reaches.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostMemory {
    /// The class of model.
    pub class: ModelClass,
    /// The share of its bandwidth, 0 to 1.
    pub share: f64,
    /// Measured over modelled times, from the shortest to the longest.
    pub range: [f64; 2],
    /// Where that was measured.
    pub source: String,
}

/// What speculative decoding brings with the model's own draft layers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speculative {
    /// Times per output token are so many times shorter up to `few` sequences.
    pub alone: f64,
    /// The same from `many` sequences on.
    pub loaded: f64,
    /// Sequences up to which `alone` holds.
    pub few: f64,
    /// Sequences from which `loaded` holds.
    pub many: f64,
    /// Measured over modelled, from the 25th to the 75th percentile.
    pub range: [f64; 2],
    /// Where that was measured.
    pub source: String,
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
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// In 16 bits.
    Fp16,
    /// In 16 bits after weights of fewer bits are unpacked.
    Unpacked,
    /// In 8-bit floats, a scale for each tensor, row or token.
    Fp8,
    /// In 8-bit floats, a scale for each block.
    Fp8Block,
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
    /// How many steps of the running batch a request waits until it is admitted.
    pub steps: f64,
    /// The share of the other clients' prompts that come in front: clients that started together stay together; the rest come between its tokens.
    pub burst: f64,
    /// Seconds that sending a token to each client adds to a step.
    pub stream_seconds: f64,
    /// The share of the excess clients' turns that a request waits for.
    pub wait: f64,
    /// Bytes per second with which a server puts the cache of each finished request aside in host memory, while all else
    /// waits; none where it does not.
    #[serde(default)]
    pub saved_bytes_per_second: Option<f64>,
    /// Where that was measured.
    pub source: String,
}

/// How far batches lie from what lone prompts let expect, measured over modelled.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batches {
    /// From the 10th to the 90th percentile.
    pub spread: Spread,
    /// Where that was measured.
    pub source: String,
    /// How fast quantized weights are multiplied for the sequences beyond the first.
    #[serde(default)]
    pub further: Vec<Further>,
}

/// How fast weights in blocks are multiplied for the sequences of a batch beyond the first, in operations per second.
///
/// A few are multiplied as vectors, one after the other; many as a matrix.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Further {
    /// The class of model.
    pub class: ModelClass,
    /// The most sequences that count as few.
    pub few: f64,
    /// Operations per second for those.
    pub few_operations_per_second: f64,
    /// The same for each beyond them.
    pub many_operations_per_second: f64,
    /// Where that was measured.
    pub source: String,
}

impl Further {
    /// Seconds that `further` sequences beyond the first take, each of so many `operations`.
    #[must_use]
    pub fn seconds(&self, further: f64, operations: f64) -> f64 {
        let few = further.min(self.few - 1.0);
        operations
            * (few / self.few_operations_per_second
                + (further - few) / self.many_operations_per_second)
    }
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
