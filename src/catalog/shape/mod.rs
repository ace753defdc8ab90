//! The shape of a model: every number of its configuration that decides parameters, bytes and cache.

mod attention;
mod fault;
mod parts;

use serde::Deserialize;

pub use attention::{Attention, Compressed, Indexer, OVERLAPPED_RATIO, SharedSources};
pub use parts::{ClipTower, DraftKind, Engram, HyperConnections, SamTower, Vision};

/// What a checkpoint's `config.json` says about its tensors.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// The model class, as the configuration's `model_type` names it.
    pub architecture: Architecture,
    /// Decoder layers, without draft (MTP) layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Rows of the embedding.
    pub vocabulary: u64,
    /// The longest context that the configuration allows, in tokens.
    pub window_tokens: u64,
    /// Whether the output head is the embedding itself.
    #[serde(default)]
    pub tied_embeddings: bool,
    /// How tokens attend.
    pub attention: Attention,
    /// What follows attention in each layer.
    pub feed_forward: FeedForward,
    /// Whether rotary scaling is Llama 3's, whose table of frequencies a GGUF file holds as a tensor.
    #[serde(default)]
    pub rope_table: bool,
    /// Draft layers for speculative decoding (multi-token prediction).
    #[serde(default)]
    pub draft_layers: u32,
    /// What the draft layers hold beside a decoder layer.
    #[serde(default)]
    pub draft_kind: DraftKind,
    /// V4: several residual streams.
    #[serde(default)]
    pub hyper_connections: Option<HyperConnections>,
    /// V4.1: tables of n-grams.
    #[serde(default)]
    pub engram: Option<Engram>,
    /// The vision tower, where the checkpoint has one.
    #[serde(default)]
    pub vision: Option<Vision>,
}

/// The model classes whose tensors `dsk` can list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// LLaMA and all that share its tensors (DeepSeek Coder, LLM and Math; the Llama distills).
    Llama,
    /// Qwen2 and Qwen2.5: LLaMA with biases on query, key and value.
    Qwen2,
    /// Qwen3: LLaMA with norms on query and key.
    Qwen3,
    /// DeepSeek-MoE (V1): multi-head attention with routed and shared experts.
    Deepseek,
    /// DeepSeek-V2: latent attention (MLA) with experts.
    DeepseekV2,
    /// DeepSeek-V3 and R1: V2 with a router bias and multi-token prediction.
    DeepseekV3,
    /// DeepSeek-V3.2: V3 with a sparse indexer.
    DeepseekV32,
    /// DeepSeek-V4: window and compressed attention, hyper-connections.
    DeepseekV4,
    /// DeepSeek-V4.1: V4 with shared sources and Engram tables.
    DeepseekV41,
    /// DeepSeek-OCR: a vision encoder before a decoder with multi-head attention and experts.
    DeepseekVlV2,
}

impl Architecture {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "Llama",
            Self::Qwen2 => "Qwen2",
            Self::Qwen3 => "Qwen3",
            Self::Deepseek => "DeepSeek-MoE",
            Self::DeepseekV2 => "DeepSeek-V2",
            Self::DeepseekV3 => "DeepSeek-V3",
            Self::DeepseekV32 => "DeepSeek-V3.2",
            Self::DeepseekV4 => "DeepSeek-V4",
            Self::DeepseekV41 => "DeepSeek-V4.1",
            Self::DeepseekVlV2 => "DeepSeek-VL2",
        }
    }
}

/// The part of a layer after attention.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FeedForward {
    /// One gated feed-forward network in every layer.
    Dense {
        /// Its inner width.
        intermediate: u64,
    },
    /// Routed and shared experts, after some dense layers.
    Experts {
        /// Leading layers that are dense.
        dense_layers: u32,
        /// Inner width of the dense layers; 0 where there are none.
        #[serde(default)]
        dense_intermediate: u64,
        /// Inner width of one expert.
        expert_intermediate: u64,
        /// Routed experts in a layer.
        experts: u64,
        /// Shared experts in a layer, used by every token.
        shared_experts: u64,
        /// Routed experts that a token uses.
        experts_per_token: u64,
        /// Whether the router corrects its scores by a bias per expert (V3).
        #[serde(default)]
        router_bias: bool,
        /// Leading layers that pick experts by token id, from a table, without a bias (V4).
        #[serde(default)]
        hash_layers: u32,
        /// Whether the router has a second bias for image tokens; then hash layers hold both as well.
        #[serde(default)]
        visual_router_bias: bool,
    },
}

impl FeedForward {
    /// Leading layers whose feed-forward is dense; all of them for a dense model of `layers`.
    #[must_use]
    pub fn dense_layers(&self, layers: u32) -> u32 {
        match self {
            Self::Dense { .. } => layers,
            Self::Experts { dense_layers, .. } => (*dense_layers).min(layers),
        }
    }
}
