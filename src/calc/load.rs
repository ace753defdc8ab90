//! What is to be held in memory: a model in a format, a cache, an engine, hardware and a split.

use std::fmt;

use super::hardware::Hardware;
use crate::catalog::{Engine, Format, KvFormat, Model};
use crate::units::Tokens;

/// One question to the calculator.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// The model.
    pub model: &'a Model,
    /// How its weights are stored.
    pub format: &'a Format,
    /// How its cache is stored.
    pub kv: KvFormat,
    /// What one sequence may hold.
    pub context: Tokens,
    /// Sequences at once.
    pub sequences: u64,
    /// What runs it; none for the plain checkpoint.
    pub engine: Option<&'a Engine>,
    /// What it runs on; none when only the need is asked for.
    pub hardware: Option<&'a Hardware>,
    /// How it is split over the devices.
    pub split: Split,
    /// Settings of the engine.
    pub options: Options,
    /// Whether the formulas are wanted beside the figures.
    pub explain: bool,
}

/// How a model is split over devices; every part is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Split {
    /// Tensor parallelism: each layer over so many devices.
    pub tensor: u64,
    /// Pipeline parallelism: the layers over so many stages.
    pub pipeline: u64,
    /// Data parallelism: so many replicas.
    pub data: u64,
    /// Expert parallelism: the experts over so many devices.
    pub expert: u64,
}

impl Split {
    /// No split.
    pub const SINGLE: Self = Self {
        tensor: 1,
        pipeline: 1,
        data: 1,
        expert: 1,
    };

    /// Devices that it takes.
    #[must_use]
    pub fn devices(self) -> u64 {
        self.tensor
            .saturating_mul(self.pipeline)
            .saturating_mul(self.data)
    }
}

/// The most devices that llama.cpp is built for: `GGML_SCHED_MAX_BACKENDS` in its `ggml/src/ggml-backend.cpp`.
pub const MOST_LAYER_DEVICES: usize = 16;

/// How llama.cpp shares layers out among devices (`--tensor-split`): in these proportions, first to last, the output
/// counted as one more layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSplit {
    parts: [u32; MOST_LAYER_DEVICES],
    devices: usize,
}

impl LayerSplit {
    /// The proportions `parts`; none for no or too many devices, or where no device has a part.
    #[must_use]
    pub fn of(parts: &[u32]) -> Option<Self> {
        let mut own = [0; MOST_LAYER_DEVICES];
        own.get_mut(..parts.len())?.copy_from_slice(parts);
        parts.iter().any(|part| *part > 0).then_some(Self {
            parts: own,
            devices: parts.len(),
        })
    }

    /// The proportions.
    #[must_use]
    pub fn parts(&self) -> &[u32] {
        &self.parts[..self.devices]
    }
}

impl fmt::Display for LayerSplit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.parts().iter().map(ToString::to_string).collect();
        out.write_str(&words.join(","))
    }
}

/// Settings of an engine; none means its own default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// vLLM: the share of a device that it may use, 0 to 1.
    pub utilization: Option<f64>,
    /// vLLM, SGLang: tokens in one batch.
    pub batched_tokens: Option<u64>,
    /// llama.cpp: tokens in one micro-batch.
    pub micro_batch: Option<u64>,
    /// llama.cpp: whether attention is computed without its full matrix.
    pub flash_attention: Option<bool>,
    /// llama.cpp: layers on the GPU.
    pub gpu_layers: Option<u32>,
    /// llama.cpp: leading layers whose routed experts stay in the host's memory (`--n-cpu-moe`).
    pub host_experts: u32,
    /// llama.cpp: how the layers are shared out among devices; none for a share of their memory.
    pub layer_split: Option<LayerSplit>,
    /// llama.cpp: one cache shared by all sequences.
    pub unified_cache: bool,
    /// llama.cpp: a GGUF of V2 or V3 from before April 2025, which caches every head's keys and values.
    pub legacy_file: bool,
    /// llama.cpp: logits for every token of a micro-batch, not one per sequence.
    pub all_logits: bool,
}
