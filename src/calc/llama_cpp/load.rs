//! From a question to llama.cpp's memory: which layer lies where, and what each device holds.

use std::ops::Range;

use super::backend::Backend;
use super::cache::layer_bytes;
use super::compute::{self, Part, Staging};
use super::layer_weights::LayerWeights;
use super::places::{Place, places};
use super::report::{notes, steps};
use super::settings::{Outputs, Settings};
use crate::calc::gguf::FileType;
use crate::calc::gguf_tensors::{GgufTensor, LatentLayout, gguf_tensors};
use crate::calc::hardware::{Device, Hardware};
use crate::calc::load::Load;
use crate::calc::memory::{HostParts, Memory, Parts, Scope};
use crate::calc::mix::{self, Mix};
use crate::catalog::format::Storage;
use crate::catalog::shape::Attention;
use crate::catalog::{Basis, KvFormat};
use crate::error::{Error, Result};
use crate::units::{Bytes, Tokens};

/// Everything that does not depend on the format of the weights.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) settings: Settings,
    pub(super) backend: Backend,
    places: Vec<Place>,
    /// Cache and compute buffer of each device.
    devices: Vec<(Bytes, Bytes)>,
    /// Layers that stay with the processor.
    pub(super) left: Range<u32>,
    /// Their cache.
    left_cache: Bytes,
    /// Buffers in the host's memory.
    host_compute: Bytes,
    /// The tensors of the file.
    tensors: Vec<GgufTensor>,
}

/// Cache and buffers of the question, for any format of its weights.
///
/// # Errors
/// When the cache's format needs flash attention that is off.
pub fn prepare(load: &Load<'_>) -> Result<Prepared> {
    let shape = &load.model.shape;
    let settings = settings(load)?;
    let processor = load.hardware.is_some_and(Hardware::is_cpu);
    let backend = if processor {
        Backend::Cpu
    } else {
        Backend::Cuda
    };
    let places = places(load, backend);
    // Source: `pipeline_parallel` in `src/llama-context.cpp`: not with tensors laid elsewhere or layers left out.
    let all_on_devices = load
        .options
        .gpu_layers
        .is_none_or(|held| held > shape.layers);
    let pipelined = backend == Backend::Cuda
        && places.len() > 1
        && load.options.host_experts == 0
        && all_on_devices;
    let cache = |layers: &Range<u32>, backend| -> Bytes {
        layers
            .clone()
            .map(|layer| layer_bytes(shape, &settings, (layer, backend)))
            .sum()
    };
    let parts = [false, true].map(|output| {
        let wanted = places.iter().any(|place| place.output == output);
        let part = Part {
            output,
            pipelined,
            staged: None,
        };
        if wanted {
            compute::device(shape, &settings, backend, part)
        } else {
            Some(Bytes::ZERO)
        }
    });
    let [Some(within), Some(last)] = parts else {
        return Err(unknown(load));
    };
    let devices = places
        .iter()
        .map(|place| {
            (
                cache(&place.layers, backend),
                if place.output { last } else { within },
            )
        })
        .collect();
    let resident: u32 = places
        .iter()
        .map(|place| place.layers.end - place.layers.start)
        .sum();
    let left = 0..shape.layers.saturating_sub(resident);
    let host_compute = match backend {
        Backend::Cpu => Bytes::ZERO,
        Backend::Cuda => {
            compute::host(shape, &settings, !left.is_empty()).ok_or_else(|| unknown(load))?
        }
    };
    Ok(Prepared {
        left_cache: cache(&left, Backend::Cpu),
        tensors: gguf_tensors(shape, settings.layout),
        settings,
        backend,
        places,
        devices,
        left,
        host_compute,
    })
}

/// How the file keeps the latent expansion: as was said, or as seen in the user's own file.
fn layout(load: &Load<'_>) -> LatentLayout {
    let seen = load.model.file.as_ref().is_some_and(|file| file.multi_head);
    if load.options.legacy_file || seen {
        LatentLayout::MultiHead
    } else {
        LatentLayout::Absorbed
    }
}

pub(super) fn unknown(load: &Load<'_>) -> Error {
    Error::Unanswerable(format!(
        "llama.cpp does not load {}: it has no graph for {}",
        load.model.id,
        load.model.shape.architecture.name()
    ))
}

/// What llama.cpp allocates for the question.
///
/// # Errors
/// When the format is no GGUF type, or the cache's format needs flash attention that is off.
pub fn memory(load: &Load<'_>) -> Result<Memory> {
    with_weights(load, &prepare(load)?)
}

/// What llama.cpp allocates for the question, which `prepared` was made for.
///
/// # Errors
/// When the format is no GGUF type.
pub fn with_weights(load: &Load<'_>, prepared: &Prepared) -> Result<Memory> {
    let shape = &load.model.shape;
    let backend = prepared.backend;
    let weights = layer_weights(load, (backend, &prepared.tensors))?;
    let staged = weights.staged(load.options.host_experts.max(prepared.left.end));
    let kept = load.options.host_experts;
    let devices = prepared
        .places
        .iter()
        .zip(&prepared.devices)
        .enumerate()
        .map(|(number, (place, (kv_cache, compute)))| {
            // Experts of the host are copied to the first GPU.
            let staging = staged
                .filter(|_| number == 0 && backend == Backend::Cuda)
                .and_then(|staged| {
                    let buffers = Staging::of(shape, &prepared.settings, (place.output, staged))?;
                    Some(buffers.bytes(&place.layers, staged.kept))
                });
            Parts {
                weights: weights.on(place, backend) - weights.spared(place, kept),
                kv_cache: *kv_cache,
                compute: staging.unwrap_or(*compute),
                runtime: runtime(load, (backend, number)),
            }
        })
        .collect();
    let mut memory = Memory {
        scope: Scope::Engine,
        devices,
        host: host(load, prepared, &weights),
        basis: load
            .model
            .basis
            .and(compute::basis(shape, backend))
            .and(offload_basis(load, prepared))
            .and(runtime_basis(backend)),
        steps: Vec::new(),
        notes: notes(load, prepared, weights.repacked),
    };
    if load.explain {
        memory.steps = steps(load, &prepared.settings, &memory);
    }
    Ok(memory)
}

/// The weights of the user's own file, else those that the format makes of `tensors`.
pub(super) fn layer_weights(
    load: &Load<'_>,
    from: (Backend, &[GgufTensor]),
) -> Result<LayerWeights> {
    match load.model.file.as_ref().filter(|file| file.is_gguf) {
        Some(file) => Ok(LayerWeights::of_file(file)),
        None => Ok(LayerWeights::of(&load.model.shape, mix(load)?, from)),
    }
}

/// Bytes of all tensors in the file, those of draft layers included; none when the format is no GGUF type.
#[must_use]
pub fn file_bytes(load: &Load<'_>) -> Option<Bytes> {
    let shape = &load.model.shape;
    if let Some(file) = load.model.file.as_ref().filter(|file| file.is_gguf) {
        return Some(file.total);
    }
    Some(mix::file_bytes(
        shape,
        &gguf_tensors(shape, layout(load)),
        mix(load).ok()?,
    ))
}

/// The file type of the question's format.
fn mix(load: &Load<'_>) -> Result<Mix> {
    let Storage::Gguf { mix } = &load.format.storage else {
        return Err(Error::Unanswerable(format!(
            "llama.cpp does not run `{}`: it is no GGUF type",
            load.format.id
        )));
    };
    FileType::from_name(mix)
        .map(Mix::of)
        .ok_or_else(|| Error::Unanswerable(format!("`{mix}` is no file type of llama.cpp")))
}

/// The context of the process on a device; nothing on the processor.
pub(super) fn runtime(load: &Load<'_>, (backend, number): (Backend, usize)) -> Bytes {
    let device = load
        .hardware
        .and_then(|hardware| hardware.devices.get(number));
    match backend {
        Backend::Cpu => Bytes::ZERO,
        Backend::Cuda => context_on(load, device),
    }
}

/// The device context on a GPU, by its architecture where it is known.
pub(in crate::calc) fn context_on(load: &Load<'_>, device: Option<&Device>) -> Bytes {
    let runtime = load.engine.and_then(|engine| engine.runtime.as_ref());
    let entry = device.and_then(|device| device.gpu.as_ref());
    runtime.map_or(Bytes::ZERO, |runtime| {
        entry.map_or(runtime.context_bytes, |entry| {
            runtime.on(&entry.architecture)
        })
    })
}

/// The device context is a measurement; the processor has none.
fn runtime_basis(backend: Backend) -> Basis {
    match backend {
        Backend::Cpu => Basis::Exact,
        Backend::Cuda => Basis::Measured,
    }
}

/// Buffers for experts of the host were measured; what the attention of layers left there brings along is not followed.
fn offload_basis(load: &Load<'_>, prepared: &Prepared) -> Basis {
    if !prepared.left.is_empty() {
        Basis::Modelled
    } else if load.options.host_experts > 0 {
        Basis::Measured
    } else {
        Basis::Exact
    }
}

/// What stays with the processor: the embedding, layers that are not offloaded, pinned buffers.
fn host(load: &Load<'_>, prepared: &Prepared, weights: &LayerWeights) -> HostParts {
    if prepared.backend == Backend::Cpu {
        return HostParts::default();
    }
    let output = if load.options.gpu_layers == Some(0) {
        weights.output
    } else {
        Bytes::ZERO
    };
    HostParts {
        weights: weights.embedding
            + weights.range(&prepared.left)
            + weights.host_experts(load.options.host_experts)
            + output,
        kv_cache: prepared.left_cache,
        compute: prepared.host_compute,
    }
}

pub(super) fn settings(load: &Load<'_>) -> Result<Settings> {
    let flash_attention = load.options.flash_attention.unwrap_or(true);
    let supported = matches!(
        load.kv,
        KvFormat::F32
            | KvFormat::F16
            | KvFormat::Q8_0
            | KvFormat::Q5_1
            | KvFormat::Q5_0
            | KvFormat::Q4_1
            | KvFormat::Q4_0
            | KvFormat::Iq4Nl
    );
    if !supported {
        return Err(Error::Unanswerable(format!(
            "llama.cpp has no cache in `{}`",
            load.kv.name()
        )));
    }
    // Without flash attention values are turned about, which blocks do not allow; here keys are the values.
    let keys_are_values = match load.model.shape.attention {
        Attention::Latent { .. } => layout(load) == LatentLayout::Absorbed,
        Attention::Compressed(_) => true,
        Attention::Grouped { .. } => false,
    };
    let quantized = load.kv.block().0 > 1;
    if quantized && keys_are_values && !flash_attention {
        return Err(Error::Unanswerable(
            "llama.cpp cannot quantize the cache of latent attention without flash attention"
                .to_owned(),
        ));
    }
    let outputs = if load.options.all_logits {
        Outputs::EachToken
    } else {
        Outputs::EachSequence
    };
    let default = Settings::of(Tokens(load.context.0.saturating_mul(load.sequences)));
    Ok(Settings {
        sequences: load.sequences,
        unified: load.options.unified_cache,
        micro_batch: load.options.micro_batch.unwrap_or(default.micro_batch),
        keys: load.kv,
        // Values in blocks need flash attention; without it they stay in 16 bits.
        values: if quantized && !flash_attention {
            KvFormat::F16
        } else {
            load.kv
        },
        flash_attention,
        outputs,
        layout: layout(load),
        ..default
    })
}
