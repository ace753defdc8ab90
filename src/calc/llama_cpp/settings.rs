//! How llama.cpp is started: what decides its cache and buffers.

use super::super::gguf_tensors::LatentLayout;
use crate::catalog::KvFormat;
use crate::units::Tokens;

/// llama.cpp rounds contexts up to it (`GGML_PAD(n_ctx, 256)` in `src/llama-context.cpp`).
const CONTEXT_STEP: u64 = 256;

/// Rows of logits that a micro-batch reserves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Outputs {
    /// One for each sequence: `llama-server`.
    #[default]
    EachSequence,
    /// One for each token: `llama-cli`, `llama-bench`.
    EachToken,
    /// So many.
    Rows(u64),
}

/// The settings of a context (`llama_context_params`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Positions of all sequences together (`--ctx-size`).
    pub context: Tokens,
    /// Sequences at once (`--parallel`).
    pub sequences: u64,
    /// Whether all sequences share one cache (`--kv-unified`).
    pub unified: bool,
    /// Tokens of a micro-batch (`--ubatch-size`).
    pub micro_batch: u64,
    /// How keys are cached (`--cache-type-k`).
    pub keys: KvFormat,
    /// How values are cached (`--cache-type-v`).
    pub values: KvFormat,
    /// Whether attention runs without its full matrix (`--flash-attn`).
    pub flash_attention: bool,
    /// Rows of logits.
    pub outputs: Outputs,
    /// How the file keeps MLA's key-value expansion.
    pub layout: LatentLayout,
}

impl Settings {
    /// llama.cpp's defaults for one sequence of `context`: micro-batches of 512, flash attention, a 16-bit cache.
    #[must_use]
    pub const fn of(context: Tokens) -> Self {
        Self {
            context,
            sequences: 1,
            unified: false,
            micro_batch: 512,
            keys: KvFormat::F16,
            values: KvFormat::F16,
            flash_attention: true,
            outputs: Outputs::EachSequence,
            layout: LatentLayout::Absorbed,
        }
    }

    /// Independent parts of the cache: one for each sequence unless they share it.
    #[must_use]
    pub fn streams(&self) -> u64 {
        if self.unified {
            1
        } else {
            self.sequences.max(1)
        }
    }

    /// Positions of one part of the cache.
    #[must_use]
    pub fn cells(&self) -> u64 {
        let padded = self.context.round_up(CONTEXT_STEP).0;
        padded
            .checked_div(self.streams())
            .unwrap_or(padded)
            .checked_next_multiple_of(CONTEXT_STEP)
            .unwrap_or(u64::MAX)
    }

    /// The micro-batch, no larger than the context as asked for.
    fn limited_batch(&self) -> u64 {
        self.micro_batch.min(self.context.0).max(1)
    }

    /// Tokens of the largest micro-batch: no more than the context, a multiple of the sequences.
    ///
    /// Source: the constructor, `sched_reserve` and `graph_reserve` in `src/llama-context.cpp`.
    #[must_use]
    pub fn batch_tokens(&self) -> u64 {
        self.limited_batch()
            .checked_next_multiple_of(self.sequences.max(1))
            .unwrap_or(u64::MAX)
    }

    /// Rows of logits that the micro-batch reserves.
    #[must_use]
    pub fn output_rows(&self) -> u64 {
        let tokens = self.limited_batch();
        match self.outputs {
            Outputs::EachSequence => self.sequences.max(1).min(tokens),
            Outputs::EachToken => tokens,
            Outputs::Rows(rows) => rows.clamp(1, tokens),
        }
    }
}
