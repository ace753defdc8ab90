//! What training takes and reaches: `catalog/training.toml`.

use serde::Deserialize;

/// Bytes of a parameter's states, and published utilisation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The batch of a question that names none.
    pub batch: BatchDefaults,
    /// Adapters of a question that names no rank.
    pub lora: LoraDefaults,
    /// Bytes of a parameter by framework.
    pub recipe: Recipes,
    /// Model FLOPs utilisation of published runs.
    pub utilization: Vec<Published>,
}

/// The batch of a question that names none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchDefaults {
    /// Sequences a step for each device.
    pub sequences_per_device: u64,
    /// Micro-batches for each pipeline stage from which the bubble counts as small.
    pub micro_batches_per_stage: u64,
    /// Why.
    pub source: String,
}

/// Adapters of a question that names no rank.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraDefaults {
    /// The rank.
    pub rank: u64,
    /// Why.
    pub source: String,
}

/// Bytes of a parameter by framework.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipes {
    /// DeepSpeed.
    pub deepspeed: Recipe,
    /// Megatron-LM.
    pub megatron: Recipe,
}

/// Bytes of one trainable parameter with Adam in mixed precision, before ZeRO divides them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The 16-bit weight.
    pub weights: u64,
    /// Its gradient.
    pub gradients: u64,
    /// The FP32 copy of the gradient that the optimizer reads, divided with its states.
    pub gradient_copy: u64,
    /// FP32 weight and both moments.
    pub optimizer: u64,
    /// Where that is counted so.
    pub source: String,
}

/// Runs of one publication.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The architecture of the server's accelerators.
    pub architecture: String,
    /// Whether the models are mixtures of experts.
    pub experts: bool,
    /// Where it was published.
    pub source: String,
    /// The runs.
    pub rows: Vec<Run>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "(u64, u64, u64, f64)")]
pub struct Run {
    /// Parameters of the model.
    pub parameters: u64,
    /// Tokens of a sequence.
    pub sequence_tokens: u64,
    /// Devices.
    pub devices: u64,
    /// Model FLOPs over the dense BF16 peak, in per cent.
    pub mfu_percent: f64,
}

impl From<(u64, u64, u64, f64)> for Run {
    fn from((parameters, sequence_tokens, devices, mfu_percent): (u64, u64, u64, f64)) -> Self {
        Self {
            parameters,
            sequence_tokens,
            devices,
            mfu_percent,
        }
    }
}
