//! The shape of a model: every number of its configuration that decides parameters, bytes and cache.

use serde::Deserialize;

/// No dimension of a model comes near it; a larger one is a slip or an attack.
const LARGEST: u64 = 1 << 24;

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
    /// Draft layers for speculative decoding (multi-token prediction).
    #[serde(default)]
    pub draft_layers: u32,
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
}

/// How tokens attend to each other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Attention {
    /// Multi-head, grouped-query or multi-query attention: `kv_heads` keys and values serve `heads`.
    Grouped {
        /// Query heads.
        heads: u64,
        /// Key and value heads.
        kv_heads: u64,
        /// Width of one head.
        head_size: u64,
        /// Whether query, key and value have biases (Qwen2).
        #[serde(default)]
        qkv_bias: bool,
        /// Whether query and key are normalised per head (Qwen3).
        #[serde(default)]
        qk_norm: bool,
    },
    /// Multi-head latent attention (MLA): one compressed key-value vector serves all heads.
    Latent {
        /// Query heads.
        heads: u64,
        /// Rank of the query compression; none means a plain query projection (V2-Lite).
        #[serde(default)]
        query_rank: Option<u64>,
        /// Rank of the key-value compression: what is cached.
        kv_rank: u64,
        /// Width of a head's part without position.
        nope_size: u64,
        /// Width of the shared part with rotary position: cached beside the latent.
        rope_size: u64,
        /// Width of a head's value.
        value_size: u64,
        /// The sparse indexer of V3.2.
        #[serde(default)]
        indexer: Option<Indexer>,
    },
}

/// The lightning indexer that picks which cached positions attention reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indexer {
    /// Query heads of the indexer.
    pub heads: u64,
    /// Width of its key, which is cached.
    pub head_size: u64,
    /// Positions that it keeps.
    pub top_tokens: u64,
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
    },
}

impl Attention {
    /// Query heads.
    #[must_use]
    pub fn heads(&self) -> u64 {
        match self {
            Self::Grouped { heads, .. } | Self::Latent { heads, .. } => *heads,
        }
    }
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

impl Shape {
    /// The key that makes the shape impossible, and why, where one does.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let positive = [
            ("layers", u64::from(self.layers)),
            ("hidden", self.hidden),
            ("vocabulary", self.vocabulary),
            ("window_tokens", self.window_tokens),
            ("heads", self.attention.heads()),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Some((key, format!("`{key}` must be above 0")));
            }
            if value > LARGEST {
                return Some((key, format!("`{key}` is {value}, which no model has")));
            }
        }
        if let Attention::Grouped {
            heads, kv_heads, ..
        } = &self.attention
            && (*kv_heads == 0 || heads % kv_heads != 0)
        {
            let message = format!("`kv_heads` is {kv_heads}, which does not divide {heads} heads");
            return Some(("kv_heads", message));
        }
        if let FeedForward::Experts {
            experts,
            experts_per_token,
            ..
        } = &self.feed_forward
            && experts_per_token > experts
        {
            let message = format!(
                "`experts_per_token` is {experts_per_token}, more than the {experts} experts"
            );
            return Some(("experts_per_token", message));
        }
        None
    }
}
