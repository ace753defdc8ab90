//! The mix of block types that each GGUF file type means, chosen tensor by tensor.
//!
//! Source: `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `src/llama-quant.cpp`: `llama_tensor_get_type_impl` (the rules)
//! and `tensor_type_fallback` (rows that a block does not divide).

mod rules;

use std::ops::Range;

use super::gguf::{BlockType, FileType};
use super::gguf_tensors::{Category, Element, GgufTensor, keeps_draft};
use super::tensors::Section;
use crate::catalog::shape::{Architecture, Attention, FeedForward, Shape};
use crate::units::Bytes;

pub use super::gguf_tensors::{LatentLayout, gguf_tensors};

/// A file type and the choices that change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mix {
    /// The file type.
    pub file_type: FileType,
    /// Whether the quantizer was given an importance matrix.
    pub imatrix: bool,
    /// `--token-embedding-type`.
    pub embedding: Option<BlockType>,
    /// `--output-tensor-type`.
    pub output: Option<BlockType>,
}

impl Mix {
    /// The file type as `llama-quantize` makes it without further options.
    #[must_use]
    pub const fn of(file_type: FileType) -> Self {
        Self {
            file_type,
            imatrix: false,
            embedding: None,
            output: None,
        }
    }
}

/// What the rules ask of a model.
#[derive(Debug, Clone, Copy)]
struct Traits {
    /// Layers in the file, kept draft layers too.
    layers: u64,
    /// Query heads for each key-value head.
    groups: u64,
    /// Routed experts; 0 for a dense model.
    experts: u64,
    /// Leading dense layers.
    dense_layers: u64,
    /// Whether it is LLaMA-2-70B's kind: 80 layers with grouped queries.
    is_70b: bool,
    /// Whether the embedding is the head as well.
    tied: bool,
}

/// A tensor type for a run of layers.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// The tensor.
    pub tensor: &'a GgufTensor,
    /// The layers that have it in this type.
    pub layers: Range<u32>,
    /// The type.
    pub block: BlockType,
}

impl Run<'_> {
    /// Bytes of the tensor in one layer.
    #[must_use]
    pub fn each(&self) -> Bytes {
        let rows = self.tensor.rows.saturating_mul(self.tensor.matrices);
        self.block.bytes(self.tensor.columns) * rows
    }

    /// Bytes of the tensor in all layers of the run.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.each() * u64::from(self.layers.end - self.layers.start)
    }
}

/// Calls `visit` for every tensor and run of layers that have it in one type.
pub fn each_run(shape: &Shape, tensors: &[GgufTensor], mix: Mix, mut visit: impl FnMut(Run<'_>)) {
    let traits = traits(shape, tensors);
    for tensor in tensors {
        let mut rest = tensor.layers.clone();
        while !rest.is_empty() {
            let block = block_type(mix, traits, tensor, rest.start);
            let end = if rules::differs_by_layer(mix, tensor.category) {
                let differs = |layer: &u32| block_type(mix, traits, tensor, *layer) != block;
                rest.clone().skip(1).find(differs).unwrap_or(rest.end)
            } else {
                rest.end
            };
            visit(Run {
                tensor,
                layers: rest.start..end,
                block,
            });
            rest.start = end;
        }
    }
}

/// The type of `tensor` in `layer`.
fn block_type(mix: Mix, traits: Traits, tensor: &GgufTensor, layer: u32) -> BlockType {
    let base = mix.file_type.base();
    match tensor.element {
        Element::Kept(block) => return block,
        Element::Converted(block) if is_unquantized(mix.file_type) => return block,
        Element::Converted(_) | Element::Free => {}
    }
    let forced = match tensor.category {
        Category::Embedding => mix.embedding,
        Category::Output => mix.output,
        Category::Query
        | Category::Key
        | Category::Value
        | Category::AttentionOutput
        | Category::Gate
        | Category::Up
        | Category::Down
        | Category::SharedDown
        | Category::Other => None,
    };
    if let Some(block) = forced {
        return block;
    }
    if !base.is_quantized() {
        return base;
    }
    let asked = rules::asked(mix, traits, tensor, layer);
    fallback(asked, tensor.columns)
}

/// Whether the converter alone makes the file.
fn is_unquantized(file_type: FileType) -> bool {
    !file_type.base().is_quantized()
}

/// A type whose blocks divide rows of `columns`: the nearest one of 32, else 16 bits.
fn fallback(asked: BlockType, columns: u64) -> BlockType {
    if columns.is_multiple_of(asked.elements()) {
        return asked;
    }
    let smaller = match asked {
        BlockType::Iq1S
        | BlockType::Iq1M
        | BlockType::Iq2Xxs
        | BlockType::Iq2Xs
        | BlockType::Iq2S
        | BlockType::Iq3Xxs
        | BlockType::Iq3S
        | BlockType::Iq4Xs => BlockType::Iq4Nl,
        BlockType::Q2_0
        | BlockType::Q2K
        | BlockType::Q3K
        | BlockType::Tq1_0
        | BlockType::Tq2_0
        | BlockType::Q1_0 => BlockType::Q4_0,
        BlockType::Q4K => BlockType::Q5_0,
        BlockType::Q5K => BlockType::Q5_1,
        BlockType::Q6K => BlockType::Q8_0,
        BlockType::F32
        | BlockType::F16
        | BlockType::Bf16
        | BlockType::I32
        | BlockType::Q8_0
        | BlockType::Q5_1
        | BlockType::Q5_0
        | BlockType::Q4_1
        | BlockType::Q4_0
        | BlockType::Iq4Nl
        | BlockType::Mxfp4
        | BlockType::Nvfp4 => asked,
    };
    if columns.is_multiple_of(smaller.elements()) {
        smaller
    } else {
        BlockType::F16
    }
}

fn traits(shape: &Shape, tensors: &[GgufTensor]) -> Traits {
    let draft = if keeps_draft(shape) {
        shape.draft_layers
    } else {
        0
    };
    let fused = tensors
        .iter()
        .any(|tensor| tensor.category == Category::Value);
    let (experts, dense_layers) = match &shape.feed_forward {
        FeedForward::Dense { .. } => (0, shape.layers),
        FeedForward::Experts {
            experts,
            dense_layers,
            ..
        } => (*experts, *dense_layers),
    };
    let groups = match &shape.attention {
        Attention::Grouped {
            heads, kv_heads, ..
        } => heads / (*kv_heads).max(1),
        Attention::Latent { .. } if fused => 1,
        Attention::Latent { heads, .. } => *heads,
        Attention::Compressed(attention) => attention.heads,
    };
    let is_70b = shape.layers == 80
        && match shape.architecture {
            Architecture::Llama => groups > 1,
            Architecture::Qwen2 => true,
            Architecture::Qwen3
            | Architecture::Deepseek
            | Architecture::DeepseekV2
            | Architecture::DeepseekV3
            | Architecture::DeepseekV32
            | Architecture::DeepseekV4
            | Architecture::DeepseekV41
            | Architecture::DeepseekVlV2 => false,
        };
    Traits {
        layers: u64::from(shape.layers.saturating_add(draft)),
        groups,
        experts,
        dense_layers: u64::from(dense_layers),
        is_70b,
        tied: shape.tied_embeddings,
    }
}

/// Bytes of all tensors of the file: what llama.cpp prints as "file size", header and padding left out.
#[must_use]
pub fn file_bytes(shape: &Shape, tensors: &[GgufTensor], mix: Mix) -> Bytes {
    let mut total = Bytes::ZERO;
    each_run(shape, tensors, mix, |run| total += run.bytes());
    total
}

/// Bytes of the tensors that llama.cpp loads: all but those of draft layers.
#[must_use]
pub fn loaded_bytes(shape: &Shape, tensors: &[GgufTensor], mix: Mix) -> Bytes {
    let mut total = Bytes::ZERO;
    each_run(shape, tensors, mix, |run| {
        if run.tensor.section == Section::Main {
            total += run.bytes();
        }
    });
    total
}
