//! The parts of a model beside its decoder layers: residual streams, drafts, memory tables, vision.

use serde::Deserialize;

/// V4's hyper-connections: several residual streams, mixed before and after each half of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HyperConnections {
    /// Residual streams.
    pub streams: u64,
    /// Whether learned weights merge the streams before the head (V4; V4.1 has none).
    #[serde(default)]
    pub head_mix: bool,
}

/// What a draft layer holds beside a decoder layer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DraftKind {
    /// V3's multi-token prediction: own copies of embedding and head, one joint projection.
    Joint {},
    /// V4's multi-token prediction: separate projections of embedding and hidden state.
    Separate {
        /// Whether the checkpoint repeats embedding and head for it (V4's Base editions).
        #[serde(default)]
        copies: bool,
    },
    /// DSpark (V4 from 0731 on, V4.1): all stages together draft a block of tokens at once.
    Block {
        /// Decoder layers whose output the first stage reads.
        target_layers: Vec<u32>,
        /// Rank of the last stage's transition matrix from token to token.
        markov_rank: u64,
        /// Tokens in a drafted block.
        block_tokens: u64,
        /// Routed experts of a stage, where they differ from the decoder's.
        #[serde(default)]
        experts: Option<u64>,
        /// Routed experts that a drafted token uses, where they differ from the decoder's.
        #[serde(default)]
        experts_per_token: Option<u64>,
    },
}

impl Default for DraftKind {
    fn default() -> Self {
        Self::Joint {}
    }
}

/// V4.1's Engram: tables looked up by a hash of the last tokens, added to the residual streams.
///
/// Source: `inference/engram.py` of deepseek-ai/DeepSeek-V4.1-Flash, as ported in
/// NVIDIA-NeMo/Automodel `deepseek_v41/engram.py`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engram {
    /// The decoder layers that read a table.
    pub layers: Vec<u32>,
    /// Rows of each layer's table.
    pub rows: Vec<u64>,
    /// Hash heads for every length of n-gram.
    pub heads: u64,
    /// Width of a row.
    pub head_size: u64,
    /// The longest n-gram, in tokens; the shortest is 2.
    pub longest_ngram: u64,
}

impl Engram {
    /// Rows that one token looks up in a table.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.longest_ngram
            .saturating_sub(1)
            .saturating_mul(self.heads)
    }
}

/// The vision tower in the checkpoint; `dsk` counts its weights and calculates the text decoder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Vision {
    /// A plain ViT and a two-layer aligner (V4-Flash-Vision-Exp, V4.1-Flash).
    Vit {
        /// Blocks.
        layers: u64,
        /// Width.
        hidden: u64,
        /// Inner width of the gated feed-forward.
        intermediate: u64,
        /// Side of a patch, in pixels.
        patch: u64,
        /// Patches that the aligner joins, along each side.
        downsample: u64,
        /// Learned vectors that mark images in the text (start, end, line break, padding).
        markers: u64,
    },
    /// DeepSeek-OCR's encoder: a SAM tower, convolutions, a CLIP tower and a linear projector.
    SamClip {
        /// The SAM tower.
        sam: SamTower,
        /// The CLIP tower.
        clip: ClipTower,
    },
}

/// The SAM ViT-B tower and the convolutions after it.
///
/// Source: `deepencoder.py` of deepseek-ai/DeepSeek-OCR.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamTower {
    /// Blocks.
    pub layers: u64,
    /// Blocks that attend to the whole image, not to a window.
    pub global_layers: u64,
    /// Width.
    pub hidden: u64,
    /// Attention heads.
    pub heads: u64,
    /// Side of the image, in pixels.
    pub image: u64,
    /// Side of a patch, in pixels.
    pub patch: u64,
    /// Side of a window, in patches.
    pub window: u64,
    /// Channels of the neck.
    pub neck: u64,
    /// Channels after each convolution that halves the image.
    pub channels: Vec<u64>,
}

/// The CLIP ViT-L tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipTower {
    /// Blocks.
    pub layers: u64,
    /// Width.
    pub hidden: u64,
    /// Side of the image, in pixels.
    pub image: u64,
    /// Side of a patch, in pixels.
    pub patch: u64,
    /// Width of both towers' joined output, which the projector reads.
    pub joined: u64,
}
