//! Bytes of the weights in a format that stores tensors as the checkpoint lists them.
//!
//! GGUF types are mixes of their own: see `mix`. A checkpoint's native storage: see `checkpoint`.

use super::checkpoint::is_linear;
use super::tensors::{Role, Tensor};
use crate::catalog::format::{Format, Scaled, Storage};
use crate::units::{Bytes, Parameters};

/// Bits of a weight that a quantized format leaves alone.
const KEPT_BITS: u64 = 16;

/// Bytes of `tensor`, all its copies and layers, in `format`; none where the layout is the model's own or a GGUF mix.
#[must_use]
pub fn tensor_bytes(tensor: &Tensor, format: &Format) -> Option<Bytes> {
    match &format.storage {
        Storage::Plain {} => Some(tensor.parameters().bytes_at(format.bits)),
        Storage::Scaled(scaled) if is_quantized(tensor.role, *scaled) => {
            Some(scaled_bytes(tensor, format.bits, *scaled) * tensor.tensors())
        }
        Storage::Scaled(_) => Some(tensor.parameters().bytes_at(KEPT_BITS)),
        Storage::Native {} | Storage::Gguf { .. } => None,
    }
}

/// Whether a format with scales quantizes tensors of that role: the linear layers of the decoder,
/// as `ignore = ["lm_head"]` of compressed-tensors and `modules_to_not_convert` of the others leave them.
#[must_use]
pub fn is_quantized(role: Role, scaled: Scaled) -> bool {
    if role == Role::Embedding {
        scaled.embedding
    } else if role == Role::Head {
        scaled.head
    } else {
        is_linear(role) || role == Role::DraftProjection
    }
}

/// Bytes of one copy of a quantized matrix with its scales, zero points and tables.
#[must_use]
pub fn scaled_bytes(tensor: &Tensor, bits: u64, scaled: Scaled) -> Bytes {
    let blocks_down = blocks(tensor.rows, scaled.block_rows);
    let blocks_across = blocks(tensor.columns, scaled.block_columns);
    let entries = Parameters(blocks_down) * blocks_across;
    tensor.each().bytes_at(bits)
        + entries.bytes_at(scaled.scale_bits + scaled.zero_bits)
        + Bytes(scaled.tensor_bits.div_ceil(8))
        + Parameters(tensor.columns).bytes_at(scaled.column_bits)
}

/// How many blocks of `block` cover `length`; one where the block is everything.
fn blocks(length: u64, block: u64) -> u64 {
    if block == 0 {
        1
    } else {
        length.div_ceil(block)
    }
}
