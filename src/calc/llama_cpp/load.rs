//! From a question to llama.cpp's memory: which layer lies where, and what each device holds.

use std::ops::Range;

use super::backend::Backend;
use super::cache::layer_bytes;
use super::compute::{self, Part};
use super::settings::{Outputs, Settings};
use crate::calc::gguf::{BlockType, FileType};
use crate::calc::gguf_tensors::{Category, GgufTensor, LatentLayout, gguf_tensors};
use crate::calc::hardware::Hardware;
use crate::calc::load::Load;
use crate::calc::memory::{HostParts, Memory, Parts, Scope, Step};
use crate::calc::mix::{self, Mix, each_run};
use crate::calc::tensors::Section;
use crate::catalog::format::Storage;
use crate::catalog::model::FileSizes;
use crate::catalog::shape::{Attention, Shape};
use crate::catalog::{Basis, KvFormat};
use crate::error::{Error, Result};
use crate::units::{Bytes, Tokens, count, float, whole};

/// Where every formula of this module comes from.
const SOURCE: &str = "ggml-org/llama.cpp 0.5.0-dev (0c1e57098bba)";

/// What a device holds, and whether it is one: layers `layers` and perhaps the output.
#[derive(Debug, Clone)]
struct Place {
    layers: Range<u32>,
    output: bool,
}

/// Everything that does not depend on the format of the weights.
#[derive(Debug, Clone)]
pub struct Prepared {
    settings: Settings,
    backend: Backend,
    places: Vec<Place>,
    /// Cache and compute buffer of each device.
    devices: Vec<(Bytes, Bytes)>,
    /// Layers that stay with the processor.
    left: Range<u32>,
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
    let pipelined = backend == Backend::Cuda && places.len() > 1;
    let cache = |layers: &Range<u32>, backend| -> Bytes {
        layers
            .clone()
            .map(|layer| layer_bytes(shape, &settings, (layer, backend)))
            .sum()
    };
    let parts = [false, true].map(|output| {
        let wanted = places.iter().any(|place| place.output == output);
        let part = Part { output, pipelined };
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

/// Whether the file caches every head's keys and values: said so, or seen in the user's own file.
fn is_legacy(load: &Load<'_>) -> bool {
    load.options.legacy_file || load.model.file.as_ref().is_some_and(|file| file.multi_head)
}

fn unknown(load: &Load<'_>) -> Error {
    Error::Unanswerable(format!(
        "llama.cpp does not load {}: it has no graph for `{:?}`",
        load.model.id, load.model.shape.architecture
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
    let weights = match load.model.file.as_ref().filter(|file| file.is_gguf) {
        Some(file) => LayerWeights::of_file(file),
        None => LayerWeights::of(shape, mix(load)?, (backend, &prepared.tensors)),
    };
    let devices = prepared
        .places
        .iter()
        .zip(&prepared.devices)
        .map(|(place, (kv_cache, compute))| Parts {
            weights: weights.on(place, backend),
            kv_cache: *kv_cache,
            compute: *compute,
            runtime: runtime(load, backend),
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
            .and(runtime_basis(backend)),
        steps: Vec::new(),
        notes: notes(load, prepared, weights.repacked),
    };
    if load.explain {
        memory.steps = steps(load, &prepared.settings, &memory);
    }
    Ok(memory)
}

/// Bytes of all tensors in the file, those of draft layers included; none when the format is no GGUF type.
#[must_use]
pub fn file_bytes(load: &Load<'_>) -> Option<Bytes> {
    let shape = &load.model.shape;
    if let Some(file) = load.model.file.as_ref().filter(|file| file.is_gguf) {
        return Some(file.total);
    }
    let layout = if is_legacy(load) {
        LatentLayout::MultiHead
    } else {
        LatentLayout::Absorbed
    };
    Some(mix::file_bytes(
        shape,
        &gguf_tensors(shape, layout),
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

fn settings(load: &Load<'_>) -> Result<Settings> {
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
        Attention::Latent { .. } => !is_legacy(load),
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
        layout: if is_legacy(load) {
            LatentLayout::MultiHead
        } else {
            LatentLayout::Absorbed
        },
        ..default
    })
}

/// Which layers each device holds: the last `--gpu-layers`, in proportion to the devices' memory.
///
/// Source: `load_tensors` in `src/llama-model.cpp`: the output counts as one more layer.
fn places(load: &Load<'_>, backend: Backend) -> Vec<Place> {
    let layers = load.model.shape.layers;
    let all = layers.saturating_add(1);
    let offloaded = match backend {
        Backend::Cpu => all,
        Backend::Cuda => load.options.gpu_layers.unwrap_or(all).min(all),
    };
    let first = all - offloaded;
    let shares = shares(load);
    let mut places = Vec::with_capacity(shares.len());
    let mut start = first;
    let mut sum = 0.0;
    for (position, share) in shares.iter().enumerate() {
        sum += share;
        let last = position + 1 == shares.len();
        // The first layer whose place in the row is not below the devices so far.
        let end = if last {
            all
        } else {
            first + small(float(u64::from(offloaded)) * sum).min(offloaded)
        };
        let end = end.max(start);
        places.push(Place {
            layers: start.min(layers)..end.min(layers),
            output: end == all && start < all,
        });
        start = end;
    }
    places
}

fn small(value: f64) -> u32 {
    u32::try_from(whole(value.ceil())).unwrap_or(u32::MAX)
}

/// Each device's share of the memory of all.
fn shares(load: &Load<'_>) -> Vec<f64> {
    let Some(hardware) = load.hardware else {
        return vec![1.0];
    };
    let sizes: Vec<f64> = hardware
        .devices
        .iter()
        .map(|device| device.usable.map_or(1.0, |usable| usable.bytes.as_f64()))
        .collect();
    let sum: f64 = sizes.iter().sum();
    sizes.into_iter().map(|size| size / sum).collect()
}

/// Bytes of the weights by layer, as a kind of memory rounds them.
struct LayerWeights {
    /// Layers that have a tensor in one type, and its bytes in each of them.
    runs: Vec<(Range<u32>, Bytes)>,
    embedding: Bytes,
    output: Bytes,
    /// What the processor copies into an order of its own, beside the mapped file.
    repacked: Bytes,
}

/// Types that a processor with AVX2 multiplies in an order of its own, into which it copies them.
///
/// Source: `ggml_repack_get_optimal_repack_type` in `ggml/src/ggml-cpu/repack.cpp`; with AVX-512 `Q2_K` as well.
const REPACKED: [BlockType; 4] = [
    BlockType::Q4_0,
    BlockType::Q4K,
    BlockType::Iq4Nl,
    BlockType::Mxfp4,
];

impl LayerWeights {
    fn of(shape: &Shape, mix: Mix, (backend, tensors): (Backend, &[GgufTensor])) -> Self {
        let mut found = Self {
            runs: Vec::with_capacity(64),
            embedding: Bytes::ZERO,
            output: Bytes::ZERO,
            repacked: Bytes::ZERO,
        };
        each_run(shape, tensors, mix, |run| {
            if run.tensor.section == Section::Draft {
                return;
            }
            // The processor maps the file as it is; a GPU's memory rounds every tensor up.
            let held = |backend: Backend| match backend {
                Backend::Cpu => run.each(),
                Backend::Cuda => {
                    let block = (run.block.elements(), run.block.block_bytes());
                    backend.tensor_bytes(run.each(), run.tensor.columns, block)
                }
            };
            if run.tensor.category == Category::Embedding {
                found.embedding += held(Backend::Cpu);
                if shape.tied_embeddings {
                    found.output += held(backend);
                }
                return;
            }
            if REPACKED.contains(&run.block) {
                found.repacked += run.bytes();
            }
            let each = held(backend);
            if run.tensor.in_layer {
                found.runs.push((run.layers.clone(), each));
            } else {
                found.output += each;
            }
        });
        found
    }

    /// What the user's own file holds.
    fn of_file(file: &FileSizes) -> Self {
        Self {
            runs: (0..)
                .zip(&file.layers)
                .map(|(layer, each)| (layer..layer + 1, *each))
                .collect(),
            embedding: file.embedding,
            output: file.output,
            repacked: Bytes::ZERO,
        }
    }

    fn range(&self, layers: &Range<u32>) -> Bytes {
        self.runs
            .iter()
            .map(|(run, each)| {
                let (start, end) = (run.start.max(layers.start), run.end.min(layers.end));
                *each * u64::from(end.saturating_sub(start))
            })
            .sum()
    }

    fn on(&self, place: &Place, backend: Backend) -> Bytes {
        let output = if place.output {
            self.output
        } else {
            Bytes::ZERO
        };
        let embedding = if backend == Backend::Cpu {
            self.embedding
        } else {
            Bytes::ZERO
        };
        self.range(&place.layers) + output + embedding
    }
}

/// The device context of the process; nothing on the processor.
fn runtime(load: &Load<'_>, backend: Backend) -> Bytes {
    match backend {
        Backend::Cpu => Bytes::ZERO,
        Backend::Cuda => {
            let runtime = load.engine.and_then(|engine| engine.runtime.as_ref());
            runtime.map_or(Bytes::ZERO, |runtime| runtime.context_bytes)
        }
    }
}

/// The device context is a measurement; the processor has none.
fn runtime_basis(backend: Backend) -> Basis {
    match backend {
        Backend::Cpu => Basis::Exact,
        Backend::Cuda => Basis::Measured,
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
        weights: weights.embedding + weights.range(&prepared.left) + output,
        kv_cache: prepared.left_cache,
        compute: prepared.host_compute,
    }
}

/// What else the user should know.
fn notes(load: &Load<'_>, prepared: &Prepared, repacked: Bytes) -> Vec<String> {
    let mut notes = Vec::new();
    if prepared.backend == Backend::Cpu && repacked > Bytes::ZERO {
        notes.push(format!(
            "a processor with AVX2 copies {repacked} of the weights into an order of its own, beside the mapped file (--no-repack keeps it from that)"
        ));
    }
    if prepared.settings.layout == LatentLayout::MultiHead {
        notes.push("a file from before latent attention was supported: convert it again to cache the latent alone".to_owned());
    }
    if prepared.settings.keys != prepared.settings.values {
        notes.push("without flash attention llama.cpp caches values in 16 bits".to_owned());
    }
    if !prepared.left.is_empty() {
        let layers = prepared.left.end - prepared.left.start;
        notes.push(format!(
            "{layers} of {} layers stay with the processor",
            load.model.shape.layers
        ));
    }
    notes
}

fn steps(load: &Load<'_>, settings: &Settings, memory: &Memory) -> Vec<Step> {
    let sum = memory.sum();
    let step = |part, formula: String, bytes, basis, file: &str| Step {
        part,
        formula,
        bytes,
        basis,
        source: format!("{SOURCE} {file}"),
    };
    let shape = &load.model.shape;
    let devices = count(memory.devices.len());
    vec![
        step(
            "weights",
            format!(
                "every tensor in the block type that {} gives it; {} stay on the host",
                load.format.name, memory.host.weights
            ),
            sum.weights,
            load.model.basis,
            "src/llama-quant.cpp",
        ),
        step(
            "KV cache",
            format!(
                "{} streams x {} cells x {} layers in {}",
                settings.streams(),
                settings.cells(),
                shape.layers,
                settings.keys.name()
            ),
            sum.kv_cache,
            load.model.basis,
            "src/llama-kv-cache.cpp",
        ),
        step(
            "compute",
            format!(
                "one graph of {} tokens with {} rows of logits, on each of {devices} devices",
                settings.batch_tokens(),
                settings.output_rows()
            ),
            sum.compute,
            compute::basis(
                shape,
                if sum.runtime > Bytes::ZERO {
                    Backend::Cuda
                } else {
                    Backend::Cpu
                },
            ),
            "ggml/src/ggml-alloc.c",
        ),
        Step {
            part: "runtime",
            formula: format!("the device context of one process on each of {devices} devices"),
            bytes: sum.runtime,
            basis: Basis::Measured,
            source: load
                .engine
                .and_then(|engine| engine.runtime.as_ref())
                .map_or_else(String::new, |runtime| runtime.source.clone()),
        },
    ]
}
