//! Whether the widths of a model's tensors divide.

use super::{Illegal, refused};
use crate::calc::checkpoint::block;
use crate::calc::load::{Load, Split};
use crate::calc::sharding::{Division, division};
use crate::calc::tensors::{Role, Section, Tensor, tensors};
use crate::calc::vllm::{Weights, weights_of};
use crate::calc::weights::is_quantized;
use crate::catalog::format::Storage;

/// Rows that the embedding is padded to a multiple of before it is shared.
const VOCABULARY_STEP: u64 = 64;

/// Every shared tensor divides, and blocks with one scale stay whole.
pub(super) fn widths(load: &Load<'_>) -> Result<(), Illegal> {
    let (shape, split) = (&load.model.shape, load.split);
    let padded = shape.vocabulary.next_multiple_of(VOCABULARY_STEP);
    if !padded.is_multiple_of(split.tensor) {
        return refused(
            format!(
                "a vocabulary of {padded} rows over {} devices leaves a rest",
                split.tensor
            ),
            "vLLM 0.24 layers/vocab_parallel_embedding.py, divide",
        );
    }
    let weights = weights_of(load).ok();
    for tensor in tensors(shape) {
        if tensor.section == Section::Main && tensor.role != Role::EngramTable {
            width(&tensor, split, weights.as_ref())?;
        }
    }
    Ok(())
}

fn width(tensor: &Tensor, split: Split, weights: Option<&Weights<'_>>) -> Result<(), Illegal> {
    let (ways, is_rows) = match division(tensor.role) {
        Division::Rows => (split.tensor, !tensor.is_vector()),
        Division::Columns => (split.tensor, false),
        Division::ExpertRows => (split.expert_tensor(), true),
        Division::ExpertColumns => (split.expert_tensor(), false),
        Division::Replicated | Division::KeyHeads | Division::Vocabulary => return Ok(()),
    };
    if ways == 1 {
        return Ok(());
    }
    let whole = if is_rows { tensor.rows } else { tensor.columns };
    let part = whole / ways;
    if !whole.is_multiple_of(ways) {
        return refused(
            format!(
                "{} of {whole} over {ways} devices leaves a rest",
                name(tensor.role)
            ),
            "vLLM 0.24 distributed/utils.py, divide",
        );
    }
    let [rows, columns] = weights.map_or([0, 0], |weights| blocks(tensor, weights));
    let side = if is_rows { rows } else { columns };
    if side > 1 && !part.is_multiple_of(side) {
        return refused(
            format!(
                "{} of {whole} over {ways} devices is {part}, which blocks of {side} do not divide",
                name(tensor.role)
            ),
            "vLLM 0.24 layers/quantization/utils/fp8_utils.py, validate_fp8_block_shape; marlin_utils.py, verify_marlin_supports_shape",
        );
    }
    Ok(())
}

/// Rows and columns of weights under one scale; 0 or 1 where no block can be cut.
fn blocks(tensor: &Tensor, weights: &Weights<'_>) -> [u64; 2] {
    match weights {
        Weights::Native(storage) => block(tensor.role, storage).unwrap_or([0, 0]),
        Weights::Format {
            storage: Storage::Scaled(scaled),
            ..
        } if is_quantized(tensor.role, *scaled) => [scaled.block_rows, scaled.block_columns],
        Weights::Format { .. } => [0, 0],
    }
}

/// What people call the width that is cut.
fn name(role: Role) -> &'static str {
    if role.is_routed_expert() {
        "an expert's inner width"
    } else if matches!(role, Role::SharedGate | Role::SharedUp | Role::SharedDown) {
        "the shared experts' inner width"
    } else if matches!(role, Role::Gate | Role::Up | Role::Down) {
        "the feed-forward's inner width"
    } else {
        "a width of attention"
    }
}
