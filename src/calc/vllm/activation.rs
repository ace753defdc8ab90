//! The widest moment of vLLM's profiling pass.
//!
//! vLLM runs the longest batch once before it sizes the cache and keeps the peak free for good.
//! Sources: `profile_run` in vLLM 0.24 `v1/worker/gpu_model_runner.py` and `v1/worker/gpu/model_runner.py`,
//! `TritonExperts.workspace_shapes` in `fused_moe/experts/triton_moe.py`, `forward_impl` and
//! `determine_chunked_prefill_workspace_size` in `layers/attention/mla_attention.py`.

use super::server::{Runner, Server};
use crate::calc::load::Split;
use crate::calc::sharding::inner_widths;
use crate::catalog::engine_memory::Overheads;
use crate::catalog::shape::{Attention, FeedForward, Shape};
use crate::units::{Bytes, Tokens};

/// Bytes of one 16-bit number.
const HALF: u64 = 2;
/// Bytes of one 32-bit number.
const SINGLE: u64 = 4;
/// The most tokens whose keys and values are expanded at once in a long prefill.
const EXPANDED_TOKENS: u64 = 64 * 1024;
/// The most tokens that the expert kernels take at once (`VLLM_FUSED_MOE_CHUNK_SIZE`).
const EXPERT_TOKENS: u64 = 16 * 1024;

/// The peak of one device, in bytes.
#[must_use]
pub fn peak(shape: &Shape, split: &Split, server: &Server, overheads: &Overheads) -> Bytes {
    let batch = server.batched_tokens;
    let workspace = expert_workspace(shape, split, batch);
    let layer = layer_peak(shape, split, server, workspace) + overheads.layer_scratch_bytes;
    let sampler =
        sampler_peak(shape, server, overheads) + workspace + overheads.sampler_scratch_bytes;
    layer.max(sampler)
}

/// Scratch memory of the expert kernels, which stays allocated from the first layer on, and the tokens that
/// all replicas bring to them and take back.
///
/// Source: `allgather_reducescatter`, the default of `--all2all-backend`; the kernels go over many tokens in
/// chunks of `VLLM_FUSED_MOE_CHUNK_SIZE`.
fn expert_workspace(shape: &Shape, split: &Split, batch: Tokens) -> Bytes {
    let FeedForward::Experts {
        experts_per_token, ..
    } = &shape.feed_forward
    else {
        return Bytes::ZERO;
    };
    let (_, _, inner) = inner_widths(shape, split);
    let row = inner.max(shape.hidden) + (2 * inner).max(shape.hidden);
    let tokens = batch.0.saturating_mul(split.data.max(1));
    let gathered = if split.data > 1 {
        Bytes(tokens) * (2 * shape.hidden * HALF)
    } else {
        Bytes::ZERO
    };
    Bytes(tokens.min(EXPERT_TOKENS.max(batch.0))) * (experts_per_token * row * HALF) + gathered
}

/// The widest of a layer's steps: dense feed-forward, experts, latent attention.
fn layer_peak(shape: &Shape, split: &Split, server: &Server, workspace: Bytes) -> Bytes {
    let batch = server.batched_tokens.0;
    let (dense, shared, routed) = inner_widths(shape, split);
    let attention = attention_width(shape, split);
    // The step's inputs stay: attention's output, the old residual and the new one.
    let inputs = attention + 2 * shape.hidden;
    let feed_forward = Bytes(batch) * ((inputs + 3 * dense) * HALF);
    let experts = if routed == 0 {
        Bytes::ZERO
    } else {
        workspace + Bytes(batch) * ((inputs + 3 * shared + shape.hidden) * HALF)
    };
    feed_forward
        .max(experts)
        .max(latent_peak(shape, split, server, workspace))
}

/// Width of attention's output on one device.
fn attention_width(shape: &Shape, split: &Split) -> u64 {
    let ways = split.tensor.max(1);
    match &shape.attention {
        Attention::Grouped {
            heads, head_size, ..
        } => heads.div_ceil(ways) * head_size,
        Attention::Latent {
            heads, value_size, ..
        } => heads.div_ceil(ways) * value_size,
        Attention::Compressed(attention) => attention.heads.div_ceil(ways) * attention.head_size,
    }
}

/// Latent attention with the keys and values of a long context expanded.
fn latent_peak(shape: &Shape, split: &Split, server: &Server, workspace: Bytes) -> Bytes {
    let Attention::Latent {
        heads,
        kv_rank,
        nope_size,
        rope_size,
        value_size,
        indexer,
        ..
    } = &shape.attention
    else {
        return Bytes::ZERO;
    };
    let heads = heads.div_ceil(split.tensor.max(1));
    let per_token =
        heads * (nope_size + rope_size + value_size) + kv_rank + rope_size + shape.hidden;
    // Sparse attention reads the latent itself and expands nothing.
    let expanded = if indexer.is_some() {
        Bytes::ZERO
    } else {
        let block = server.block_tokens.0.saturating_mul(server.sequences);
        let wanted = server
            .longest
            .0
            .saturating_mul(8)
            .max(block.saturating_mul(4));
        let tokens = wanted.min(EXPANDED_TOKENS).max(block);
        Bytes(tokens) * (heads * (nope_size + value_size) * HALF)
    };
    workspace + expanded + Bytes(server.batched_tokens.0) * (per_token * HALF)
}

/// Logits and what sampling makes of them, beside the hidden states of the batch.
fn sampler_peak(shape: &Shape, server: &Server, overheads: &Overheads) -> Bytes {
    let sequences = server.sequences.min(server.batched_tokens.0);
    let logits = Bytes(sequences) * shape.vocabulary;
    let sampling = match server.runner {
        Runner::First => (logits * SINGLE).scale(overheads.sampler_copies),
        Runner::Second => logits * (HALF + SINGLE),
    };
    sampling + Bytes(server.batched_tokens.0) * (shape.hidden * HALF)
}
