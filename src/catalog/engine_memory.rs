//! Measured parts of an engine's memory that no shape explains: `[memory]` of `catalog/engines/<id>.toml`.

use serde::Deserialize;

use crate::units::Bytes;

/// The constants of an engine's memory model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EngineMemory {
    /// vLLM's.
    Vllm(Overheads),
    /// Of engines that load into what a device context leaves.
    Context(Context),
}

/// vLLM's constants on NVIDIA data-centre GPUs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overheads {
    /// The share of a device that it takes by default, 0 to 1.
    pub default_utilization: f64,
    /// Scratch memory of matrix products at the widest layer.
    pub layer_scratch_bytes: Bytes,
    /// Scratch memory of matrix products while sampling.
    pub sampler_scratch_bytes: Bytes,
    /// Copies of the 32-bit logits that the first runner's sampler holds at once, the 16-bit ones included.
    pub sampler_copies: f64,
    /// What libraries take outside PyTorch on one device, after the context.
    pub non_torch_bytes: Bytes,
    /// The same with tensor parallelism, communication buffers included.
    pub non_torch_parallel_bytes: Bytes,
    /// Memory that all CUDA graphs share.
    pub graph_pool_bytes: Bytes,
    /// Bytes of one kernel in one CUDA graph.
    pub graph_kernel_bytes: Bytes,
    /// Where they were measured.
    pub source: String,
}

/// What a process takes on a device before the model is loaded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Bytes of the context, on a device that works alone.
    pub context_bytes: Bytes,
    /// The same with tensor parallelism, communication buffers included.
    pub parallel_context_bytes: Bytes,
    /// Where they were measured.
    pub source: String,
}
