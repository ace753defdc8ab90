//! The tensors of a GGUF file, as llama.cpp's converter writes them from a checkpoint.
//!
//! Source: `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `conversion/deepseek.py` and `conversion/base.py`: the experts
//! of a layer become one tensor, MLA's key-value expansion becomes two, V3's draft layer is dropped and V3.2's is kept.

use std::ops::Range;

use super::gguf::BlockType;
use super::tensors::{Role, Section, Tensor, tensors};
use crate::catalog::shape::{Architecture, Attention, Shape};

/// How a file of a latent-attention (MLA) model keeps the key-value expansion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LatentLayout {
    /// Split in two, so that only the latent is cached (since April 2025).
    #[default]
    Absorbed,
    /// Fused as in the checkpoint: every head's key and value are cached.
    MultiHead,
}

/// What the quantizer tells tensors apart by (`tensor_get_category` in `src/llama-quant.cpp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// Token embedding.
    Embedding,
    /// Output head.
    Output,
    /// Query projection.
    Query,
    /// Key projection, the indexer's too.
    Key,
    /// Value projection, or the fused expansion of a legacy MLA file.
    Value,
    /// Output projection of attention.
    AttentionOutput,
    /// Gate of a feed-forward or of experts.
    Gate,
    /// Up projection of a feed-forward or of experts.
    Up,
    /// Down projection of a feed-forward or of routed experts.
    Down,
    /// Down projection of the shared experts, which the quantizer counts after the routed ones.
    SharedDown,
    /// Everything else.
    Other,
}

/// What decides a tensor's type besides the file type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// Never quantized.
    Kept(BlockType),
    /// Written so by the converter whatever the file type; quantized like others by `llama-quantize`.
    Converted(BlockType),
    /// As the file type says.
    Free,
}

/// One tensor of a GGUF file, or the same tensor of several layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTensor {
    /// What the quantizer takes it for.
    pub category: Category,
    /// What decides its type.
    pub element: Element,
    /// The part of the model: draft layers are in the file but not loaded.
    pub section: Section,
    /// The layers that have it; `0..1` for those outside the layers.
    pub layers: Range<u32>,
    /// Whether it belongs to a layer, not to the input or the output.
    pub in_layer: bool,
    /// Length of a row.
    pub columns: u64,
    /// Rows of a matrix.
    pub rows: u64,
    /// Matrices: experts or heads, else 1.
    pub matrices: u64,
}

impl GgufTensor {
    /// Numbers in the tensor of one layer.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.columns
            .saturating_mul(self.rows)
            .saturating_mul(self.matrices)
    }
}

/// What the quantizer takes a role for; roles that are not listed are `Other`.
const CATEGORIES: [(Role, Category); 17] = [
    (Role::Embedding, Category::Embedding),
    (Role::Head, Category::Output),
    (Role::Query, Category::Query),
    (Role::Key, Category::Key),
    (Role::IndexerKey, Category::Key),
    (Role::Value, Category::Value),
    (Role::KvUp, Category::Value),
    (Role::AttentionOutput, Category::AttentionOutput),
    (Role::Gate, Category::Gate),
    (Role::ExpertGate, Category::Gate),
    (Role::SharedGate, Category::Gate),
    (Role::Up, Category::Up),
    (Role::SharedUp, Category::Up),
    (Role::ExpertUp, Category::Up),
    (Role::Down, Category::Down),
    (Role::ExpertDown, Category::Down),
    (Role::SharedDown, Category::SharedDown),
];

/// What V4's converter writes, as the vendor's checkpoint has it: FP4 repacked, FP8 to 8-bit blocks, BF16 and F32 kept.
const V4_ELEMENTS: [(Role, BlockType); 16] = [
    (Role::ExpertGate, BlockType::Mxfp4),
    (Role::ExpertUp, BlockType::Mxfp4),
    (Role::ExpertDown, BlockType::Mxfp4),
    (Role::SharedGate, BlockType::Q8_0),
    (Role::SharedUp, BlockType::Q8_0),
    (Role::SharedDown, BlockType::Q8_0),
    (Role::QueryDown, BlockType::Q8_0),
    (Role::QueryUp, BlockType::Q8_0),
    (Role::KvDown, BlockType::Q8_0),
    (Role::OutputDown, BlockType::Q8_0),
    (Role::AttentionOutput, BlockType::Q8_0),
    (Role::IndexerQuery, BlockType::Q8_0),
    (Role::HyperMap, BlockType::F32),
    (Role::CompressorPosition, BlockType::F32),
    (Role::IndexerCompressorPosition, BlockType::F32),
    (Role::HashTable, BlockType::I32),
];

/// Every tensor of the GGUF file of that shape.
#[must_use]
pub fn gguf_tensors(shape: &Shape, layout: LatentLayout) -> Vec<GgufTensor> {
    let mut list = Vec::with_capacity(48);
    for tensor in tensors(shape) {
        let written = match tensor.section {
            Section::Main => true,
            Section::Draft => keeps_draft(shape),
            Section::Vision => false,
        };
        if written {
            add(&mut list, shape, layout, &tensor);
        }
    }
    if let (true, Attention::Grouped { head_size, .. }) = (shape.rope_table, &shape.attention) {
        list.push(rope_table(*head_size));
    }
    list
}

/// Whether the converter keeps the draft layers in the same file.
#[must_use]
pub fn keeps_draft(shape: &Shape) -> bool {
    shape.architecture == Architecture::DeepseekV32
}

/// The frequency factors of Llama 3's rotary scaling (`rope_freqs.weight`).
fn rope_table(head_size: u64) -> GgufTensor {
    GgufTensor {
        category: Category::Other,
        element: Element::Kept(BlockType::F32),
        section: Section::Main,
        layers: 0..1,
        in_layer: true,
        columns: head_size / 2,
        rows: 1,
        matrices: 1,
    }
}

fn add(list: &mut Vec<GgufTensor>, shape: &Shape, layout: LatentLayout, tensor: &Tensor) {
    let merged = tensor.role.is_routed_expert();
    let one = GgufTensor {
        category: category(shape, tensor),
        element: element(shape, tensor),
        section: tensor.section,
        layers: tensor.layers.clone(),
        in_layer: in_layer(tensor),
        columns: tensor.columns,
        rows: tensor.rows,
        matrices: if merged { tensor.copies } else { 1 },
    };
    if tensor.role == Role::KvUp && layout == LatentLayout::Absorbed {
        add_absorbed(list, shape, &one);
        return;
    }
    let times = if merged { 1 } else { tensor.copies };
    for _ in 0..times {
        list.push(one.clone());
    }
}

/// The key-value expansion in two: `attn_k_b`, transposed so that its rows hold the part without position, and `attn_v_b`.
fn add_absorbed(list: &mut Vec<GgufTensor>, shape: &Shape, fused: &GgufTensor) {
    let Attention::Latent {
        heads,
        kv_rank,
        nope_size,
        value_size,
        ..
    } = &shape.attention
    else {
        return;
    };
    for (columns, rows) in [(*nope_size, *kv_rank), (*kv_rank, *value_size)] {
        list.push(GgufTensor {
            category: Category::Other,
            columns,
            rows,
            matrices: *heads,
            ..fused.clone()
        });
    }
}

fn category(shape: &Shape, tensor: &Tensor) -> Category {
    let known = CATEGORIES.iter().find(|(role, _)| *role == tensor.role);
    match known {
        // A draft layer's copies and V4's halved output projection have names of their own.
        Some((Role::Embedding | Role::Head, _)) if tensor.section == Section::Draft => {
            Category::Other
        }
        Some((Role::AttentionOutput, _)) if is_v4(shape) => Category::Other,
        Some((_, category)) => *category,
        None => Category::Other,
    }
}

/// Vectors and routers stay in 32 bits (`tensor_allows_quantization`; `prepare_tensors` in `conversion/base.py`).
fn element(shape: &Shape, tensor: &Tensor) -> Element {
    if tensor.role == Role::HashTable {
        return Element::Kept(BlockType::I32);
    }
    if tensor.is_vector() || tensor.role == Role::Router {
        return Element::Kept(BlockType::F32);
    }
    if is_v4(shape) {
        let written = V4_ELEMENTS.iter().find(|(role, _)| *role == tensor.role);
        return Element::Converted(written.map_or(BlockType::Bf16, |(_, element)| *element));
    }
    if tensor.role == Role::IndexerWeights {
        return Element::Converted(BlockType::F32);
    }
    Element::Free
}

fn is_v4(shape: &Shape) -> bool {
    matches!(shape.attention, Attention::Compressed(_))
}

/// Outside the layers stand the embedding, the head, its norm and what merges V4's streams before it.
fn in_layer(tensor: &Tensor) -> bool {
    let outside = matches!(
        tensor.role,
        Role::Embedding
            | Role::Head
            | Role::OutputNorm
            | Role::HyperMap
            | Role::HyperBase
            | Role::HyperScale
    );
    !(outside && tensor.section == Section::Main && tensor.layers == (0..1))
}
