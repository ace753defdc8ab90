//! vLLM's memory: a share of the device, less what it measured, cut into blocks of cache.
//!
//! cache = total x utilization - weights - activation peak - non-torch memory - CUDA graphs.

pub mod activation;
pub mod budget;
pub mod graphs;
pub mod load;
pub mod server;

use super::hardware::Device;
use super::load::Load;
use super::memory::{self, HostParts, Memory, Parts, Scope, Step};
use crate::catalog::engine_memory::{EngineMemory, Overheads};
use crate::catalog::format::Storage;
use crate::catalog::gpu::ComputeCapability;
use crate::catalog::{Basis, Model};
use crate::error::{Error, Result};
use crate::units::{Bytes, Tokens};

pub use budget::{Stage, cache_tokens, stages};
pub use load::{Weights, load_bytes};
pub use server::{Generation, Runner, Server, Usage, block_tokens, defaults, runner};

/// Where the formulas come from.
const SOURCE: &str =
    "vLLM 0.24 v1/worker/gpu_worker.py, gpu_model_runner.py, v1/core/kv_cache_utils.py";

/// What vLLM may use of a device that CUDA counts as `usable`.
#[must_use]
pub fn budget(load: &Load<'_>, usable: Bytes) -> Bytes {
    usable.scale(utilization(load))
}

/// The share of a device: what was asked for, else the engine's own.
#[must_use]
pub fn utilization(load: &Load<'_>) -> f64 {
    let own = overheads(load).map_or(0.0, |overheads| overheads.default_utilization);
    load.options.utilization.unwrap_or(own)
}

/// The constants of the engine of `load`.
fn overheads<'a>(load: &Load<'a>) -> Result<&'a Overheads> {
    match load.engine.and_then(|engine| engine.memory.as_ref()) {
        Some(EngineMemory::Vllm(overheads)) => Ok(overheads),
        Some(EngineMemory::Context(_)) | None => Err(Error::Unanswerable(
            "the catalog's engine lacks `memory` of the kind `vllm`".into(),
        )),
    }
}

/// The tokens that the cache of all replicas holds; none without hardware.
///
/// # Errors
/// When vLLM does not load the format.
pub fn pool_tokens(load: &Load<'_>) -> Result<Option<Tokens>> {
    let Some(server) = server_of(load) else {
        return Ok(None);
    };
    let stages = stages(&model_of(load)?, &server, overheads(load)?);
    Ok(Some(
        cache_tokens(&stages, &server) * load.split.data.max(1),
    ))
}

/// What vLLM needs for the sequences of `load`, device by device.
///
/// # Errors
/// When vLLM does not load the format.
pub fn memory(load: &Load<'_>) -> Result<Memory> {
    let server = server_of(load).unwrap_or_else(|| server_on(load, Bytes::ZERO, None));
    let stages = stages(&model_of(load)?, &server, overheads(load)?);
    let sequences = load.sequences.div_ceil(load.split.data.max(1));
    let parts: Vec<Parts> = stages
        .iter()
        .map(|stage| parts(stage, &server, sequences))
        .collect();
    let replicas = (0..load.split.data.max(1)).flat_map(|_| parts.iter());
    let devices = replicas
        .flat_map(|parts| (0..load.split.tensor.max(1)).map(|_| *parts))
        .collect();
    let first = stages.first();
    Ok(Memory {
        scope: Scope::Engine,
        devices,
        host: HostParts::default(),
        basis: Basis::Measured.and(load.model.basis),
        steps: first
            .map(|stage| explained(stage, &server, load))
            .unwrap_or_default(),
        notes: notes(first, &server),
    })
}

fn parts(stage: &Stage, server: &Server, sequences: u64) -> Parts {
    let blocks = stage.blocks.needed(server.longest, server.batched_tokens);
    Parts {
        weights: stage.load,
        kv_cache: stage.blocks.bytes * blocks * sequences,
        compute: stage.activation,
        runtime: stage.non_torch + stage.set_aside,
    }
}

fn model_of<'a>(load: &Load<'a>) -> Result<budget::Model<'a>> {
    Ok(budget::Model {
        shape: &load.model.shape,
        weights: weights_of(load)?,
        kv: load.kv,
        split: load.split,
        draft_layers: 0,
    })
}

/// How the weights of `load` are stored: each tensor as the checkpoint has it, where that is known.
///
/// # Errors
/// For GGUF types, which only llama.cpp's kin load.
pub(super) fn weights_of<'a>(load: &Load<'a>) -> Result<Weights<'a>> {
    let format = load.format;
    let Model {
        native, storage, ..
    } = load.model;
    match (&format.storage, storage) {
        (Storage::Gguf { .. }, _) => Err(Error::Unanswerable(format!(
            "`{}` is a GGUF type, which llama.cpp loads; expected a format of safetensors",
            format.id
        ))),
        (Storage::Native {}, None) => Err(Error::Unanswerable(format!(
            "how the checkpoint of `{}` stores its tensors is not known; expected a format such as `bf16`",
            load.model.id
        ))),
        (Storage::Native {}, Some(storage)) => Ok(Weights::Native(storage)),
        (Storage::Plain {} | Storage::Scaled(_), Some(storage)) if *native == format.id => {
            Ok(Weights::Native(storage))
        }
        (storage @ (Storage::Plain {} | Storage::Scaled(_)), _) => Ok(Weights::Format {
            bits: format.bits,
            storage,
        }),
    }
}

/// Tokens of one step at most that the figures count on; none without hardware.
#[must_use]
pub fn batched_tokens(load: &Load<'_>) -> Option<Tokens> {
    server_of(load).map(|server| server.batched_tokens)
}

/// The server that `load` describes; none without hardware of known size.
fn server_of(load: &Load<'_>) -> Option<Server> {
    let device = load.hardware?.smallest()?;
    let usable = device.usable?.bytes;
    let settings = settings_on(load, device, usable);
    Some(Server {
        device: usable,
        batched_tokens: settings.batched_tokens,
        sequences: settings.sequences,
        block_tokens: settings.block_tokens,
        ..server_on(load, usable, None)
    })
}

/// What of a server depends on its device, beside the memory itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    batched_tokens: Tokens,
    sequences: u64,
    block_tokens: Tokens,
}

/// The settings for `load` on a device with `usable` bytes.
#[must_use]
pub fn settings_on(load: &Load<'_>, device: &Device, usable: Bytes) -> Settings {
    let gpu = device.gpu.as_ref();
    let capability = gpu.and_then(|gpu| gpu.compute_capability);
    let is_ampere = gpu.is_some_and(|gpu| gpu.architecture == "ampere");
    let defaults = defaults(usable, is_ampere, Usage::Server);
    let batched = load.options.batched_tokens.map(Tokens);
    Settings {
        batched_tokens: batched.unwrap_or(defaults.batched_tokens),
        sequences: defaults.sequences,
        block_tokens: block_tokens(&load.model.shape, Generation::of(capability)),
    }
}

/// Sequences that one server computes at once by default.
#[must_use]
pub fn default_sequences(load: &Load<'_>) -> u64 {
    server_of(load).map_or(1, |server| server.sequences)
}

fn server_on(load: &Load<'_>, device: Bytes, capability: Option<ComputeCapability>) -> Server {
    let defaults = defaults(device, false, Usage::Server);
    let shape = &load.model.shape;
    Server {
        device,
        utilization: utilization(load),
        longest: load.context,
        batched_tokens: Tokens(
            load.options
                .batched_tokens
                .unwrap_or(defaults.batched_tokens.0),
        ),
        sequences: defaults.sequences,
        block_tokens: block_tokens(shape, Generation::of(capability)),
        runner: runner(shape.architecture),
    }
}

fn explained(stage: &Stage, server: &Server, load: &Load<'_>) -> Vec<Step> {
    let blocks = stage.blocks.needed(server.longest, server.batched_tokens);
    let sequences = load.sequences.div_ceil(load.split.data.max(1));
    let rows = || {
        [
            (
                "weights",
                "tensors of the device, rotary table and the ends of memory segments".to_owned(),
                stage.load,
                Basis::Exact,
            ),
            (
                "KV cache",
                format!(
                    "{sequences} sequences x {blocks} blocks of {} tokens x {} bytes",
                    stage.blocks.tokens, stage.blocks.bytes.0
                ),
                stage.blocks.bytes * blocks * sequences,
                Basis::Exact,
            ),
            (
                "activations",
                format!(
                    "peak of a step of {} tokens and {} sequences",
                    server.batched_tokens, server.sequences
                ),
                stage.activation,
                Basis::Measured,
            ),
            (
                "runtime",
                "libraries and communication, and CUDA graphs where vLLM sets them aside"
                    .to_owned(),
                stage.non_torch + stage.set_aside,
                Basis::Measured,
            ),
        ]
    };
    memory::steps(load.explain, SOURCE, rows)
}

fn notes(stage: Option<&Stage>, server: &Server) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(stage) = stage.filter(|stage| stage.set_aside == Bytes::ZERO) {
        notes.push(format!(
            "CUDA graphs take {} more on each device, outside the share of {} that vLLM plans with",
            stage.graphs, server.utilization
        ));
    }
    notes
}
