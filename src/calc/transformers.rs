//! What Transformers keeps on a device: the checkpoint, a growing cache, one forward pass.

use super::cache::expanded_sequence_bytes;
use super::checkpoint::checkpoint_size;
use super::load::Load;
use super::memory::{HostParts, Memory, Parts, Scope, steps};
use super::sglang::context_bytes;
use super::tensors::{Section, tensors};
use super::vllm::{Weights, weights_of};
use super::weights::tensor_bytes;
use crate::catalog::Basis;
use crate::catalog::shape::{FeedForward, Shape};
use crate::error::Result;
use crate::units::{Bytes, Tokens};

/// Bytes of one 16-bit number.
const HALF: u64 = 2;
/// Bytes of one 32-bit number.
const SINGLE: u64 = 4;
/// The formulas' source.
const SOURCE: &str = "Transformers 5 cache_utils.py, generation/utils.py, modeling_llama.py, modeling_deepseek_v3.py";

/// The largest intermediate results of `sequences` prompts that fill `context`.
///
/// `generate` asks for the logits of the last position alone and copies them to 32 bits before it
/// samples. Attention goes through PyTorch's fused kernel, which writes no scores.
#[must_use]
pub fn compute(shape: &Shape, context: Tokens, sequences: u64) -> Bytes {
    let positions = context.0.saturating_mul(sequences);
    let inner = match &shape.feed_forward {
        FeedForward::Dense { intermediate } => *intermediate,
        FeedForward::Experts {
            dense_intermediate,
            expert_intermediate,
            experts_per_token,
            ..
        } => (*dense_intermediate).max(expert_intermediate.saturating_mul(*experts_per_token)),
    };
    // Residual and normalised input, then gate, up and their product.
    let layer = Bytes(positions) * ((2 * shape.hidden + 3 * inner) * HALF);
    let logits = Bytes(sequences) * (shape.vocabulary * (HALF + SINGLE));
    layer.max(logits)
}

/// What `generate` needs for the sequences of `load`, spread evenly over the devices by layers.
///
/// # Errors
/// When Transformers does not load the format.
pub fn memory(load: &Load<'_>) -> Result<Memory> {
    let shape = &load.model.shape;
    let weights = match weights_of(load)? {
        Weights::Native(storage) => checkpoint_size(shape, storage, false).bytes,
        Weights::Format { .. } => tensors(shape)
            .iter()
            .filter(|tensor| tensor.section == Section::Main)
            .filter_map(|tensor| tensor_bytes(tensor, load.format))
            .sum(),
    };
    let each = expanded_sequence_bytes(shape, load.kv, load.context);
    let devices = load.split.devices().max(1);
    let parts = Parts {
        weights: weights.share(devices),
        kv_cache: (each * load.sequences).share(devices),
        compute: compute(shape, load.context, load.sequences),
        runtime: context_bytes(load)?,
    };
    let rows = || {
        [
            (
                "weights",
                "the checkpoint's tensors".to_owned(),
                parts.weights,
                Basis::Exact,
            ),
            (
                "KV cache",
                format!("{} sequences x {} bytes", load.sequences, each.0),
                parts.kv_cache,
                Basis::Exact,
            ),
            (
                "activations",
                "widest layer of a prompt that fills the context".to_owned(),
                parts.compute,
                Basis::Modelled,
            ),
            (
                "runtime",
                "device context".to_owned(),
                parts.runtime,
                Basis::Measured,
            ),
        ]
    };
    Ok(Memory {
        scope: Scope::Engine,
        devices: (0..devices).map(|_| parts).collect(),
        host: HostParts::default(),
        basis: Basis::Modelled.and(load.model.basis),
        steps: steps(load.explain, SOURCE, rows),
        notes: Vec::new(),
    })
}
