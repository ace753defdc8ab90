//! What vLLM prints as "Model loading took": the tensors of a device, as PyTorch's allocator holds them.

use std::collections::HashMap;
use std::ops::Range;

use crate::calc::checkpoint::stored;
use crate::calc::load::Split;
use crate::calc::tensors::{Role, Section, Tensor, tensors};
use crate::calc::weights::{is_quantized, scaled_bytes};
use crate::catalog::NativeStorage;
use crate::catalog::format::Storage;
use crate::catalog::shape::{Attention, Shape};
use crate::units::{Bytes, count};

/// Bytes of one 16-bit number.
const HALF: u64 = 2;
/// Bytes of one 32-bit number.
const SINGLE: u64 = 4;
/// Query, key, value and probability scales of one layer's attention, 512 bytes each as allocated.
///
/// Source: `set_default_quant_scales` in vLLM 0.24 `layers/attention/attention.py`.
const ATTENTION_SCALES: Bytes = Bytes(4 * 512);

/// How weights are stored.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// In a format of the catalog.
    Format {
        /// Bits of one weight, scales left out.
        bits: u64,
        /// Where scales lie, if there are any.
        storage: &'a Storage,
    },
    /// As the official checkpoint stores each tensor.
    Native(&'a NativeStorage),
}

impl Weights<'_> {
    /// Whether linear layers have scales.
    #[must_use]
    pub fn is_quantized(&self) -> bool {
        match self {
            Self::Format { storage, .. } => matches!(storage, Storage::Scaled(_)),
            Self::Native(storage) => storage.linears.is_some(),
        }
    }

    /// Whether vLLM itself quantizes a 16-bit checkpoint while it loads, one scale for each tensor.
    fn quantized_on_load(&self, role: Role) -> bool {
        match self {
            Self::Format {
                storage: Storage::Scaled(scaled),
                ..
            } => scaled.block_rows == 0 && scaled.block_columns == 0 && is_quantized(role, *scaled),
            Self::Format { .. } | Self::Native(_) => false,
        }
    }

    /// Bytes of one layer's `tensor`, all its copies; `tensor` is what the device holds of it.
    fn bytes(&self, tensor: &Tensor) -> Bytes {
        let weights = tensor.each();
        let one = match self {
            Self::Native(storage) => stored(tensor, storage).bytes(),
            Self::Format {
                bits,
                storage: Storage::Scaled(scaled),
            } => {
                if is_quantized(tensor.role, *scaled) {
                    scaled_bytes(tensor, *bits, *scaled)
                } else {
                    weights.bytes_at(16)
                }
            }
            Self::Format {
                bits,
                storage: Storage::Plain {} | Storage::Native {} | Storage::Gguf { .. },
            } => weights.bytes_at(*bits),
        };
        one * tensor.copies
    }
}

/// What a device of `split` holds of `tensor`.
fn held_part(tensor: &Tensor, shape: &Shape, split: &Split) -> Tensor {
    let piece = split.piece(tensor, shape);
    Tensor {
        rows: piece.rows,
        columns: piece.columns,
        copies: piece.copies,
        ..tensor.clone()
    }
}

/// Tensors that vLLM joins into one parameter, by the role that comes first.
///
/// Source: `packed_modules_mapping` in vLLM 0.24 `models/llama.py`, `models/deepseek_v2.py`.
fn joined_into(role: Role, shape: &Shape) -> Option<Role> {
    match (role, &shape.attention) {
        (Role::Key | Role::Value, _) => Some(Role::Query),
        (Role::KeyBias | Role::ValueBias, _) => Some(Role::QueryBias),
        (
            Role::KvDown,
            Attention::Latent {
                query_rank: Some(_),
                ..
            }
            | Attention::Compressed(_),
        ) => Some(Role::QueryDown),
        (Role::Up, _) => Some(Role::Gate),
        (Role::ExpertUp, _) => Some(Role::ExpertGate),
        (Role::SharedUp, _) => Some(Role::SharedGate),
        _ => None,
    }
}

/// Bytes of a device after loading the layers of one stage.
///
/// Beside the checkpoint's tensors these are the rotary table, 16-bit copies of a quantized latent
/// expansion, and the ends of memory segments that PyTorch does not split off.
#[must_use]
pub fn load_bytes(shape: &Shape, weights: &Weights, split: &Split, layers: &Range<u32>) -> Bytes {
    let list = tensors(shape);
    let held = |tensor: &Tensor| layers_held(tensor, shape, layers);
    let mut total = rotary_bytes(shape)
        + latent_copy_bytes(shape, weights, split, layers)
        + ATTENTION_SCALES * count(layers.len());
    let mut joined: HashMap<(Role, &Range<u32>), Bytes> = HashMap::new();
    for part in list.iter().filter(|part| held(part) > 0) {
        let whole = joined_into(part.role, shape).unwrap_or(part.role);
        *joined.entry((whole, &part.layers)).or_default() +=
            weights.bytes(&held_part(part, shape, split));
    }
    for tensor in list.iter().filter(|tensor| held(tensor) > 0) {
        if joined_into(tensor.role, shape).is_some() {
            continue;
        }
        let allocation = joined
            .get(&(tensor.role, &tensor.layers))
            .copied()
            .unwrap_or_default();
        let reused = weights.quantized_on_load(tensor.role);
        let each = if reused {
            allocation
        } else {
            allocated(allocation)
        };
        total += each * held(tensor);
    }
    total + last_original_bytes(shape, weights, split)
}

/// Layers of the stage that hold a tensor; embedding and head belong to its ends.
fn layers_held(tensor: &Tensor, shape: &Shape, layers: &Range<u32>) -> u64 {
    if tensor.section != Section::Main {
        return 0;
    }
    if tensor.role == Role::Embedding {
        return u64::from(layers.start == 0);
    }
    if matches!(tensor.role, Role::Head | Role::OutputNorm) {
        return u64::from(layers.end == shape.layers);
    }
    let start = tensor.layers.start.max(layers.start);
    u64::from(tensor.layers.end.min(layers.end).saturating_sub(start))
}

/// What PyTorch counts for an allocation that gets a segment of its own.
///
/// From 10 MiB on, segments are multiples of 2 MiB, and a rest of 1 MiB or less stays with the block.
/// Source: `kRoundLarge`, `kMinLargeAlloc` and `should_split` in PyTorch 2.11 `CUDACachingAllocator.cpp`.
#[must_use]
pub(super) fn allocated(bytes: Bytes) -> Bytes {
    const SEGMENT_FROM: u64 = 10 << 20;
    const SEGMENT_STEP: u64 = 2 << 20;
    const KEPT_REST: u64 = 1 << 20;
    const SMALLEST: u64 = 512;
    let exact = bytes.round_up(SMALLEST);
    if exact.0 < SEGMENT_FROM {
        return exact;
    }
    let segment = exact.round_up(SEGMENT_STEP);
    if (segment - exact).0 <= KEPT_REST {
        segment
    } else {
        exact
    }
}

/// The table of rotary cosines and sines: 16 bits, or 32 where V2's scaled embedding keeps them.
///
/// Source: vLLM 0.24 `rotary_embedding/base.py`, `deepseek_scaling_rope.py`.
fn rotary_bytes(shape: &Shape) -> Bytes {
    let row = match &shape.attention {
        Attention::Grouped { head_size, .. } => head_size * HALF,
        Attention::Latent { rope_size, .. } => rope_size * SINGLE,
        Attention::Compressed(attention) => attention.rope_size * SINGLE,
    };
    Bytes(shape.window_tokens) * row
}

/// The 16-bit `W_UK` and `W_UV` that latent attention keeps beside a quantized `kv_b_proj`.
///
/// A 16-bit checkpoint needs none: they are views of the same memory.
/// Source: `process_weights_after_loading` in vLLM 0.24 `layers/attention/mla_attention.py`.
fn latent_copy_bytes(
    shape: &Shape,
    weights: &Weights,
    split: &Split,
    layers: &Range<u32>,
) -> Bytes {
    let Attention::Latent {
        heads,
        kv_rank,
        nope_size,
        value_size,
        ..
    } = &shape.attention
    else {
        return Bytes::ZERO;
    };
    if !weights.is_quantized() {
        return Bytes::ZERO;
    }
    let width = heads.div_ceil(split.tensor.max(1)) * (nope_size + value_size);
    allocated(Bytes(width * kv_rank * HALF)) * count(layers.len())
}

/// The 16-bit original of the last tensor that was quantized on load, which is not released.
///
/// Basis: the 31.75 GiB that vLLM 0.24 printed for deepseek-coder-33b are this much above its parts.
fn last_original_bytes(shape: &Shape, weights: &Weights, split: &Split) -> Bytes {
    tensors(shape)
        .iter()
        .filter(|tensor| {
            weights.quantized_on_load(tensor.role)
                && tensor.section == Section::Main
                && tensor.layers.end == shape.layers
                && matches!(tensor.role, Role::Down | Role::ExpertDown)
        })
        .map(|tensor| {
            let part = held_part(tensor, shape, split);
            part.each().bytes_at(16) * part.copies
        })
        .max()
        .unwrap_or(Bytes::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 259 MiB lie in a segment of 260, whose last MiB stays with them; 24.5 MiB leave 1.5 free.
    #[test]
    fn short_rests_of_a_segment_stay_with_the_block() {
        assert_eq!(allocated(Bytes(259 << 20)), Bytes(260 << 20));
        assert_eq!(allocated(Bytes(49 << 19)), Bytes(49 << 19));
        assert_eq!(allocated(Bytes(1)), Bytes(512));
    }
}
