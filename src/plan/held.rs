//! What the cache of a split holds.

use crate::calc::estimate::{Estimate, capacity};
use crate::calc::load::Load;
use crate::calc::{sglang, vllm};
use crate::catalog::Allocator;
use crate::error::Result;
use crate::units::{Bytes, Tokens};

/// What the cache holds beside the weights, over all devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Positions.
    pub kv_tokens: Tokens,
    /// Sequences of the requested context.
    pub sequences: u64,
    /// Those of them that the engine computes at once by default.
    pub at_once: u64,
    /// The most that the engine computes at once in any setting.
    pub most: u64,
}

impl Held {
    /// Sequences of the requested context that a server can be started for, beyond what it takes by default.
    #[must_use]
    pub fn places(&self) -> u64 {
        self.sequences.min(self.most)
    }
}

/// The most sequences at once that llama.cpp is built for: `LLAMA_MAX_SEQ` in its `llama-cparams.h`.
const LLAMA_CPP_SEQUENCES: u64 = 256;

/// What the cache of `load` holds; none where memory is not known.
///
/// # Errors
/// When the engine does not hold the model.
pub(super) fn held(load: &Load<'_>, estimate: &Estimate) -> Result<Option<Held>> {
    let replicas = load.split.data.max(1);
    let (pool, most) = match load.engine.map(|engine| engine.allocator) {
        Some(Allocator::Vllm) => (
            vllm::pool_tokens(load)?,
            vllm::default_sequences(load).saturating_mul(replicas),
        ),
        Some(Allocator::Sglang) => (sglang::pool_tokens(load)?, u64::MAX),
        Some(Allocator::LlamaCpp | Allocator::Transformers) | None => {
            let most = LLAMA_CPP_SEQUENCES;
            return Ok(capacity(load)?.map(|capacity| Held {
                kv_tokens: capacity.kv_tokens,
                sequences: capacity.sequences,
                at_once: capacity.sequences.min(most),
                most,
            }));
        }
    };
    Ok(pool.and_then(|kv_tokens| {
        let sequences = sequences(load, estimate)?;
        Some(Held {
            kv_tokens,
            sequences,
            at_once: sequences.min(most),
            most: u64::MAX,
        })
    }))
}

/// Sequences that fit, where the cache grows by the same bytes with each and nothing else does.
fn sequences(load: &Load<'_>, estimate: &Estimate) -> Option<u64> {
    let available = estimate.available?;
    let replicas = load.split.data.max(1);
    let own = load.sequences.div_ceil(replicas).max(1);
    let fitting = estimate.memory.devices.iter().map(|parts| {
        let free = available - (parts.weights + parts.compute + parts.runtime);
        let each = Bytes(parts.kv_cache.0 / own);
        free.0 / each.0.max(1)
    });
    fitting.min().map(|each| each.saturating_mul(replicas))
}
