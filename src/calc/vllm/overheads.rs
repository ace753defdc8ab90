//! Measured parts of vLLM's memory that no shape explains.

use crate::units::Bytes;

/// Constants of one engine version, each with where it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overheads {
    /// Scratch memory of matrix products at the widest layer.
    pub layer_scratch: Bytes,
    /// Scratch memory of matrix products while sampling.
    pub sampler_scratch: Bytes,
    /// Copies of the 32-bit logits that the first runner's sampler holds at once, the 16-bit ones included.
    pub sampler_copies: f64,
    /// What libraries take outside PyTorch on one device, after the context.
    pub non_torch: Bytes,
    /// The same with tensor parallelism, communication buffers included.
    pub non_torch_parallel: Bytes,
    /// Memory that all CUDA graphs share.
    pub graph_pool: Bytes,
    /// Bytes of one kernel in one CUDA graph.
    pub graph_kernel: Bytes,
}

/// vLLM 0.24 on NVIDIA data-centre GPUs.
///
/// `layer_scratch`, `sampler_scratch` and `sampler_copies` solve the peaks that vLLM 0.19 printed on an
/// H100 with 8,192 batched tokens and 1,024 sequences for `CodeLlama` 7B (0.77 GiB), Granite 3.1 2B and 8B
/// (0.75, 0.85), Llama 3.1 8B (1.89), phi-4 (1.52), Qwen2.5 7B (2.21) and Gemma 2 9B (3.65); `non_torch`
/// and `non_torch_parallel` are from the same runs (0.24 to 0.26 GiB; 2.06 to 2.2 GiB with two and four
/// devices): accuracy report of llm-d-incubation/llm-d-planner. `graph_pool` and `graph_kernel` solve the
/// graph memory that vLLM 0.24 printed on an H200 for deepseek-coder 1.3b, 6.7b and 33b and V2-Lite.
pub const VLLM_0_24: Overheads = Overheads {
    layer_scratch: Bytes(79 << 20),
    sampler_scratch: Bytes(33 << 20),
    sampler_copies: 3.66,
    non_torch: Bytes(246 << 20),
    non_torch_parallel: Bytes(2150 << 20),
    graph_pool: Bytes(236 << 20),
    graph_kernel: Bytes(16 << 10),
};
