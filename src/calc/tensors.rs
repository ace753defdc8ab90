//! The tensors of a model, as its official checkpoint lists them.
//!
//! Names and shapes follow the modelling code in Hugging Face Transformers 5
//! (`modeling_llama.py`, `modeling_qwen2.py`, `modeling_deepseek_v2.py`, `modeling_deepseek_v3.py`).

use std::ops::Range;

use crate::catalog::shape::{Attention, FeedForward, Indexer, Shape};
use crate::units::{Parameters, count};

/// What a tensor does; formats and engines treat tensors by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Token embedding.
    Embedding,
    /// Output head.
    Head,
    /// Norm before the head.
    OutputNorm,
    /// Norm before attention.
    AttentionNorm,
    /// Norm before the feed-forward.
    FeedForwardNorm,
    /// Query projection.
    Query,
    /// Key projection.
    Key,
    /// Value projection.
    Value,
    /// Bias of the query projection.
    QueryBias,
    /// Bias of the key projection.
    KeyBias,
    /// Bias of the value projection.
    ValueBias,
    /// Per-head norm of the query.
    QueryNorm,
    /// Per-head norm of the key.
    KeyNorm,
    /// MLA: query compression.
    QueryDown,
    /// MLA: norm of the compressed query.
    QueryDownNorm,
    /// MLA: query expansion.
    QueryUp,
    /// MLA: key-value compression with the shared rotary key.
    KvDown,
    /// MLA: norm of the compressed key-value.
    KvDownNorm,
    /// MLA: expansion to every head's key and value.
    KvUp,
    /// Output projection of attention.
    AttentionOutput,
    /// Indexer: query projection.
    IndexerQuery,
    /// Indexer: key projection.
    IndexerKey,
    /// Indexer: norm of the key, weight and bias.
    IndexerKeyNorm,
    /// Indexer: weight of each head.
    IndexerWeights,
    /// Dense feed-forward: gate.
    Gate,
    /// Dense feed-forward: up.
    Up,
    /// Dense feed-forward: down.
    Down,
    /// Router over the experts.
    Router,
    /// Correction of the router's scores.
    RouterBias,
    /// Routed expert: gate.
    ExpertGate,
    /// Routed expert: up.
    ExpertUp,
    /// Routed expert: down.
    ExpertDown,
    /// Shared experts: gate.
    SharedGate,
    /// Shared experts: up.
    SharedUp,
    /// Shared experts: down.
    SharedDown,
    /// Draft layer: norm of the embedding.
    DraftEmbeddingNorm,
    /// Draft layer: norm of the hidden state.
    DraftHiddenNorm,
    /// Draft layer: projection of both into one.
    DraftProjection,
}

/// The part of a model that a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// The model itself.
    Main,
    /// Draft (MTP) layers, which engines load only for speculative decoding.
    Draft,
}

/// One tensor, or the same tensor of several layers and experts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// What it does.
    pub role: Role,
    /// The part that it belongs to.
    pub section: Section,
    /// The layers that have it; `0..1` for those outside the layers.
    pub layers: Range<u32>,
    /// How many a layer has: experts, else 1.
    pub copies: u64,
    /// Output features; 1 for vectors.
    pub rows: u64,
    /// Input features: the length of a stored row.
    pub columns: u64,
}

impl Tensor {
    /// Weights of one copy in one layer.
    #[must_use]
    pub fn each(&self) -> Parameters {
        Parameters(self.rows) * self.columns
    }

    /// How many tensors of this kind the checkpoint holds.
    #[must_use]
    pub fn tensors(&self) -> u64 {
        u64::from(self.layers.end.saturating_sub(self.layers.start)).saturating_mul(self.copies)
    }

    /// Weights of all copies in all layers.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.each() * self.tensors()
    }

    /// Whether it is a norm, a bias or another vector.
    #[must_use]
    pub fn is_vector(&self) -> bool {
        self.rows == 1
    }
}

/// Collects tensors of one section.
struct List {
    tensors: Vec<Tensor>,
    section: Section,
}

impl List {
    fn add(&mut self, role: Role, layers: &Range<u32>, (rows, columns): (u64, u64)) {
        self.add_copies(role, layers, 1, (rows, columns));
    }

    fn add_copies(
        &mut self,
        role: Role,
        layers: &Range<u32>,
        copies: u64,
        (rows, columns): (u64, u64),
    ) {
        if layers.is_empty() || copies == 0 || rows == 0 || columns == 0 {
            return;
        }
        self.tensors.push(Tensor {
            role,
            section: self.section,
            layers: layers.clone(),
            copies,
            rows,
            columns,
        });
    }
}

/// Every tensor of a checkpoint of that shape.
#[must_use]
pub fn tensors(shape: &Shape) -> Vec<Tensor> {
    let mut list = List {
        tensors: Vec::with_capacity(40),
        section: Section::Main,
    };
    let once = 0..1;
    list.add(Role::Embedding, &once, (shape.vocabulary, shape.hidden));
    add_layers(&mut list, shape, 0..shape.layers);
    list.add(Role::OutputNorm, &once, (1, shape.hidden));
    if !shape.tied_embeddings {
        list.add(Role::Head, &once, (shape.vocabulary, shape.hidden));
    }
    add_draft(&mut list, shape);
    list.tensors
}

/// The draft layers of V3: a full layer with its own copies of embedding and head.
fn add_draft(list: &mut List, shape: &Shape) {
    if shape.draft_layers == 0 {
        return;
    }
    list.section = Section::Draft;
    let hidden = shape.hidden;
    let layers = shape.layers..shape.layers.saturating_add(shape.draft_layers);
    list.add(Role::Embedding, &layers, (shape.vocabulary, hidden));
    list.add(Role::DraftEmbeddingNorm, &layers, (1, hidden));
    list.add(Role::DraftHiddenNorm, &layers, (1, hidden));
    list.add(Role::DraftProjection, &layers, (hidden, 2 * hidden));
    add_layers(list, shape, layers.clone());
    list.add(Role::OutputNorm, &layers, (1, hidden));
    list.add(Role::Head, &layers, (shape.vocabulary, hidden));
}

fn add_layers(list: &mut List, shape: &Shape, layers: Range<u32>) {
    list.add(Role::AttentionNorm, &layers, (1, shape.hidden));
    add_attention(list, shape, &layers);
    list.add(Role::FeedForwardNorm, &layers, (1, shape.hidden));
    add_feed_forward(list, shape, layers);
}

fn add_attention(list: &mut List, shape: &Shape, layers: &Range<u32>) {
    let hidden = shape.hidden;
    match &shape.attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_size,
            qkv_bias,
            qk_norm,
        } => {
            let (queries, keys) = (heads * head_size, kv_heads * head_size);
            list.add(Role::Query, layers, (queries, hidden));
            list.add(Role::Key, layers, (keys, hidden));
            list.add(Role::Value, layers, (keys, hidden));
            if *qkv_bias {
                list.add(Role::QueryBias, layers, (1, queries));
                list.add(Role::KeyBias, layers, (1, keys));
                list.add(Role::ValueBias, layers, (1, keys));
            }
            if *qk_norm {
                list.add(Role::QueryNorm, layers, (1, *head_size));
                list.add(Role::KeyNorm, layers, (1, *head_size));
            }
            list.add(Role::AttentionOutput, layers, (hidden, queries));
        }
        Attention::Latent {
            heads,
            query_rank,
            kv_rank,
            nope_size,
            rope_size,
            value_size,
            indexer,
        } => {
            let queries = heads * (nope_size + rope_size);
            match query_rank {
                Some(rank) => {
                    list.add(Role::QueryDown, layers, (*rank, hidden));
                    list.add(Role::QueryDownNorm, layers, (1, *rank));
                    list.add(Role::QueryUp, layers, (queries, *rank));
                }
                None => list.add(Role::Query, layers, (queries, hidden)),
            }
            list.add(Role::KvDown, layers, (kv_rank + rope_size, hidden));
            list.add(Role::KvDownNorm, layers, (1, *kv_rank));
            let expanded = heads * (nope_size + value_size);
            list.add(Role::KvUp, layers, (expanded, *kv_rank));
            list.add(Role::AttentionOutput, layers, (hidden, heads * value_size));
            if let Some(indexer) = indexer {
                add_indexer(
                    list,
                    layers,
                    *indexer,
                    (hidden, query_rank.unwrap_or(hidden)),
                );
            }
        }
    }
}

fn add_indexer(
    list: &mut List,
    layers: &Range<u32>,
    indexer: Indexer,
    (hidden, query_input): (u64, u64),
) {
    let size = indexer.head_size;
    list.add(
        Role::IndexerQuery,
        layers,
        (indexer.heads * size, query_input),
    );
    list.add(Role::IndexerKey, layers, (size, hidden));
    list.add_copies(Role::IndexerKeyNorm, layers, 2, (1, size));
    list.add(Role::IndexerWeights, layers, (indexer.heads, hidden));
}

fn add_feed_forward(list: &mut List, shape: &Shape, layers: Range<u32>) {
    let hidden = shape.hidden;
    let (dense_inner, first_expert) = match &shape.feed_forward {
        FeedForward::Dense { intermediate } => (*intermediate, layers.end),
        FeedForward::Experts {
            dense_layers,
            dense_intermediate,
            ..
        } => (
            *dense_intermediate,
            (*dense_layers).clamp(layers.start, layers.end),
        ),
    };
    let dense = layers.start..first_expert;
    list.add(Role::Gate, &dense, (dense_inner, hidden));
    list.add(Role::Up, &dense, (dense_inner, hidden));
    list.add(Role::Down, &dense, (hidden, dense_inner));
    let FeedForward::Experts {
        expert_intermediate,
        experts,
        shared_experts,
        router_bias,
        ..
    } = &shape.feed_forward
    else {
        return;
    };
    let routed = first_expert..layers.end;
    list.add(Role::Router, &routed, (*experts, hidden));
    if *router_bias {
        list.add(Role::RouterBias, &routed, (1, *experts));
    }
    let inner = *expert_intermediate;
    list.add_copies(Role::ExpertGate, &routed, *experts, (inner, hidden));
    list.add_copies(Role::ExpertUp, &routed, *experts, (inner, hidden));
    list.add_copies(Role::ExpertDown, &routed, *experts, (hidden, inner));
    let shared = inner * shared_experts;
    list.add(Role::SharedGate, &routed, (shared, hidden));
    list.add(Role::SharedUp, &routed, (shared, hidden));
    list.add(Role::SharedDown, &routed, (hidden, shared));
}

/// How many parameters a model has, and how many a token uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCount {
    /// Every weight of the checkpoint, draft layers included.
    pub stored: Parameters,
    /// Without the draft layers: the size in a model's name.
    pub main: Parameters,
    /// Draft (MTP) layers.
    pub draft: Parameters,
    /// What one token's forward pass uses, embedding and head included.
    pub active: Parameters,
}

/// Counts the parameters of that shape.
#[must_use]
pub fn parameters(shape: &Shape) -> ParameterCount {
    let list = tensors(shape);
    let sum = |keep: &dyn Fn(&Tensor) -> bool| -> Parameters {
        list.iter()
            .filter(|tensor| keep(tensor))
            .map(Tensor::parameters)
            .sum()
    };
    let main = sum(&|tensor| tensor.section == Section::Main);
    let draft = sum(&|tensor| tensor.section == Section::Draft);
    let idle: Parameters = list
        .iter()
        .filter(|tensor| tensor.section == Section::Main && tensor.copies > 1)
        .map(|tensor| tensor.each() * idle_copies(shape, tensor) * layer_count(tensor))
        .sum();
    ParameterCount {
        stored: main + draft,
        main,
        draft,
        active: main.saturating_sub(idle),
    }
}

fn layer_count(tensor: &Tensor) -> u64 {
    count(tensor.layers.len())
}

/// Routed experts of a layer that a token does not use.
fn idle_copies(shape: &Shape, tensor: &Tensor) -> u64 {
    match (&shape.feed_forward, tensor.role) {
        (
            FeedForward::Experts {
                experts,
                experts_per_token,
                ..
            },
            Role::ExpertGate | Role::ExpertUp | Role::ExpertDown,
        ) => experts.saturating_sub(*experts_per_token),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::shape::Architecture;

    fn coder_6_7b() -> Shape {
        Shape {
            architecture: Architecture::Llama,
            layers: 32,
            hidden: 4096,
            vocabulary: 32256,
            window_tokens: 16384,
            tied_embeddings: false,
            attention: Attention::Grouped {
                heads: 32,
                kv_heads: 32,
                head_size: 128,
                qkv_bias: false,
                qk_norm: false,
            },
            feed_forward: FeedForward::Dense {
                intermediate: 11008,
            },
            draft_layers: 0,
        }
    }

    /// The hub's own count for deepseek-ai/deepseek-coder-6.7b-base.
    #[test]
    fn coder_6_7b_has_the_hubs_parameters() {
        let counted = parameters(&coder_6_7b());
        assert_eq!(counted.stored, Parameters(6_740_512_768));
        assert_eq!(counted.active, counted.stored);
    }
}
