//! The settings of a vLLM server that decide its memory, and their defaults.

use crate::catalog::gpu::ComputeCapability;
use crate::catalog::shape::{Architecture, Attention, Shape};
use crate::units::{Bytes, Tokens};

/// Which of vLLM's two model runners serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runner {
    /// The older one: it profiles a full sampler and sets memory for CUDA graphs aside.
    First,
    /// The newer one: its sampler keeps less, and it sets nothing aside for graphs.
    Second,
}

/// Generations of GPUs that vLLM picks attention kernels by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// Compute capability below 9, and 12: consumer parts, which lack the kernels of 10.
    Older,
    /// Compute capability 9.
    Hopper,
    /// Compute capability 10 and 11: the data-centre parts.
    Blackwell,
}

/// What starts vLLM, which decides two of its defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usage {
    /// `vllm serve`.
    Server,
    /// The `LLM` class of its Python package.
    Library,
}

/// The settings of a server that decide its memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Server {
    /// Bytes of the device as CUDA counts them.
    pub device: Bytes,
    /// The share of it that vLLM may take.
    pub utilization: f64,
    /// The longest sequence.
    pub longest: Tokens,
    /// Tokens of one step at most.
    pub batched_tokens: Tokens,
    /// Sequences of one step at most.
    pub sequences: u64,
    /// Tokens in a block of cache.
    pub block_tokens: Tokens,
    /// The model runner.
    pub runner: Runner,
}

/// What vLLM sets by the device and the way it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// Tokens of one step at most.
    pub batched_tokens: Tokens,
    /// Sequences of one step at most.
    pub sequences: u64,
}

/// The defaults for a device of so many bytes; an A100 counts as a small one whatever it holds.
///
/// Source: `get_batch_defaults` in vLLM 0.24 `engine/arg_utils.py`.
#[must_use]
pub fn defaults(device: Bytes, is_a100: bool, usage: Usage) -> Defaults {
    let large = device >= Bytes(70 << 30) && !is_a100;
    let (batched, sequences) = match (large, usage) {
        (true, Usage::Library) => (16_384, 1024),
        (true, Usage::Server) => (8192, 1024),
        (false, Usage::Library) => (8192, 256),
        (false, Usage::Server) => (2048, 256),
    };
    Defaults {
        batched_tokens: Tokens(batched),
        sequences,
    }
}

/// The runner that vLLM 0.24 picks by the model's class.
///
/// Source: `DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES` in vLLM 0.24 `config/vllm.py`.
#[must_use]
pub fn runner(architecture: Architecture) -> Runner {
    match architecture {
        Architecture::Llama | Architecture::Qwen3 | Architecture::DeepseekV2 => Runner::Second,
        Architecture::Qwen2
        | Architecture::Deepseek
        | Architecture::DeepseekV3
        | Architecture::DeepseekV32
        | Architecture::DeepseekV4
        | Architecture::DeepseekV41
        | Architecture::DeepseekVlV2 => Runner::First,
    }
}

/// Tokens in a block of cache, by the attention kernel that vLLM picks.
///
/// Grouped attention: 16. Latent: 64 with `FlashMLA` on Hopper and everywhere for the sparse kernel,
/// 128 on Blackwell, 16 with Triton elsewhere. Compressed: 256.
/// Source: `platforms/cuda.py` and `v1/attention/backends/mla` in vLLM 0.24.
#[must_use]
pub fn block_tokens(shape: &Shape, generation: Generation) -> Tokens {
    Tokens(match (&shape.attention, generation) {
        (Attention::Grouped { .. }, _)
        | (Attention::Latent { indexer: None, .. }, Generation::Older) => 16,
        (
            Attention::Latent {
                indexer: Some(_), ..
            },
            _,
        )
        | (Attention::Latent { indexer: None, .. }, Generation::Hopper) => 64,
        (Attention::Latent { indexer: None, .. }, Generation::Blackwell) => 128,
        (Attention::Compressed(_), _) => 256,
    })
}

impl Generation {
    /// The generation of a compute capability; unknown ones get the kernels that run everywhere.
    #[must_use]
    pub fn of(capability: Option<ComputeCapability>) -> Self {
        match capability.map(|own| own.major) {
            Some(9) => Self::Hopper,
            Some(10 | 11) => Self::Blackwell,
            Some(_) | None => Self::Older,
        }
    }
}
