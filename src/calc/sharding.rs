//! What one device holds of a model that is split over several.
//!
//! Source: vLLM 0.24 `model_executor/layers/linear.py`, `vocab_parallel_embedding.py`,
//! `models/deepseek_v2.py`, `distributed/utils.py`; SGLang splits the same tensors the same way.

use std::ops::Range;

use super::load::Split;
use super::tensors::{Role, Tensor};
use crate::catalog::shape::{Attention, FeedForward, Shape};

/// Rows that the embedding is padded to a multiple of, on every device.
///
/// Source: `DEFAULT_VOCAB_PADDING_SIZE` in vLLM 0.24 `vocab_parallel_embedding.py`.
const VOCABULARY_STEP: u64 = 64;

/// How tensor parallelism treats a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Division {
    /// Every device holds all of it.
    Replicated,
    /// Each device holds some of the outputs.
    Rows,
    /// Each device holds some of the inputs.
    Columns,
    /// Outputs of key-value heads: split while there are heads, then replicated.
    KeyHeads,
    /// Rows of the vocabulary, padded.
    Vocabulary,
    /// Routed experts, split by rows.
    ExpertRows,
    /// Routed experts, split by columns.
    ExpertColumns,
}

/// How tensor parallelism treats the tensors of a role.
#[must_use]
pub fn division(role: Role) -> Division {
    match role {
        Role::Embedding | Role::Head => Division::Vocabulary,
        Role::Query
        | Role::QueryBias
        | Role::QueryUp
        | Role::KvUp
        | Role::OutputDown
        | Role::AttentionSink
        | Role::Gate
        | Role::Up
        | Role::SharedGate
        | Role::SharedUp
        | Role::EngramTable => Division::Rows,
        Role::Key | Role::Value | Role::KeyBias | Role::ValueBias => Division::KeyHeads,
        Role::AttentionOutput | Role::Down | Role::SharedDown => Division::Columns,
        Role::ExpertGate | Role::ExpertUp => Division::ExpertRows,
        Role::ExpertDown => Division::ExpertColumns,
        Role::OutputNorm
        | Role::AttentionNorm
        | Role::FeedForwardNorm
        | Role::QueryNorm
        | Role::KeyNorm
        | Role::QueryDown
        | Role::QueryDownNorm
        | Role::KvDown
        | Role::KvDownNorm
        | Role::CompressorKv
        | Role::CompressorGate
        | Role::CompressorPosition
        | Role::CompressorNorm
        | Role::IndexerCompressorKv
        | Role::IndexerCompressorGate
        | Role::IndexerCompressorPosition
        | Role::IndexerCompressorNorm
        | Role::IndexerQuery
        | Role::IndexerKey
        | Role::IndexerEntryKey
        | Role::IndexerKeyNorm
        | Role::IndexerWeights
        | Role::Router
        | Role::RouterBias
        | Role::VisualRouterBias
        | Role::HashTable
        | Role::DraftEmbeddingNorm
        | Role::DraftHiddenNorm
        | Role::DraftProjection
        | Role::DraftEmbeddingProjection
        | Role::DraftHiddenProjection
        | Role::DraftTargetProjection
        | Role::DraftTargetNorm
        | Role::MarkovEmbedding
        | Role::MarkovHead
        | Role::DraftConfidence
        | Role::HyperMap
        | Role::HyperBase
        | Role::HyperScale
        | Role::EngramProjection
        | Role::EngramGate
        | Role::Vision => Division::Replicated,
    }
}

/// One device's part of a tensor, in one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Output features.
    pub rows: u64,
    /// Input features.
    pub columns: u64,
    /// Copies in a layer.
    pub copies: u64,
}

impl Split {
    /// Devices of a stage: replicas of the attention share the experts.
    #[must_use]
    pub fn sharing(&self) -> u64 {
        self.tensor.max(1).saturating_mul(self.data.max(1))
    }

    /// Devices that share the inner width of one expert: those of a stage that have no experts of their own.
    ///
    /// Source: `FusedMoEParallelConfig.make` in vLLM 0.24 `fused_moe/config.py`, which shards experts over tensor
    /// and data parallel devices alike; SGLang's `moe_tp_size`, tensor over expert parallelism.
    #[must_use]
    pub fn expert_tensor(&self) -> u64 {
        (self.sharing() / self.expert.max(1)).max(1)
    }

    /// Whether the devices of a replica take turns at its tokens in the experts, each with all of the shared ones.
    ///
    /// Source: `use_sequence_parallel_moe` in vLLM 0.24 `config/parallel.py`, `disable_tp` in `models/deepseek_v2.py`.
    fn shares_tokens(&self) -> bool {
        self.expert == self.sharing() && self.tensor > 1 && self.data > 1
    }

    /// Key-value heads on one device: at least one, replicated once there are more devices than heads.
    #[must_use]
    pub fn key_heads(&self, kv_heads: u64) -> u64 {
        kv_heads.div_ceil(self.tensor.max(1)).max(1)
    }

    /// The part of `tensor` on the device that holds most of it.
    #[must_use]
    pub fn piece(&self, tensor: &Tensor, shape: &Shape) -> Piece {
        let ways = self.tensor.max(1);
        let mut piece = Piece {
            rows: tensor.rows,
            columns: tensor.columns,
            copies: tensor.copies,
        };
        let is_shared = matches!(
            tensor.role,
            Role::SharedGate | Role::SharedUp | Role::SharedDown
        );
        match division(tensor.role) {
            Division::Rows | Division::Columns if is_shared && self.shares_tokens() => {}
            Division::Replicated => {}
            Division::Rows if tensor.is_vector() => piece.columns = tensor.columns.div_ceil(ways),
            Division::Rows => piece.rows = tensor.rows.div_ceil(ways),
            Division::Columns => piece.columns = tensor.columns.div_ceil(ways),
            Division::KeyHeads => {
                let heads = kv_heads(shape);
                let held = |width: u64| width / heads.max(1) * self.key_heads(heads);
                if tensor.is_vector() {
                    piece.columns = held(tensor.columns);
                } else {
                    piece.rows = held(tensor.rows);
                }
            }
            Division::Vocabulary => {
                piece.rows = tensor.rows.next_multiple_of(VOCABULARY_STEP).div_ceil(ways);
            }
            Division::ExpertRows => {
                piece.rows = tensor.rows.div_ceil(self.expert_tensor());
                piece.copies = tensor.copies.div_ceil(self.expert.max(1));
            }
            Division::ExpertColumns => {
                piece.columns = tensor.columns.div_ceil(self.expert_tensor());
                piece.copies = tensor.copies.div_ceil(self.expert.max(1));
            }
        }
        piece
    }

    /// Layers of each pipeline stage, first to last.
    ///
    /// Layers that do not divide go to the stages before the last, from the back.
    /// Source: `get_pp_indices` in vLLM 0.24 `distributed/utils.py`.
    #[must_use]
    pub fn stages(&self, layers: u32) -> Vec<Range<u32>> {
        let count = u32::try_from(self.pipeline.max(1))
            .unwrap_or(u32::MAX)
            .min(layers.max(1));
        let (each, rest) = (layers / count, layers % count);
        let mut start = 0;
        (0..count)
            .map(|stage| {
                let takes_one_more = rest > 0 && stage + 1 < count && stage + 1 + rest >= count;
                let end = start + each + u32::from(takes_one_more);
                let range = start..end;
                start = end;
                range
            })
            .collect()
    }
}

/// Key-value heads of the attention; latent and compressed attention have one that all queries share.
fn kv_heads(shape: &Shape) -> u64 {
    match &shape.attention {
        Attention::Grouped { kv_heads, .. } => *kv_heads,
        Attention::Latent { .. } | Attention::Compressed(_) => 1,
    }
}

/// The inner width of a dense layer, of the shared experts and of one routed expert, on one device.
#[must_use]
pub(super) fn inner_widths(shape: &Shape, split: &Split) -> (u64, u64, u64) {
    let ways = split.tensor.max(1);
    match &shape.feed_forward {
        FeedForward::Dense { intermediate } => (intermediate.div_ceil(ways), 0, 0),
        FeedForward::Experts {
            dense_intermediate,
            expert_intermediate,
            shared_experts,
            ..
        } => (
            dense_intermediate.div_ceil(ways),
            expert_intermediate
                .saturating_mul(*shared_experts)
                .div_ceil(if split.shares_tokens() { 1 } else { ways }),
            expert_intermediate.div_ceil(split.expert_tensor()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// vLLM 0.9.2 put 14 and 13 layers of DeepSeek-V2-Lite on two stages (vllm-project/vllm#20665).
    #[test]
    fn a_layer_left_over_goes_before_the_last_stage() {
        let split = Split {
            pipeline: 2,
            ..Split::SINGLE
        };
        assert_eq!(split.stages(27), [0..14, 14..27]);
        let split = Split {
            pipeline: 4,
            ..Split::SINGLE
        };
        assert_eq!(split.stages(61), [0..15, 15..30, 30..46, 46..61]);
        assert_eq!(Split::SINGLE.stages(32).first(), Some(&(0..32)));
    }

    /// The examples in `FusedMoEParallelConfig.make` of vLLM's `fused_moe/config.py`.
    #[test]
    fn experts_are_shared_by_all_replicas() {
        let of = |tensor, data, expert| {
            let split = Split {
                tensor,
                data,
                expert,
                pipeline: 1,
            };
            (split.expert_tensor(), split.sharing())
        };
        assert_eq!(of(2, 1, 1), (2, 2));
        assert_eq!(of(1, 2, 1), (2, 2));
        assert_eq!(of(2, 2, 1), (4, 4));
        assert_eq!(of(2, 1, 2), (1, 2));
        assert_eq!(of(1, 2, 2), (1, 2));
        assert_eq!(of(2, 2, 4), (1, 4));
    }

    #[test]
    fn key_heads_are_replicated_when_devices_outnumber_them() {
        let split = Split {
            tensor: 8,
            ..Split::SINGLE
        };
        assert_eq!(split.key_heads(4), 1);
        assert_eq!(split.key_heads(32), 4);
    }
}
