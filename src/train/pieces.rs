//! What one device holds of a tensor in training.
//!
//! Sources: Megatron-LM d98e8a64 `megatron/core/parallel_state.py` (a stage's devices are expert tensor
//! x expert x expert data parallelism) and `megatron/training/theoretical_memory_usage.py` (routed experts over
//! expert tensor x expert parallelism, all else but norms and router over tensor parallelism); DeepSpeed 0.19.8
//! `module_inject/auto_ep_folding.py`, which has the same sizes with an expert tensor parallelism of 1.

use super::job::{Framework, Job, Layout};
use crate::calc::load::Split;
use crate::calc::sharding::{Division, Piece, division};
use crate::calc::tensors::{Role, Tensor};

/// Rows that Megatron pads the vocabulary to a multiple of, for each tensor-parallel device.
///
/// Source: `--make-vocab-size-divisible-by` in Megatron-LM d98e8a64 `megatron/training/arguments.py`.
const VOCABULARY_STEP: u64 = 128;

/// One device's part of `tensor`, in one layer.
#[must_use]
pub(super) fn piece(job: &Job<'_>, layout: &Layout, tensor: &Tensor) -> Piece {
    let whole = Piece {
        rows: tensor.rows,
        columns: tensor.columns,
        copies: tensor.copies,
    };
    match division(tensor.role) {
        Division::Vocabulary => Piece {
            rows: vocabulary(job, layout, tensor),
            ..whole
        },
        Division::ExpertRows => Piece {
            rows: tensor.rows.div_ceil(layout.expert_tensor()),
            copies: tensor.copies.div_ceil(layout.expert.max(1)),
            ..whole
        },
        Division::ExpertColumns => Piece {
            columns: tensor.columns.div_ceil(layout.expert_tensor()),
            copies: tensor.copies.div_ceil(layout.expert.max(1)),
            ..whole
        },
        Division::Replicated | Division::Rows | Division::Columns | Division::KeyHeads => {
            let replica = Split {
                tensor: layout.tensor,
                ..Split::SINGLE
            };
            replica.piece(tensor, &job.model.shape)
        }
    }
}

/// Rows of embedding or head on one device.
///
/// Source for DeepSpeed: Transformers' plans, which it follows, name the head and no embedding; one that is tied
/// to the head is divided with it (DeepSpeed 0.19.8 `runtime/engine.py`, `_apply_autotp_partitioning`).
fn vocabulary(job: &Job<'_>, layout: &Layout, tensor: &Tensor) -> u64 {
    let ways = layout.tensor.max(1);
    match job.framework {
        Framework::Megatron => {
            tensor
                .rows
                .next_multiple_of(VOCABULARY_STEP.saturating_mul(ways))
                / ways
        }
        Framework::DeepSpeed
            if tensor.role == Role::Embedding && !job.model.shape.tied_embeddings =>
        {
            tensor.rows
        }
        Framework::DeepSpeed => tensor.rows.div_ceil(ways),
    }
}
