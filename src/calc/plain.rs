//! The plain checkpoint and its cache, with no engine around them.

use super::cache::{self, CacheRequest};
use super::checkpoint::checkpoint_size;
use super::load::{Load, Split};
use super::memory::{HostParts, Memory, Parts, Scope, Step};
use super::tensors::{parameters, tensors};
use super::weights::tensor_bytes;
use crate::catalog::KvFormat;
use crate::catalog::format::Storage;
use crate::catalog::shape::{Attention, Shape};
use crate::error::{Error, Result};
use crate::units::{Bytes, Parameters, Tokens};

/// Weights and cache of the checkpoint; nothing is known of buffers without an engine.
///
/// # Errors
/// When the format is a GGUF mix, which only llama.cpp holds.
pub fn memory(load: &Load<'_>) -> Result<Memory> {
    let weights = weights(load)?;
    let sequence = sequence_bytes(&load.model.shape, load.kv, load.context);
    let kv_cache = sequence * load.sequences;
    let basis = load.model.basis;
    let steps = if load.explain {
        vec![
            weights_step(load, weights),
            cache_step(load, sequence, kv_cache),
        ]
    } else {
        Vec::new()
    };
    let parts = Parts {
        weights,
        kv_cache,
        ..Parts::default()
    };
    Ok(Memory {
        scope: Scope::Checkpoint,
        devices: vec![parts],
        host: HostParts::default(),
        basis,
        steps,
        notes: draft_note(load),
    })
}

fn weights(load: &Load<'_>) -> Result<Bytes> {
    let shape = &load.model.shape;
    if let Some(file) = load
        .model
        .file
        .as_ref()
        .filter(|_| load.format.id == load.model.native)
    {
        return Ok(file.total);
    }
    let is_native =
        load.format.id == load.model.native || load.format.storage == (Storage::Native {});
    if let Some(storage) = load.model.storage.as_ref().filter(|_| is_native) {
        return Ok(checkpoint_size(shape, storage, true).bytes);
    }
    tensors(shape)
        .iter()
        .map(|tensor| tensor_bytes(tensor, load.format))
        .sum::<Option<Bytes>>()
        .ok_or_else(|| {
            Error::Unanswerable(format!(
                "`{}` is not a format of plain checkpoints; name the engine (--engine)",
                load.format.id
            ))
        })
}

fn weights_step(load: &Load<'_>, weights: Bytes) -> Step {
    Step {
        part: "weights",
        formula: format!(
            "{} parameters in {}, tensor by tensor",
            parameters(&load.model.shape).stored.0,
            load.format.name
        ),
        bytes: weights,
        basis: load.model.basis,
        source: load.format.source.clone(),
    }
}

fn cache_step(load: &Load<'_>, sequence: Bytes, bytes: Bytes) -> Step {
    Step {
        part: "KV cache",
        formula: cache_formula(load, sequence),
        bytes,
        basis: load.model.basis,
        source: "the keys and values that the model's attention reads (its configuration)"
            .to_owned(),
    }
}

/// Bytes that one sequence of `context` caches in all layers, as attention needs them: the latent
/// where there is one, a window and compressed entries in V4.
#[must_use]
pub fn sequence_bytes(shape: &Shape, kv: KvFormat, context: Tokens) -> Bytes {
    let request = CacheRequest {
        shape,
        kv,
        split: Split::SINGLE,
        draft_layers: 0,
    };
    cache::sequence_bytes(&request, &(0..shape.layers), context)
}

fn cache_formula(load: &Load<'_>, sequence: Bytes) -> String {
    let (sequences, context) = (load.sequences, load.context);
    match &load.model.shape.attention {
        Attention::Compressed(_) => {
            format!(
                "{sequences} sequences x {} bytes for {context} tokens: a window and compressed entries",
                sequence.0
            )
        }
        Attention::Grouped { .. } | Attention::Latent { .. } => format!(
            "{sequences} sequences x {context} tokens x {} bytes per token",
            sequence.0 / context.0.max(1)
        ),
    }
}

/// What the same cache would take with keys and values for every head, for latent attention.
#[must_use]
pub fn expanded_note(load: &Load<'_>) -> Option<String> {
    let shape = &load.model.shape;
    let expanded_file = load.model.file.as_ref().is_some_and(|file| file.multi_head);
    if expanded_file || load.options.legacy_file {
        return None;
    }
    let Attention::Latent { heads, .. } = &shape.attention else {
        return None;
    };
    let latent = sequence_bytes(shape, KvFormat::F16, Tokens(1));
    let expanded = cache::expanded_sequence_bytes(shape, KvFormat::F16, Tokens(1));
    Some(format!(
        "latent attention caches {} bytes per token in 16 bits; keys and values of all {heads} heads would take {}",
        latent.0, expanded.0
    ))
}

fn draft_note(load: &Load<'_>) -> Vec<String> {
    let counted = parameters(&load.model.shape);
    if counted.draft == Parameters::ZERO {
        return Vec::new();
    }
    vec![format!(
        "of the {} parameters that the checkpoint stores {} are draft (MTP) layers, which engines load only for speculative decoding",
        counted.stored.0, counted.draft.0
    )]
}
