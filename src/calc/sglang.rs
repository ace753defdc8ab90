//! SGLang's static fraction and token pool.
//!
//! Source: SGLang 0.5.23 `arg_groups/memory_hook.py` (`handle_gpu_memory_settings`,
//! `reserve_for_graph_mb`), `arg_groups/cuda_graph_hook.py`, `mem_cache/kv_cache_configurator.py`
//! (`_profile_available_bytes`, `resolve_max_num_reqs`).

use super::cache::{CacheRequest, sequence_bytes};
use super::load::{Load, Split};
use super::memory::{HostParts, Memory, Parts, Scope, steps};
use super::vllm::{load_bytes, weights_of};
use crate::catalog::Basis;
use crate::catalog::engine_memory::EngineMemory;
use crate::catalog::shape::{Attention, Shape};
use crate::error::{Error, Result};
use crate::units::{Bytes, Tokens, count, float, whole};

/// Bytes of one MiB.
const MIB: u64 = 1 << 20;
/// Positions beyond the context that a request's row of the token map holds.
const EXTRA_POSITIONS: u64 = 4;
/// Bytes of one entry of the token map.
const MAP_ENTRY: u64 = 4;
/// The formulas' source.
const SOURCE: &str = "SGLang 0.5.23 arg_groups/memory_hook.py, mem_cache/kv_cache_configurator.py";

/// What SGLang sets by the size of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// Tokens of one step of prefill.
    pub chunk_tokens: Tokens,
    /// Sequences of the largest CUDA graph.
    pub graph_sequences: u64,
}

/// The defaults for a device of so many bytes, or of unknown size.
#[must_use]
pub fn defaults(device: Option<Bytes>, split: &Split) -> Defaults {
    let (chunk, few, many) = match device.map(|device| device.0 / MIB) {
        None => (4096, 160, 160),
        Some(0..20_480) => (2048, 8, 8),
        Some(20_480..35_840) => (4096, 48, 160),
        Some(35_840..61_440) => (4096, 32, 160),
        Some(61_440..163_840) => (8192, 256, 512),
        Some(_) => (16_384, 512, 512),
    };
    Defaults {
        chunk_tokens: Tokens(chunk),
        graph_sequences: if split.tensor < 4 { few } else { many },
    }
}

/// What SGLang leaves free for activations and graphs: (device - reserve) / device is its fraction.
#[must_use]
pub fn reserve(shape: &Shape, device: Option<Bytes>, split: &Split, chunk: Option<u64>) -> Bytes {
    let defaults = defaults(device, split);
    let chunk = chunk.unwrap_or(defaults.chunk_tokens.0);
    let replicas = attention_replicas(shape, split);
    let ranks = split.tensor.saturating_mul(replicas);
    let parallel = ranks.saturating_mul(split.pipeline) * 1024 / 8;
    let activations = chunk.max(2048) * 3 / 2;
    let prefill_graphs = match &shape.attention {
        Attention::Latent { .. } | Attention::Compressed(_) => 1536,
        Attention::Grouped { .. } => prefill_graphs(chunk) * 8,
    };
    let mut reserved = 512 + activations + parallel + defaults.graph_sequences * 2 + prefill_graphs;
    if replicas > 1 {
        let many = defaults.graph_sequences > 300;
        reserved += defaults.graph_sequences * replicas * if many { 9 } else { 6 } / 2;
    }
    if device.is_some_and(|device| device.0 / MIB > 61_440) {
        reserved = reserved.max(10_240);
    }
    Bytes(reserved * MIB)
}

/// Replicas of the attention among devices that share the rest (`--enable-dp-attention`, for latent attention);
/// replicas of a dense model share nothing.
#[must_use]
pub fn attention_replicas(shape: &Shape, split: &Split) -> u64 {
    match &shape.attention {
        Attention::Latent { .. } | Attention::Compressed(_) => split.data.max(1),
        Attention::Grouped { .. } => 1,
    }
}

/// Prefill sizes up to `most` tokens that get a CUDA graph.
fn prefill_graphs(most: u64) -> u64 {
    let ranges = [
        (4, 32, 4),
        (48, 256, 16),
        (288, 512, 32),
        (576, 1024, 64),
        (1280, 4096, 256),
        (4608, most, 512),
    ];
    ranges
        .into_iter()
        .map(|(first, last, step)| {
            let last = last.min(most);
            if last < first {
                0
            } else {
                (last - first) / step + 1
            }
        })
        .sum()
}

/// The default `--mem-fraction-static`, rounded to three places as SGLang does.
#[must_use]
pub fn static_fraction(shape: &Shape, device: Bytes, split: &Split, chunk: Option<u64>) -> f64 {
    let kept = (device - reserve(shape, Some(device), split, chunk)).as_f64();
    (kept / device.as_f64() * 1000.0).round() / 1000.0
}

/// The least fraction that leaves any cache: weights over the memory free before they are loaded.
#[must_use]
pub fn least_fraction(weights: Bytes, free: Bytes) -> f64 {
    weights.as_f64() / free.as_f64()
}

/// Bytes of the map from so many requests' positions to their tokens.
#[must_use]
pub fn token_map(context: Tokens, running: u64) -> Bytes {
    Bytes(running) * ((context.0 + EXTRA_POSITIONS) * MAP_ENTRY)
}

/// Sequences that run at once by default.
#[must_use]
pub fn default_running(tokens: Tokens, context: Tokens) -> u64 {
    let wanted = float(tokens.0) / float(context.0.max(1)) * 512.0;
    whole(wanted).clamp(2048, 4096).min(tokens.0 / 2)
}

/// Bytes of one sequence of the context on the fullest stage.
fn fullest_sequence(load: &Load<'_>) -> Bytes {
    let request = cache_request(load);
    let stages = request.split.stages(request.shape.layers);
    stages
        .iter()
        .map(|layers| sequence_bytes(&request, layers, load.context))
        .max()
        .unwrap_or(Bytes::ZERO)
}

fn cache_request<'a>(load: &Load<'a>) -> CacheRequest<'a> {
    CacheRequest {
        shape: &load.model.shape,
        kv: load.kv,
        split: load.split,
        draft_layers: 0,
    }
}

/// Bytes of the device context with the engine of `load`.
///
/// # Errors
/// When the engine's entry does not say.
pub(super) fn context_bytes(load: &Load<'_>) -> Result<Bytes> {
    match load.engine.and_then(|engine| engine.memory.as_ref()) {
        Some(EngineMemory::Context(context))
            if load.split.tensor > 1 || attention_replicas(&load.model.shape, &load.split) > 1 =>
        {
            Ok(context.parallel_context_bytes)
        }
        Some(EngineMemory::Context(context)) => Ok(context.context_bytes),
        Some(EngineMemory::Vllm(_)) | None => Err(Error::Unanswerable(
            "the catalog's engine lacks `memory` of the kind `context`".into(),
        )),
    }
}

/// What of a device is free for activations and graphs once the pools are made.
fn slack(load: &Load<'_>) -> Result<Bytes> {
    let device = load
        .hardware
        .and_then(|hardware| hardware.smallest()?.usable)
        .map(|usable| usable.bytes);
    slack_on(load, device)
}

/// The same on a device of so many bytes, or of unknown size.
///
/// # Errors
/// When the engine's entry does not say what its context takes.
pub fn slack_on(load: &Load<'_>, device: Option<Bytes>) -> Result<Bytes> {
    let shape = &load.model.shape;
    let chunk = load.options.batched_tokens;
    match device {
        None => Ok(reserve(shape, None, &load.split, chunk)),
        Some(device) => {
            let free = device - context_bytes(load)?;
            let fraction = static_fraction(shape, device, &load.split, chunk);
            Ok(free - free.scale(fraction))
        }
    }
}

/// The tokens that the pools of all replicas hold; none without hardware.
///
/// # Errors
/// When SGLang does not load the format.
pub fn pool_tokens(load: &Load<'_>) -> Result<Option<Tokens>> {
    let device = load
        .hardware
        .and_then(|hardware| hardware.smallest()?.usable);
    let Some(device) = device else {
        return Ok(None);
    };
    let fixed = context_bytes(load)? + slack(load)? + fullest_weights(load)?;
    let each = (fullest_sequence(load).0 / load.context.0.max(1)).max(1);
    let rest = device.bytes - fixed;
    let running = default_running(Tokens(rest.0 / each), load.context);
    let tokens = (rest - token_map(load.context, running)).0 / each;
    Ok(Some(Tokens(tokens) * load.split.data.max(1)))
}

fn fullest_weights(load: &Load<'_>) -> Result<Bytes> {
    let weights = stage_weights(load)?;
    Ok(weights.into_iter().max().unwrap_or(Bytes::ZERO))
}

/// Weights of each stage: SGLang copies the latent expansion even where it is not quantized.
fn stage_weights(load: &Load<'_>) -> Result<Vec<Bytes>> {
    let weights = weights_of(load)?;
    let shape = &load.model.shape;
    let copies = match &shape.attention {
        Attention::Latent {
            heads,
            kv_rank,
            nope_size,
            value_size,
            ..
        } if !weights.is_quantized() => {
            let heads = heads.div_ceil(load.split.tensor.max(1));
            Bytes(heads * (nope_size + value_size) * kv_rank * 2)
        }
        Attention::Latent { .. } | Attention::Grouped { .. } | Attention::Compressed(_) => {
            Bytes::ZERO
        }
    };
    let stages = load.split.stages(shape.layers);
    let bytes = stages.iter().map(|layers| {
        load_bytes(shape, &weights, &load.split, layers) + copies * count(layers.len())
    });
    Ok(bytes.collect())
}

/// What SGLang needs for the sequences of `load`, device by device.
///
/// # Errors
/// When SGLang does not load the format.
pub fn memory(load: &Load<'_>) -> Result<Memory> {
    let request = cache_request(load);
    let replicas = load.split.data.max(1);
    let sequences = load.sequences.div_ceil(replicas);
    let stages = load.split.stages(load.model.shape.layers);
    let (free, context) = (slack(load)?, context_bytes(load)?);
    let parts: Vec<Parts> = stage_weights(load)?
        .into_iter()
        .zip(&stages)
        .map(|(weights, layers)| Parts {
            weights,
            kv_cache: sequence_bytes(&request, layers, load.context) * sequences
                + token_map(load.context, sequences),
            compute: free,
            runtime: context,
        })
        .collect();
    let first = parts.first().copied().unwrap_or_default();
    let rows = || {
        [
            (
                "weights",
                "tensors of the device".to_owned(),
                first.weights,
                Basis::Exact,
            ),
            (
                "KV cache",
                format!(
                    "{sequences} sequences x {} bytes, and their map of ({} + {EXTRA_POSITIONS}) x {MAP_ENTRY} bytes each",
                    fullest_sequence(load).0,
                    load.context
                ),
                first.kv_cache,
                Basis::Exact,
            ),
            (
                "activations",
                "what the static fraction leaves free".to_owned(),
                first.compute,
                Basis::Modelled,
            ),
            (
                "runtime",
                "device context".to_owned(),
                first.runtime,
                Basis::Measured,
            ),
        ]
    };
    let all = (0..replicas).flat_map(|_| parts.iter());
    let devices = all
        .flat_map(|parts| (0..load.split.tensor.max(1)).map(|_| *parts))
        .collect();
    Ok(Memory {
        scope: Scope::Engine,
        devices,
        host: HostParts::default(),
        basis: Basis::Modelled.and(load.model.basis),
        steps: steps(load.explain, SOURCE, rows),
        notes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SemiAnalysisAI/InferenceX#2128: 125.65 GB of weights, 12.25 GB left, least fraction 0.9113.
    #[test]
    fn the_least_fraction_is_weights_over_free_memory() {
        let least = least_fraction(Bytes::from_gib(125.65), Bytes::from_gib(137.90));
        assert!((least - 0.9113).abs() < 0.0003, "{least}");
    }

    #[test]
    fn prefill_graphs_follow_sglangs_ranges() {
        assert_eq!(prefill_graphs(32), 8);
        assert_eq!(prefill_graphs(4096), 8 + 14 + 8 + 8 + 12);
    }
}
