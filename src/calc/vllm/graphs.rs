//! CUDA graphs: which batch sizes vLLM captures, and what they take.

use super::load::Weights;
use crate::catalog::engine_memory::Overheads;
use crate::catalog::shape::{Attention, Shape};
use crate::units::Bytes;

/// The largest batch that is captured by default, in tokens.
const LARGEST: u64 = 512;

/// Batch sizes that are captured up to `most` tokens: 1, 2, 4, then by 8 to 256, then by 16.
///
/// Source: `_set_cudagraph_sizes` in vLLM 0.24 `config/vllm.py`.
#[must_use]
pub fn sizes(most: u64) -> u64 {
    let most = most.min(LARGEST);
    let tiny = [1, 2, 4].into_iter().filter(|size| *size <= most).count();
    let small = most.min(255) / 8;
    let large = if most < 256 { 0 } else { (most - 256) / 16 + 1 };
    crate::units::count(tiny) + small + large
}

/// Bytes of all graphs: those of mixed batches, cut at attention, and the whole ones of pure decode.
#[must_use]
pub fn bytes(
    shape: &Shape,
    weights: &Weights,
    (layers, sequences): (u64, u64),
    overheads: &Overheads,
) -> Bytes {
    let mixed = sizes(sequences.saturating_mul(2));
    let decode = sizes(sequences.min(LARGEST));
    let per_graph = overheads.graph_kernel_bytes * kernels(shape, weights, layers);
    overheads.graph_pool_bytes + per_graph * (mixed + decode)
}

/// Kernels of one decoding step in so many layers.
///
/// Counted over the operations of vLLM 0.24 `models/llama.py` and `models/deepseek_v2.py` after fusion.
fn kernels(shape: &Shape, weights: &Weights, layers: u64) -> u64 {
    let dense_layers = u64::from(shape.feed_forward.dense_layers(shape.layers)).min(layers);
    // Norm, projections, rotation, cache write, attention, output.
    let attention = match &shape.attention {
        Attention::Grouped { .. } => 6,
        Attention::Latent { .. } | Attention::Compressed(_) => 12,
    };
    // Norm, two products and the gate between them; routing and sorting for experts.
    let (dense, experts) = (4, 12);
    let quantized = if weights.is_quantized() { 4 } else { 0 };
    dense_layers * dense + (layers - dense_layers) * experts + layers * (attention + quantized)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// vLLM prints "PIECEWISE=51 (largest=512), FULL=35 (largest=256)" for 256 sequences.
    #[test]
    fn the_captured_sizes_are_vllms() {
        assert_eq!(sizes(512), 51);
        assert_eq!(sizes(256), 35);
        assert_eq!(sizes(128), 19);
        assert_eq!(sizes(32), 7);
    }
}
