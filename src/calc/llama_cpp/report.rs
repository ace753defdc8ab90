//! How the figures came about, and what the user should know about them.

use super::backend::Backend;
use super::compute;
use super::load::Prepared;
use super::settings::Settings;
use crate::calc::gguf_tensors::LatentLayout;
use crate::calc::load::Load;
use crate::calc::memory::{Memory, Step};
use crate::catalog::Basis;
use crate::units::{Bytes, count};

/// Where every formula of this module comes from.
const SOURCE: &str = "ggml-org/llama.cpp 0.5.0-dev (0c1e57098bba)";

/// What else the user should know.
pub(super) fn notes(load: &Load<'_>, prepared: &Prepared, repacked: Bytes) -> Vec<String> {
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

pub(super) fn steps(load: &Load<'_>, settings: &Settings, memory: &Memory) -> Vec<Step> {
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
