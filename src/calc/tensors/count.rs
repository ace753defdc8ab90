//! How many parameters a model has, and how many a token uses.

use super::{Role, Section, Tensor, draft, tensors};
use crate::catalog::shape::{FeedForward, Shape};
use crate::units::{Parameters, count};

/// How many parameters a model has, and how many a token uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCount {
    /// Every weight of the checkpoint, draft layers and vision tower included, scales not.
    pub stored: Parameters,
    /// Without the draft layers: the size in a model's name.
    pub main: Parameters,
    /// Draft (MTP) layers.
    pub draft: Parameters,
    /// The vision tower and its aligner, which `main` includes.
    pub vision: Parameters,
    /// The token embedding.
    pub embedding: Parameters,
    /// The output head; nothing where it is the embedding itself.
    pub head: Parameters,
    /// The sparse indexers.
    pub indexer: Parameters,
    /// V4.1's Engram: tables and what reads them.
    pub engram: Parameters,
    /// What one token's forward pass uses, embedding and head included; of tables that are looked
    /// up (token ids to experts, n-grams) nothing.
    pub active: Parameters,
    /// What Transformers registers as parameters of the text model: without draft layers, vision
    /// tower, router biases and tables of token ids, which it keeps as buffers.
    pub registered: Parameters,
}

/// Counts the parameters of that shape.
#[must_use]
pub fn parameters(shape: &Shape) -> ParameterCount {
    let mut total = ParameterCount::nothing();
    for tensor in tensors(shape) {
        total.add(shape, &tensor);
    }
    total
}

impl ParameterCount {
    fn nothing() -> Self {
        let none = Parameters::ZERO;
        Self {
            stored: none,
            main: none,
            draft: none,
            vision: none,
            embedding: none,
            head: none,
            indexer: none,
            engram: none,
            active: none,
            registered: none,
        }
    }

    fn add(&mut self, shape: &Shape, tensor: &Tensor) {
        let all = tensor.parameters();
        self.stored += all;
        match tensor.section {
            Section::Draft => self.draft += all,
            Section::Vision => {
                self.main += all;
                self.vision += all;
            }
            Section::Main => {
                self.main += all;
                self.add_main(shape, tensor);
            }
        }
    }

    fn add_main(&mut self, shape: &Shape, tensor: &Tensor) {
        let all = tensor.parameters();
        let layers = count(tensor.layers.len());
        self.active += tensor.each() * active_copies(shape, tensor) * layers;
        if tensor.role == Role::Embedding {
            self.embedding += all;
        }
        if tensor.role == Role::Head {
            self.head += all;
        }
        if tensor.role.is_indexer() {
            self.indexer += all;
        }
        if tensor.role.is_engram() {
            self.engram += all;
        }
        if !tensor.role.is_buffer() {
            self.registered += all;
        }
    }
}

/// How many copies of a layer's tensor one token uses: of the routed experts those that it is sent
/// to, of tables that are looked up and of the vision tower none.
#[must_use]
pub fn active_copies(shape: &Shape, tensor: &Tensor) -> u64 {
    if tensor.section == Section::Vision || tensor.role.is_lookup() {
        return 0;
    }
    if !tensor.role.is_routed_expert() {
        return tensor.copies;
    }
    let per_token = match tensor.section {
        Section::Draft => experts_per_token(&draft::feed_forward(shape)),
        Section::Main | Section::Vision => experts_per_token(&shape.feed_forward),
    };
    per_token.min(tensor.copies)
}

fn experts_per_token(feed_forward: &FeedForward) -> u64 {
    match feed_forward {
        FeedForward::Dense { .. } => 0,
        FeedForward::Experts {
            experts_per_token, ..
        } => *experts_per_token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::shape::{Architecture, Attention, DraftKind};

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
            rope_table: false,
            draft_layers: 0,
            draft_kind: DraftKind::default(),
            hyper_connections: None,
            engram: None,
            vision: None,
        }
    }

    /// The hub's own count for deepseek-ai/deepseek-coder-6.7b-base.
    #[test]
    fn coder_6_7b_has_the_hubs_parameters() {
        let counted = parameters(&coder_6_7b());
        assert_eq!(counted.stored, Parameters(6_740_512_768));
        assert_eq!(counted.active, counted.stored);
        assert_eq!(counted.registered, counted.stored);
    }

    #[test]
    fn a_tied_head_is_not_stored_twice() {
        let tied = Shape {
            tied_embeddings: true,
            ..coder_6_7b()
        };
        let counted = parameters(&tied);
        assert_eq!(counted.head, Parameters::ZERO);
        assert_eq!(counted.embedding, Parameters(32256 * 4096));
    }
}
