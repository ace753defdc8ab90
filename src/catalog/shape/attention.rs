//! How tokens attend to each other.

use serde::Deserialize;

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
    /// V4's attention: a window of recent tokens and compressed entries of all older ones.
    Compressed(Compressed),
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

/// One shared key-value head, a sliding window, and entries that stand for several tokens each.
///
/// Source: `inference/model.py` of deepseek-ai/DeepSeek-V4-Flash and DeepSeek-V4.1-Flash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compressed {
    /// Query heads.
    pub heads: u64,
    /// Width of a query head and of the one key that is the value as well.
    pub head_size: u64,
    /// The part of `head_size` that carries rotary position.
    pub rope_size: u64,
    /// Rank of the query compression.
    pub query_rank: u64,
    /// Groups of the output projection's first half.
    pub output_groups: u64,
    /// Rank of each group.
    pub output_rank: u64,
    /// Recent tokens that attention sees uncompressed.
    pub window_tokens: u64,
    /// Tokens that one compressed entry stands for, decoder layer by layer; 0 is the window alone.
    pub ratios: Vec<u32>,
    /// The indexer that picks among the compressed entries.
    pub indexer: Indexer,
    /// V4.1: which layers make the entries that the others read.
    #[serde(default)]
    pub shared: Option<SharedSources>,
}

/// V4.1: layers that own compressed entries and selections; all other layers reuse them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedSources {
    /// Layers that compress, cache the entries and cache the indexer's keys.
    pub kv_layers: Vec<u32>,
    /// Layers that select anew with an indexer of their own.
    pub index_layers: Vec<u32>,
    /// The layer that picks blocks of candidates for the selections after it.
    pub candidate_layer: u32,
    /// Blocks that it keeps.
    pub candidate_blocks: u64,
    /// Compressed entries in a block.
    pub candidate_block_entries: u64,
}

/// The ratio whose entries overlap (twice the width) and are picked by V4's indexer.
///
/// Source: `Compressor.overlap` and `Attention.indexer` in DeepSeek-V4-Flash's `inference/model.py`.
pub const OVERLAPPED_RATIO: u32 = 4;

impl Attention {
    /// Query heads.
    #[must_use]
    pub fn heads(&self) -> u64 {
        match self {
            Self::Grouped { heads, .. } | Self::Latent { heads, .. } => *heads,
            Self::Compressed(attention) => attention.heads,
        }
    }
}

impl Compressed {
    /// Tokens that one entry of `layer` stands for; 0 where the layer has the window alone.
    #[must_use]
    pub fn ratio(&self, layer: u32) -> u32 {
        usize::try_from(layer)
            .ok()
            .and_then(|index| self.ratios.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// Whether `layer` makes and caches compressed entries itself.
    #[must_use]
    pub fn owns_entries(&self, layer: u32) -> bool {
        match &self.shared {
            None => self.ratio(layer) > 0,
            Some(shared) => shared.kv_layers.contains(&layer),
        }
    }

    /// Whether `layer` has an indexer of its own.
    #[must_use]
    pub fn owns_indexer(&self, layer: u32) -> bool {
        match &self.shared {
            None => self.ratio(layer) == OVERLAPPED_RATIO,
            Some(shared) => shared.index_layers.contains(&layer),
        }
    }
}

impl Attention {
    /// The kind of attention with its heads, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Grouped {
                heads, kv_heads, ..
            } if heads == kv_heads => format!("multi-head, {heads} heads"),
            Self::Grouped {
                heads, kv_heads: 1, ..
            } => format!("multi-query, {heads} heads"),
            Self::Grouped {
                heads, kv_heads, ..
            } => format!("grouped, {heads} heads on {kv_heads}"),
            Self::Latent {
                heads,
                kv_rank,
                indexer,
                ..
            } => {
                let sparse = if indexer.is_some() {
                    "sparse latent"
                } else {
                    "latent"
                };
                format!("{sparse}, {heads} heads on rank {kv_rank}")
            }
            Self::Compressed(attention) => {
                format!("window and compressed, {} heads", attention.heads)
            }
        }
    }
}
