//! How an official checkpoint stores each tensor: element type, scales, bytes.
//!
//! Which tensors are quantized and which are always FP32 follows the inventories of the files of
//! DeepSeek-V3, V3.1, V3.2, V4-Flash-0731 (gogongxt/python `scripts/models/*.md`) and, for V4.1,
//! NVIDIA-NeMo/Automodel `deepseek_v41/state_dict_adapter.py`.

use std::collections::BTreeMap;

use super::tensors::{Role, Section, Tensor, active_copies, tensors};
use crate::catalog::Shape;
use crate::catalog::storage::{Element, NativeStorage, Quantized};
use crate::units::{Bytes, Parameters, count};

/// One tensor in the file, with its scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Type of the elements.
    pub element: Element,
    /// Elements in the file: half the weights where two share a byte.
    pub elements: u64,
    /// Type and number of the scales, a tensor of their own.
    pub scales: Option<(Element, u64)>,
}

/// What a list of tensors takes in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointSize {
    /// Bytes of all tensors, without the file's headers.
    pub bytes: Bytes,
    /// Elements, scales included.
    pub elements: u64,
    /// Scales among them.
    pub scales: u64,
    /// Tensors, those of scales included.
    pub tensors: u64,
    /// Elements of each type.
    pub by_element: BTreeMap<Element, u64>,
}

/// What the whole checkpoint takes, or its main part without the draft layers.
#[must_use]
pub fn checkpoint_size(shape: &Shape, storage: &NativeStorage, drafts: bool) -> CheckpointSize {
    let mut size = CheckpointSize::default();
    for tensor in tensors(shape) {
        if drafts || tensor.section != Section::Draft {
            size.add(&tensor, stored(&tensor, storage));
        }
    }
    size
}

/// Bytes of weights, as stored, that one token's forward pass reads: without the embedding, tables
/// that are looked up, draft layers and vision tower.
#[must_use]
pub fn active_bytes(shape: &Shape, storage: &NativeStorage) -> Bytes {
    tensors(shape)
        .iter()
        .filter(|tensor| tensor.section == Section::Main && tensor.role != Role::Embedding)
        .map(|tensor| {
            let copies = active_copies(shape, tensor);
            stored(tensor, storage).bytes() * copies * count(tensor.layers.len())
        })
        .sum()
}

/// How one copy of a tensor is stored.
#[must_use]
pub fn stored(tensor: &Tensor, storage: &NativeStorage) -> Stored {
    let weights = tensor.each().0;
    match packing(tensor.role, storage) {
        Packing::Plain(element) => Stored {
            element,
            elements: weights,
            scales: None,
        },
        Packing::Quantized(quantized) => Stored {
            element: quantized.element,
            elements: weights.div_ceil(quantized.element.weights()),
            scales: Some((quantized.scale, blocks(tensor, quantized.block))),
        },
    }
}

/// Rows and columns of weights under one scale of tensors of that role; none where they are not quantized.
#[must_use]
pub(super) fn block(role: Role, storage: &NativeStorage) -> Option<[u64; 2]> {
    match packing(role, storage) {
        Packing::Plain(_) => None,
        Packing::Quantized(quantized) => Some(quantized.block),
    }
}

fn blocks(tensor: &Tensor, [rows, columns]: [u64; 2]) -> u64 {
    let down = tensor.rows.div_ceil(rows.max(1));
    let across = tensor.columns.div_ceil(columns.max(1));
    down.saturating_mul(across)
}

impl Stored {
    /// Bytes of elements and scales.
    #[must_use]
    pub fn bytes(self) -> Bytes {
        let scales = self.scales.map_or(Bytes::ZERO, |(element, number)| {
            Parameters(number).bytes_at(element.bits())
        });
        Parameters(self.elements).bytes_at(self.element.bits()) + scales
    }
}

impl CheckpointSize {
    fn add(&mut self, tensor: &Tensor, stored: Stored) {
        let times = tensor.tensors();
        self.bytes += stored.bytes() * times;
        self.add_elements(stored.element, (stored.elements, times));
        if let Some((element, scales)) = stored.scales {
            self.add_elements(element, (scales, times));
            self.scales += scales.saturating_mul(times);
        }
    }

    fn add_elements(&mut self, element: Element, (each, times): (u64, u64)) {
        let all = each.saturating_mul(times);
        self.elements += all;
        self.tensors += times;
        *self.by_element.entry(element).or_default() += all;
    }
}

/// Whether it is the weight of a linear layer that quantized checkpoints quantize, experts included.
#[must_use]
pub fn is_linear(role: Role) -> bool {
    matches!(kind(role), Kind::Linear | Kind::Expert)
}

enum Packing {
    Plain(Element),
    Quantized(Quantized),
}

/// The type that a checkpoint gives to tensors of that role.
fn packing(role: Role, storage: &NativeStorage) -> Packing {
    let plain = Packing::Plain(storage.element);
    let or_plain = |quantized: Option<Quantized>| match quantized {
        Some(quantized) => Packing::Quantized(quantized),
        None => Packing::Plain(storage.element),
    };
    match kind(role) {
        Kind::Expert => or_plain(storage.experts.or(storage.linears)),
        Kind::Linear => or_plain(storage.linears),
        Kind::Table => or_plain(storage.tables),
        Kind::Norm => Packing::Plain(storage.norms.unwrap_or(storage.element)),
        Kind::Wide => Packing::Plain(Element::F32),
        Kind::Ids => Packing::Plain(Element::I64),
        Kind::Kept => plain,
    }
}

enum Kind {
    /// A routed expert.
    Expert,
    /// A linear layer that quantized checkpoints quantize.
    Linear,
    /// A table of n-grams.
    Table,
    /// A norm.
    Norm,
    /// Always FP32.
    Wide,
    /// Expert ids.
    Ids,
    /// Left in the checkpoint's own type.
    Kept,
}

fn kind(role: Role) -> Kind {
    match role {
        Role::ExpertGate | Role::ExpertUp | Role::ExpertDown => Kind::Expert,
        Role::Query
        | Role::Key
        | Role::Value
        | Role::QueryDown
        | Role::QueryUp
        | Role::KvDown
        | Role::KvUp
        | Role::OutputDown
        | Role::AttentionOutput
        | Role::IndexerQuery
        | Role::IndexerKey
        | Role::Gate
        | Role::Up
        | Role::Down
        | Role::SharedGate
        | Role::SharedUp
        | Role::SharedDown
        | Role::DraftEmbeddingProjection
        | Role::DraftHiddenProjection
        | Role::DraftTargetProjection
        | Role::EngramProjection => Kind::Linear,
        Role::EngramTable => Kind::Table,
        Role::OutputNorm
        | Role::AttentionNorm
        | Role::FeedForwardNorm
        | Role::QueryNorm
        | Role::KeyNorm
        | Role::QueryDownNorm
        | Role::KvDownNorm
        | Role::IndexerKeyNorm
        | Role::CompressorNorm
        | Role::IndexerCompressorNorm
        | Role::DraftEmbeddingNorm
        | Role::DraftHiddenNorm
        | Role::DraftTargetNorm => Kind::Norm,
        Role::RouterBias
        | Role::VisualRouterBias
        | Role::AttentionSink
        | Role::CompressorPosition
        | Role::IndexerCompressorPosition
        | Role::HyperMap
        | Role::HyperBase
        | Role::HyperScale => Kind::Wide,
        Role::HashTable => Kind::Ids,
        Role::Embedding
        | Role::Head
        | Role::QueryBias
        | Role::KeyBias
        | Role::ValueBias
        | Role::IndexerEntryKey
        | Role::IndexerWeights
        | Role::CompressorKv
        | Role::CompressorGate
        | Role::IndexerCompressorKv
        | Role::IndexerCompressorGate
        | Role::Router
        | Role::DraftProjection
        | Role::MarkovEmbedding
        | Role::MarkovHead
        | Role::DraftConfidence
        | Role::EngramGate
        | Role::Vision => Kind::Kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(role: Role, (rows, columns): (u64, u64)) -> Tensor {
        Tensor {
            role,
            section: Section::Main,
            layers: 0..1,
            copies: 1,
            rows,
            columns,
        }
    }

    fn v4() -> NativeStorage {
        NativeStorage {
            element: Element::Bf16,
            norms: None,
            linears: Some(Quantized {
                element: Element::F8E4m3,
                block: [128, 128],
                scale: Element::F8E8m0,
            }),
            experts: Some(Quantized {
                element: Element::I8,
                block: [1, 32],
                scale: Element::F8E8m0,
            }),
            tables: None,
        }
    }

    /// `model.layers.0.self_attn.kv_a_proj_with_mqa` of DeepSeek-V3 has 5 x 56 scales.
    #[test]
    fn a_block_that_is_not_full_has_a_scale_too() {
        let kv = stored(&tensor(Role::KvDown, (576, 7168)), &v4());
        assert_eq!(kv.scales, Some((Element::F8E8m0, 5 * 56)));
        assert_eq!(kv.bytes(), Bytes(576 * 7168 + 5 * 56));
    }

    /// `layers.0.ffn.experts.0.w1` of DeepSeek-V4-Flash-0731 is [2048, 2048] I8 with [2048, 128] scales.
    #[test]
    fn two_four_bit_weights_share_a_byte() {
        let expert = stored(&tensor(Role::ExpertGate, (2048, 4096)), &v4());
        assert_eq!(expert.elements, 2048 * 2048);
        assert_eq!(expert.scales, Some((Element::F8E8m0, 2048 * 128)));
    }

    #[test]
    fn embeddings_stay_and_router_biases_are_wide() {
        let embedding = stored(&tensor(Role::Embedding, (10, 10)), &v4());
        assert_eq!(embedding.bytes(), Bytes(200));
        let bias = stored(&tensor(Role::RouterBias, (1, 256)), &v4());
        assert_eq!(bias.bytes(), Bytes(1024));
    }
}
