//! What a model makes an engine read and compute: bytes and weights, experts apart.

use super::cache::Cache;
use crate::calc::checkpoint::stored;
use crate::calc::gguf::FileType;
use crate::calc::load::Load;
use crate::calc::mix::{LatentLayout, Mix, each_run, gguf_tensors};
use crate::calc::tensors::{Role, Section, active_copies, tensors};
use crate::calc::weights::tensor_bytes;
use crate::catalog::NativeStorage;
use crate::catalog::format::Storage;
use crate::catalog::shape::{Attention, FeedForward, Shape};
use crate::units::{Bytes, count, float};

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
    /// Whether the checkpoint has draft layers like those that were measured: V3's and R1's.
    pub(super) drafts: bool,
    /// The cache of one sequence.
    pub(super) cache: Cache,
    /// What attention computes.
    attention: AttentionWork,
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
            drafts: false,
            cache: Cache::of(shape, load.kv),
            attention: AttentionWork::of(shape),
        };
        volume.count_weights();
        volume.drafts &= matches!(shape.attention, Attention::Latent { indexer: None, .. });
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
            self.drafts |= tensor.section == Section::Draft;
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

    /// Operations of one token's attention in all layers when it sees `seen` tokens.
    pub(super) fn attention(&self, seen: f64, absorbed: bool) -> f64 {
        self.attention.at(seen, absorbed)
    }
}

/// Operations of attention, as sums that need no list of layers.
#[derive(Debug, Clone)]
struct AttentionWork {
    /// Operations for each token seen: of the full computation, and on the latent.
    plain: f64,
    absorbed: f64,
    /// The most tokens that it sees.
    most: f64,
    /// Operations of the indexer for each token seen.
    scores: f64,
    /// Further layers: operations for each entry, tokens an entry stands for, the most entries.
    entries: Vec<[f64; 3]>,
}

impl AttentionWork {
    fn of(shape: &Shape) -> Self {
        let layers = f64::from(shape.layers);
        let mut work = Self {
            plain: 0.0,
            absorbed: 0.0,
            most: f64::INFINITY,
            scores: 0.0,
            entries: Vec::new(),
        };
        match &shape.attention {
            Attention::Grouped {
                heads, head_size, ..
            } => {
                work.plain = layers * 4.0 * float(heads * head_size);
                work.absorbed = work.plain;
            }
            Attention::Latent {
                heads,
                kv_rank,
                nope_size,
                rope_size,
                value_size,
                indexer,
                ..
            } => {
                work.plain = layers * 2.0 * float(heads * (nope_size + rope_size + value_size));
                work.absorbed = layers * 2.0 * float(heads * (2 * kv_rank + rope_size));
                if let Some(indexer) = indexer {
                    work.most = float(indexer.top_tokens);
                    work.scores = layers * 2.0 * float(indexer.heads * indexer.head_size);
                }
            }
            Attention::Compressed(own) => {
                let entry = 4.0 * float(own.heads * own.head_size);
                work.plain = layers * entry;
                work.absorbed = work.plain;
                work.most = float(own.window_tokens);
                for layer in 0..shape.layers {
                    let ratio = f64::from(own.ratio(layer));
                    if ratio > 0.0 {
                        add_entries(
                            &mut work.entries,
                            [entry, ratio, float(own.indexer.top_tokens)],
                        );
                    }
                }
            }
        }
        work
    }

    fn at(&self, seen: f64, absorbed: bool) -> f64 {
        let each = if absorbed { self.absorbed } else { self.plain };
        let entries: f64 = self
            .entries
            .iter()
            .map(|[each, tokens, most]| each * (seen / tokens).min(*most))
            .sum();
        each * seen.min(self.most) + self.scores * seen + entries
    }
}

/// Layers whose entries stand for as many tokens count as one.
fn add_entries(entries: &mut Vec<[f64; 3]>, [each, tokens, most]: [f64; 3]) {
    match entries
        .iter_mut()
        .find(|known| known[1].total_cmp(&tokens).is_eq())
    {
        Some(known) => known[0] += each,
        None => entries.push([each, tokens, most]),
    }
}
