//! Activations that the backward pass needs, layer by layer.
//!
//! Source: Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer
//! Models" (arXiv 2205.05198), section 4 and table 2. The paper counts GPT's layer; the same list of
//! kept tensors is counted here for gated networks, grouped and latent attention and experts. What
//! unfused layers keep was read off Transformers 5.24 on PyTorch 2.15 by autograd's saved tensors.

use super::job::{Framework, Job, Layout, Recompute};
use crate::catalog::shape::{Attention, FeedForward};
use crate::units::Bytes;

/// Bytes of a 16-bit value.
const HALF: u64 = 2;
/// Bytes of a dropout mask's value.
const MASK: u64 = 1;
/// Bytes of an FP32 value: logits, statistics, what an unfused norm converts.
const SINGLE: u64 = 4;

/// Bytes that one token leaves in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    /// The layer's input, all that full recomputation keeps.
    pub input: u64,
    /// What tensor parallelism alone does not divide: norms, inputs of the projections, dropout masks.
    pub whole: u64,
    /// What tensor parallelism divides.
    pub divided: u64,
    /// What every device keeps even with sequence parallelism: latents of MLA.
    pub latent: u64,
    /// Attention scores, for each token of the sequence that it attends to.
    pub scores: u64,
}

/// How a layer's small steps are calculated, which decides what they keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// Norms and activations in one kernel each (Megatron).
    Fused,
    /// Step by step, as the modelling code of Transformers says: a norm keeps its input in FP32 and
    /// the normalised value, a gated network the activated gate as well.
    Eager,
}

/// The widths of a layer, in values a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// The residual stream.
    pub hidden: u64,
    /// Queries of all heads.
    pub query: u64,
    /// Keys of all heads.
    pub key: u64,
    /// Values of all heads.
    pub value: u64,
    /// What attention gives its output projection.
    pub attended: u64,
    /// Query heads.
    pub heads: u64,
    /// Latents of MLA, which have norms of their own.
    pub latent: u64,
    /// Inner widths of all networks that a token runs through, added up.
    pub inner: u64,
    /// Copies of the hidden state that go to experts and come back.
    pub dispatched: u64,
    /// Whether the network is gated (SwiGLU), else it is GELU's.
    pub gated: bool,
    /// Whether dropout keeps masks.
    pub dropout: bool,
    /// How the layer is calculated.
    pub kernels: Kernels,
}

impl Widths {
    /// What one token leaves in such a layer.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let masks = if self.dropout { 2 * MASK } else { 0 };
        let scores = if self.dropout { 2 * HALF + MASK } else { HALF };
        // A norm: its input, or the input in FP32 and the normalised value.
        let norm = match self.kernels {
            Kernels::Fused => HALF,
            Kernels::Eager => SINGLE + HALF,
        };
        // Gated: gate, value and their product, unfused the activated gate too; GELU: its input and output.
        let inner = match (self.gated, self.kernels) {
            (true, Kernels::Fused) => 3,
            (true, Kernels::Eager) => 4,
            (false, Kernels::Fused | Kernels::Eager) => 2,
        };
        // The paper leaves out statistics of norms and of flash attention's rows.
        let (norms, rows) = match self.kernels {
            Kernels::Fused => (0, 0),
            Kernels::Eager => (2 * SINGLE, SINGLE * self.heads),
        };
        Ledger {
            input: HALF * self.hidden,
            whole: (2 * norm + 2 * HALF + masks) * self.hidden + norms,
            divided: HALF
                * (self.query + self.key + self.value + self.attended + inner * self.inner)
                + 2 * HALF * self.dispatched * self.hidden
                + rows,
            latent: (norm + HALF) * self.latent,
            scores: scores * self.heads,
        }
    }

    /// The widths of the model's layer `layer`; none for attention whose training is not published.
    #[must_use]
    pub fn of(job: &Job<'_>, layer: u32) -> Option<Self> {
        let shape = &job.model.shape;
        let mut widths = match &shape.attention {
            Attention::Grouped {
                heads,
                kv_heads,
                head_size,
                ..
            } => Self::with_attention(*heads, heads * head_size, kv_heads * head_size),
            Attention::Latent {
                heads,
                query_rank,
                kv_rank,
                nope_size,
                rope_size,
                value_size,
                indexer: None,
            } => {
                let keys = heads * (nope_size + rope_size);
                Self {
                    value: heads * value_size,
                    attended: heads * value_size,
                    latent: query_rank.unwrap_or(0) + kv_rank,
                    ..Self::with_attention(*heads, keys, keys)
                }
            }
            Attention::Latent { .. } | Attention::Compressed(_) => return None,
        };
        widths.hidden = shape.hidden;
        widths.kernels = match job.framework {
            Framework::DeepSpeed => Kernels::Eager,
            Framework::Megatron => Kernels::Fused,
        };
        (widths.inner, widths.dispatched) = inner(&shape.feed_forward, layer);
        Some(widths)
    }

    fn with_attention(heads: u64, query: u64, key: u64) -> Self {
        Self {
            hidden: 0,
            query,
            key,
            value: key,
            attended: query,
            heads,
            latent: 0,
            inner: 0,
            dispatched: 0,
            gated: true,
            dropout: false,
            kernels: Kernels::Fused,
        }
    }
}

/// Inner widths that a token runs through in `layer`, and how often its hidden state is sent to an expert.
fn inner(feed_forward: &FeedForward, layer: u32) -> (u64, u64) {
    match feed_forward {
        FeedForward::Dense { intermediate } => (*intermediate, 0),
        FeedForward::Experts {
            dense_layers,
            dense_intermediate,
            ..
        } if layer < *dense_layers => (*dense_intermediate, 0),
        FeedForward::Experts {
            expert_intermediate,
            shared_experts,
            experts_per_token,
            ..
        } => (
            expert_intermediate * (shared_experts + experts_per_token),
            *experts_per_token,
        ),
    }
}

impl Ledger {
    /// Bytes of a micro-batch of `tokens` tokens in sequences of `sequence` on one device.
    #[must_use]
    pub fn bytes(&self, layout: &Layout, (tokens, sequence): (u64, u64)) -> Bytes {
        let ways = layout.tensor.max(1);
        let along = if layout.sequence_parallel { ways } else { 1 };
        let tokens = Bytes(tokens);
        match layout.recompute {
            Recompute::Full => (tokens * self.input).share(along),
            Recompute::Selective => self.linear(tokens, (ways, along)),
            Recompute::Off => {
                let scores = (tokens * sequence * self.scores).share(ways);
                self.linear(tokens, (ways, along)) + scores
            }
        }
    }

    fn linear(&self, tokens: Bytes, (ways, along): (u64, u64)) -> Bytes {
        (tokens * self.whole).share(along)
            + (tokens * self.divided).share(ways)
            + tokens * self.latent
    }
}

/// What the head keeps of a micro-batch: inputs of norm and projection, and FP32 logits.
///
/// Source: Transformers 5.24's plans gather the logits of an untied head on every device
/// (`colwise_gather_output`), and DeepSpeed 0.19.8 follows them.
#[must_use]
pub(super) fn head(job: &Job<'_>, layout: &Layout) -> Bytes {
    let tokens = Bytes(job.sequence_tokens) * layout.micro_batch;
    let shape = &job.model.shape;
    let ways = layout.tensor.max(1);
    let along = if layout.sequence_parallel { ways } else { 1 };
    let gathers = job.framework == Framework::DeepSpeed && !shape.tied_embeddings;
    let sharing = if gathers { 1 } else { ways };
    (tokens * (2 * HALF * shape.hidden)).share(along)
        + (tokens * (SINGLE * shape.vocabulary)).share(sharing)
}
