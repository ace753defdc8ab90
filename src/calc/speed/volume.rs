//! What a model makes an engine read and compute: bytes and weights, experts apart.

use crate::calc::checkpoint::stored;
use crate::calc::gguf::FileType;
use crate::calc::load::Load;
use crate::calc::mix::{LatentLayout, Mix, each_run, gguf_tensors};
use crate::calc::plain;
use crate::calc::tensors::{Role, Section, active_copies, tensors};
use crate::calc::weights::tensor_bytes;
use crate::catalog::format::Storage;
use crate::catalog::shape::{Attention, FeedForward, Shape};
use crate::catalog::{KvFormat, NativeStorage};
use crate::units::{Bytes, Tokens, count, float, index};

/// What a model makes an engine read and compute, before any split.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    /// Bytes of all that every token reads: attention, dense and shared feed-forwards, head.
    pub(super) common: f64,
    /// Bytes of all routed experts.
    pub(super) experts: f64,
    /// Bytes of what is held but not read: the embedding, unless it is the head too.
    pub(super) unread: f64,
    /// Weights that every token multiplies, without the head.
    pub(super) common_weights: f64,
    /// Weights of the experts that a token multiplies.
    pub(super) expert_weights: f64,
    /// Weights of the head.
    pub(super) head_weights: f64,
    /// Routed experts of a layer; 1 for a dense model.
    pub(super) routed: f64,
    /// Experts of a layer that a token uses.
    pub(super) used: f64,
    /// The shape.
    pub(super) shape: Shape,
    /// How the cache is stored.
    kv: KvFormat,
}

impl Volume {
    /// The volume of a question, or why it is unknown.
    pub(super) fn of(load: &Load<'_>) -> Result<Self, String> {
        let shape = &load.model.shape;
        let (routed, used) = match shape.feed_forward {
            FeedForward::Dense { .. } => (1, 0),
            FeedForward::Experts {
                experts,
                experts_per_token,
                ..
            } => (experts, experts_per_token),
        };
        let mut volume = Self {
            common: 0.0,
            experts: 0.0,
            unread: 0.0,
            common_weights: 0.0,
            expert_weights: 0.0,
            head_weights: 0.0,
            routed: float(routed.max(1)),
            used: float(used),
            shape: shape.clone(),
            kv: load.kv,
        };
        volume.count_weights();
        match &load.format.storage {
            Storage::Gguf { mix } => volume.read_gguf(mix)?,
            Storage::Plain {} | Storage::Scaled(_) | Storage::Native {} => volume.read(load)?,
        }
        Ok(volume)
    }

    fn count_weights(&mut self) {
        let tied = self.shape.tied_embeddings;
        for tensor in tensors(&self.shape) {
            let active = active_copies(&self.shape, &tensor);
            let weights = (tensor.each() * active).as_f64() * float(count(tensor.layers.len()));
            let is_embedding = tensor.role == Role::Embedding;
            if tensor.section != Section::Main || is_embedding && !tied {
                continue;
            }
            if is_embedding || tensor.role == Role::Head {
                self.head_weights += weights;
            } else if tensor.role.is_routed_expert() {
                self.expert_weights += weights;
            } else {
                self.common_weights += weights;
            }
        }
    }

    fn read(&mut self, load: &Load<'_>) -> Result<(), String> {
        let native = load.format.id == load.model.native
            || matches!(load.format.storage, Storage::Native {});
        let storage: Option<&NativeStorage> = load.model.storage.as_ref().filter(|_| native);
        for tensor in tensors(&self.shape) {
            if tensor.section != Section::Main || tensor.role.is_lookup() {
                continue;
            }
            let bytes = match storage {
                Some(storage) => Some(stored(&tensor, storage).bytes() * tensor.tensors()),
                None => tensor_bytes(&tensor, load.format),
            };
            let bytes = bytes
                .ok_or_else(|| format!("the bytes of `{}` are not known", load.format.id))?
                .as_f64();
            if tensor.role.is_routed_expert() {
                self.experts += bytes;
            } else if tensor.role == Role::Embedding && !self.shape.tied_embeddings {
                self.unread += bytes;
            } else {
                self.common += bytes;
            }
        }
        Ok(())
    }

    fn read_gguf(&mut self, mix: &str) -> Result<(), String> {
        let file_type =
            FileType::from_name(mix).ok_or_else(|| format!("`{mix}` is no file type"))?;
        let shape = self.shape.clone();
        let listed = gguf_tensors(&shape, LatentLayout::Absorbed);
        let routed = self.routed;
        let (mut common, mut experts, mut unread) = (Bytes::ZERO, Bytes::ZERO, Bytes::ZERO);
        each_run(&shape, &listed, Mix::of(file_type), |run| {
            use crate::calc::gguf_tensors::Category::{Down, Embedding, Gate, Up};
            let category = run.tensor.category;
            if run.tensor.section != Section::Main {
            } else if category == Embedding && !shape.tied_embeddings {
                unread += run.bytes();
            } else if routed > 1.0
                && run.tensor.matrices > 1
                && matches!(category, Gate | Up | Down)
            {
                experts += run.bytes();
            } else {
                common += run.bytes();
            }
        });
        self.common = common.as_f64();
        self.experts = experts.as_f64();
        self.unread = unread.as_f64();
        Ok(())
    }

    /// Bytes of experts that `tokens` independent tokens touch: `1 - (1 - k/E)^B` of all.
    pub(super) fn touched(&self, tokens: f64) -> f64 {
        self.experts * (1.0 - (1.0 - self.used / self.routed).powf(tokens))
    }

    /// Bytes of one sequence's cache at `context` tokens, on each of `tensor` devices.
    pub(super) fn cache(&self, context: f64, tensor: f64) -> f64 {
        let whole = crate::units::whole(context.max(0.0));
        let sequence = plain::sequence_bytes(&self.shape, self.kv, Tokens(whole));
        let shards = match &self.shape.attention {
            Attention::Grouped { kv_heads, .. } => tensor.min(float(*kv_heads)),
            Attention::Latent { .. } | Attention::Compressed(_) => 1.0,
        };
        sequence.as_f64() / shards
    }

    /// Operations of one token's attention in all layers when it sees `seen` tokens.
    pub(super) fn attention(&self, seen: f64, absorbed: bool) -> f64 {
        let layers = f64::from(self.shape.layers);
        match &self.shape.attention {
            Attention::Grouped {
                heads, head_size, ..
            } => layers * 4.0 * float(heads * head_size) * seen,
            Attention::Latent {
                heads,
                kv_rank,
                nope_size,
                rope_size,
                value_size,
                indexer,
                ..
            } => {
                let width = if absorbed {
                    2 * kv_rank + rope_size
                } else {
                    nope_size + rope_size + value_size
                };
                let (seen, sorted) = indexer.map_or((seen, 0.0), |indexer| {
                    let scores = 2.0 * float(indexer.heads * indexer.head_size) * seen;
                    (seen.min(float(indexer.top_tokens)), scores)
                });
                layers * (2.0 * float(heads * width) * seen + sorted)
            }
            Attention::Compressed(own) => {
                let window = seen.min(float(own.window_tokens));
                let kept = |layer: u32| match own.ratios.get(index(u64::from(layer))) {
                    Some(ratio) if *ratio > 0 => {
                        (seen / f64::from(*ratio)).min(float(own.indexer.top_tokens))
                    }
                    Some(_) | None => 0.0,
                };
                let entries: f64 = (0..self.shape.layers)
                    .map(|layer| window + kept(layer))
                    .sum();
                4.0 * float(own.heads * own.head_size) * entries
            }
        }
    }
}
