//! What a tensor does and where it belongs.

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
    /// V4: first half of the output projection, one low-rank matrix per group of heads.
    OutputDown,
    /// V4: what each head can attend to instead of any token.
    AttentionSink,
    /// V4: projection of tokens that a compressed entry is made of.
    CompressorKv,
    /// V4: weight of each token in its entry.
    CompressorGate,
    /// V4: what a token's place in its entry adds to its weight.
    CompressorPosition,
    /// V4: norm of the compressed entry.
    CompressorNorm,
    /// V4: as [`Role::CompressorKv`], for the indexer's keys.
    IndexerCompressorKv,
    /// V4: as [`Role::CompressorGate`], for the indexer's keys.
    IndexerCompressorGate,
    /// V4: as [`Role::CompressorPosition`], for the indexer's keys.
    IndexerCompressorPosition,
    /// V4: norm of the indexer's compressed key.
    IndexerCompressorNorm,
    /// Indexer: query projection.
    IndexerQuery,
    /// Indexer: key projection.
    IndexerKey,
    /// V4.1's indexer: projection of a compressed entry to its key.
    IndexerEntryKey,
    /// Indexer: norm of the key; V3.2's has a bias as well.
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
    /// V4: correction of the router's scores for image tokens.
    VisualRouterBias,
    /// V4: the experts of every token id, in layers that route by table.
    HashTable,
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
    /// V4's draft layer: projection of the embedding.
    DraftEmbeddingProjection,
    /// V4's draft layer: projection of the hidden state.
    DraftHiddenProjection,
    /// DSpark: projection of the target layers' outputs.
    DraftTargetProjection,
    /// DSpark: norm of the projected outputs.
    DraftTargetNorm,
    /// DSpark: first factor of the transition from token to token.
    MarkovEmbedding,
    /// DSpark: second factor of the transition.
    MarkovHead,
    /// DSpark: how likely a drafted token is to be accepted.
    DraftConfidence,
    /// V4: map from the residual streams to the weights that mix them.
    HyperMap,
    /// V4: constant part of these weights.
    HyperBase,
    /// V4: scale of these weights.
    HyperScale,
    /// V4.1: table of n-grams.
    EngramTable,
    /// V4.1: projection of looked-up rows to keys and a value.
    EngramProjection,
    /// V4.1: weight of the streams and of the keys in the gate.
    EngramGate,
    /// Anything of the vision tower and its aligner.
    Vision,
}

/// The part of a model that a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// The model itself.
    Main,
    /// Draft (MTP) layers, which engines load only for speculative decoding.
    Draft,
    /// The vision tower, its aligner and the vectors that mark images.
    Vision,
}

impl Role {
    /// Whether it is a routed expert's matrix, of which a token uses few.
    #[must_use]
    pub fn is_routed_expert(self) -> bool {
        matches!(self, Self::ExpertGate | Self::ExpertUp | Self::ExpertDown)
    }

    /// Whether it belongs to a sparse indexer.
    #[must_use]
    pub fn is_indexer(self) -> bool {
        matches!(
            self,
            Self::IndexerQuery
                | Self::IndexerKey
                | Self::IndexerEntryKey
                | Self::IndexerKeyNorm
                | Self::IndexerWeights
                | Self::IndexerCompressorKv
                | Self::IndexerCompressorGate
                | Self::IndexerCompressorPosition
                | Self::IndexerCompressorNorm
        )
    }

    /// Whether it belongs to V4.1's Engram.
    #[must_use]
    pub fn is_engram(self) -> bool {
        matches!(
            self,
            Self::EngramTable | Self::EngramProjection | Self::EngramGate
        )
    }

    /// Whether a token reads a few rows of it and computes with none as a whole.
    #[must_use]
    pub fn is_lookup(self) -> bool {
        matches!(self, Self::HashTable | Self::EngramTable)
    }

    /// Whether Transformers keeps it as a buffer, not as a parameter.
    #[must_use]
    pub fn is_buffer(self) -> bool {
        matches!(
            self,
            Self::RouterBias | Self::VisualRouterBias | Self::HashTable
        )
    }
}
