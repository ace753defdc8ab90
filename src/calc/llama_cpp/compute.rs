//! The buffers of one forward pass.

use super::backend::Backend;
use super::network;
use super::settings::Settings;
use crate::catalog::Basis;
use crate::catalog::shape::{Attention, Shape};
use crate::units::Bytes;

pub use super::graph::Buffers;

/// The part of a graph that one device computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Whether the device holds the output head.
    pub output: bool,
    /// Whether several GPUs hold the layers, so that micro-batches follow each other through them.
    pub pipelined: bool,
}

impl Part {
    /// The whole graph.
    pub const WHOLE: Self = Self {
        output: true,
        pipelined: false,
    };
}

/// The buffers of the largest micro-batch with its layers on `backend`; none where the attention is not listed (V4).
#[must_use]
pub fn buffers(
    shape: &Shape,
    settings: &Settings,
    backend: Backend,
    part: Part,
) -> Option<Buffers> {
    network::buffers(shape, settings, backend, part)
}

/// The compute buffer of a device that holds some layers and perhaps the output.
#[must_use]
pub fn device(shape: &Shape, settings: &Settings, backend: Backend, part: Part) -> Bytes {
    match (buffers(shape, settings, backend, part), backend) {
        (Some(buffers), Backend::Cpu) => buffers.host,
        (Some(buffers), Backend::Cuda) => buffers.device,
        (None, _) => compressed(settings),
    }
}

/// Pinned host memory beside devices, and what layers left with the processor need.
#[must_use]
pub fn host(shape: &Shape, settings: &Settings, layers: bool) -> Bytes {
    let pinned = network::pinned(shape, settings).unwrap_or_else(|| pinned(shape, settings));
    if !layers {
        return pinned;
    }
    let part = Part {
        output: false,
        pipelined: false,
    };
    pinned.max(device(shape, settings, Backend::Cpu, part))
}

/// How the buffers are known.
#[must_use]
pub fn basis(shape: &Shape, _: &Settings) -> Basis {
    match shape.attention {
        Attention::Grouped { .. } | Attention::Latent { .. } => Basis::Exact,
        Attention::Compressed(_) => Basis::Modelled,
    }
}

/// V4's buffer, fitted to the sizes that llama.cpp 0.5.0-dev (0c1e57098bba) prints for V4-Flash, within 12 %.
fn compressed(settings: &Settings) -> Bytes {
    let (constant, tenths_per_cell) = if settings.flash_attention {
        (530_000, 30)
    } else {
        (720_000, 666)
    };
    let each = settings.cells().saturating_mul(tenths_per_cell) / 10 + constant;
    Bytes(settings.batch_tokens().saturating_mul(each))
}

/// Embeddings, mask and indices in the processor's memory.
fn pinned(shape: &Shape, settings: &Settings) -> Bytes {
    let mask = if settings.flash_attention { 2 } else { 4 } * settings.cells();
    Bytes(settings.batch_tokens()) * (8 * shape.hidden + mask + 24)
}
