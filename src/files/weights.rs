//! The tensors that a model's files hold, and what they add up to.

use std::collections::BTreeMap;

use super::element::ElementType;
use super::text::shown;
use crate::catalog::model::ExpertSizes;
use crate::units::{Bytes, index};

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTensor {
    /// Its name.
    pub name: String,
    /// Its lengths in the file's own order: GGUF has the row first, safetensors last.
    pub dimensions: Vec<u64>,
    /// Which of them is the row.
    pub order: Order,
    /// How its numbers are stored.
    pub element: ElementType,
    /// Bytes of its data.
    pub bytes: Bytes,
    /// Where its data starts in its file, in bytes.
    pub offset: u64,
    /// Which of the model's files holds it, counted from 0.
    pub file: usize,
}

impl FileTensor {
    /// Numbers in it as the file counts them; two weights may share one.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.dimensions
            .iter()
            .fold(1, |product, length| product.saturating_mul(*length))
    }

    /// Numbers in a stored row, for padding that follows rows; 1 for a scalar.
    #[must_use]
    pub fn columns(&self) -> u64 {
        let row = match self.order {
            Order::RowFirst => self.dimensions.first(),
            Order::RowLast => self.dimensions.last(),
        };
        row.copied().unwrap_or(1)
    }

    /// Where it belongs, by its name.
    #[must_use]
    pub fn place(&self) -> Place {
        place(&self.name)
    }
}

/// Which length of a tensor is that of a stored row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// GGUF's.
    RowFirst,
    /// That of safetensors.
    RowLast,
}

/// All tensors of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWeights {
    tensors: Vec<FileTensor>,
}

/// Bytes by the place that llama.cpp and pipelines give them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// The token embedding, which llama.cpp keeps with the processor.
    pub embedding: Bytes,
    /// Each decoder layer.
    pub layers: Vec<Bytes>,
    /// What of it are routed experts, by llama.cpp's names.
    pub experts: Vec<ExpertSizes>,
    /// Head and final norm, and what merges V4's streams before them.
    pub output: Bytes,
    /// Draft layers.
    pub draft: Bytes,
    /// Everything else: vision towers.
    pub other: Bytes,
}

impl FileWeights {
    /// The tensors in the order of files and offsets.
    ///
    /// # Errors
    /// When two have the same name.
    pub(super) fn of(tensors: Vec<FileTensor>) -> Result<Self, String> {
        let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair.first() == pair.last());
        if let Some([name, _]) = twice {
            return Err(format!("has the tensor `{}` twice", shown(name)));
        }
        Ok(Self { tensors })
    }

    /// The tensors.
    #[must_use]
    pub fn tensors(&self) -> &[FileTensor] {
        &self.tensors
    }

    /// Bytes of all tensors, without headers and padding.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }

    /// Elements of all tensors, scales included, as the files count them.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.tensors
            .iter()
            .fold(0, |sum, tensor| sum.saturating_add(tensor.elements()))
    }

    /// Bytes of each element type, by its name.
    #[must_use]
    pub fn by_type(&self) -> BTreeMap<&'static str, Bytes> {
        let mut types: BTreeMap<&'static str, Bytes> = BTreeMap::new();
        for tensor in &self.tensors {
            *types.entry(tensor.element.name).or_default() += tensor.bytes;
        }
        types
    }

    /// Bytes by place, for a model of `layers` decoder layers.
    #[must_use]
    pub fn placement(&self, layers: u32) -> Placement {
        let mut placement = Placement {
            layers: vec![Bytes::ZERO; index(u64::from(layers))],
            experts: vec![ExpertSizes::default(); index(u64::from(layers))],
            ..Placement::default()
        };
        for tensor in &self.tensors {
            let sum = match place(&tensor.name) {
                Place::Embedding => &mut placement.embedding,
                Place::Output => &mut placement.output,
                Place::Draft => &mut placement.draft,
                Place::Other => &mut placement.other,
                Place::Layer(layer) => placement
                    .layers
                    .get_mut(index(u64::from(layer)))
                    .unwrap_or(&mut placement.draft),
            };
            *sum += tensor.bytes;
            placement.add_experts(tensor);
        }
        placement
    }

    /// Whether a tensor of that name is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.tensors.iter().any(|tensor| tensor.name == name)
    }

    /// Whether anything belongs to a draft stage of a model of `layers` decoder layers.
    #[must_use]
    pub fn has_draft(&self, layers: u32) -> bool {
        self.draft_tensors(layers).next().is_some()
    }

    /// The tensors of draft stages.
    pub(super) fn draft_tensors(&self, layers: u32) -> impl Iterator<Item = &FileTensor> {
        self.tensors
            .iter()
            .filter(move |tensor| match place(&tensor.name) {
                Place::Draft => true,
                Place::Layer(layer) => layer >= layers,
                Place::Embedding | Place::Output | Place::Other => false,
            })
    }
}

impl Placement {
    /// Counts a tensor that holds a layer's routed experts.
    ///
    /// Source: `LLM_FFN_EXPS_REGEX` in `common/common.h` of llama.cpp.
    fn add_experts(&mut self, tensor: &FileTensor) {
        let Place::Layer(layer) = place(&tensor.name) else {
            return;
        };
        let Some(experts) = self.experts.get_mut(index(u64::from(layer))) else {
            return;
        };
        let holds = |part: &str| tensor.name.contains(part);
        if holds(".ffn_gate_exps") || holds(".ffn_gate_up_exps") {
            experts.gate += tensor.bytes;
        } else if holds(".ffn_up_exps") {
            experts.up += tensor.bytes;
        } else if holds(".ffn_down_exps") {
            experts.down += tensor.bytes;
        }
    }
}

/// The part of a model that a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The token embedding.
    Embedding,
    /// Head and final norm, and what merges V4's streams before them.
    Output,
    /// A layer by its number; beyond the decoder's it is a draft layer.
    Layer(u32),
    /// A draft stage that is not numbered as a layer.
    Draft,
    /// Everything else: vision towers.
    Other,
}

/// Where a tensor of that name belongs: llama.cpp's names, Transformers', or those of the vendor's V4 code.
fn place(name: &str) -> Place {
    let vision = ["vision", "visual", "sam_model", "projector", "aligner"];
    if vision.iter().any(|part| name.contains(part)) {
        return Place::Other;
    }
    let bare = [
        "model.language_model.",
        "language_model.model.",
        "language_model.",
        "language.model.",
        "language.",
        "model.",
    ]
    .iter()
    .find_map(|prefix| name.strip_prefix(prefix))
    .unwrap_or(name);
    let first = bare.split('.').next().unwrap_or(bare);
    match first {
        "token_embd" | "embed_tokens" | "embed" => Place::Embedding,
        "output" | "output_norm" | "lm_head" | "head" | "norm" => Place::Output,
        "mtp" => Place::Draft,
        // llama.cpp keeps the one table of frequencies with the first layer.
        "rope_freqs" => Place::Layer(0),
        "blk" | "layers" => bare
            .split('.')
            .nth(1)
            .and_then(|layer| layer.parse().ok())
            .map_or(Place::Other, Place::Layer),
        _ if first.starts_with("output_hc") || first.starts_with("hc_head") => Place::Output,
        _ => Place::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, bytes: u64) -> FileTensor {
        FileTensor {
            name: name.to_owned(),
            dimensions: vec![bytes / 2],
            order: Order::RowFirst,
            element: ElementType::plain("BF16", 16),
            bytes: Bytes(bytes),
            offset: 0,
            file: 0,
        }
    }

    #[test]
    fn every_tensor_has_one_place() {
        let weights = FileWeights::of(vec![
            tensor("token_embd.weight", 2),
            tensor("blk.1.attn_q.weight", 4),
            tensor("blk.2.nextn.eh_proj.weight", 8),
            tensor("output_norm.weight", 16),
            tensor("model.vision_tower.layers.0.weight", 32),
            tensor("lm_head.weight", 64),
        ])
        .expect("no name twice");
        let placement = weights.placement(2);
        assert_eq!(placement.embedding, Bytes(2));
        assert_eq!(placement.layers, [Bytes(0), Bytes(4)]);
        assert_eq!(placement.draft, Bytes(8));
        assert_eq!(placement.output, Bytes(80));
        assert_eq!(placement.other, Bytes(32));
        assert_eq!(weights.bytes(), Bytes(126));
        assert!(weights.has_draft(2) && !weights.has_draft(3));
    }

    #[test]
    fn a_name_means_one_tensor() {
        let twice = vec![tensor("a", 2), tensor("b", 2), tensor("a", 2)];
        let error = FileWeights::of(twice).expect_err("a duplicate");
        assert!(error.contains("`a` twice"));
    }
}
