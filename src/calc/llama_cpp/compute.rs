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

/// The buffers of the largest micro-batch with its layers on `backend`; none for a shape that llama.cpp does not load (V4.1).
#[must_use]
pub fn buffers(
    shape: &Shape,
    settings: &Settings,
    backend: Backend,
    part: Part,
) -> Option<Buffers> {
    network::buffers(shape, settings, backend, part)
}

/// The compute buffer of a device that holds some layers and perhaps the output; none as for [`buffers`].
#[must_use]
pub fn device(shape: &Shape, settings: &Settings, backend: Backend, part: Part) -> Option<Bytes> {
    let buffers = buffers(shape, settings, backend, part)?;
    Some(match backend {
        Backend::Cpu => buffers.host,
        Backend::Cuda => buffers.device,
    })
}

/// Pinned host memory beside devices, and what layers left with the processor need; none as for [`buffers`].
#[must_use]
pub fn host(shape: &Shape, settings: &Settings, layers: bool) -> Option<Bytes> {
    let pinned = network::pinned(shape, settings)?;
    if !layers {
        return Some(pinned);
    }
    let part = Part {
        output: false,
        pipelined: false,
    };
    Some(pinned.max(device(shape, settings, Backend::Cpu, part)?))
}

/// How the buffers are known: V4's were never seen on a GPU.
#[must_use]
pub fn basis(shape: &Shape, backend: Backend) -> Basis {
    match (&shape.attention, backend) {
        (Attention::Grouped { .. } | Attention::Latent { .. }, _)
        | (Attention::Compressed(_), Backend::Cpu) => Basis::Exact,
        (Attention::Compressed(_), Backend::Cuda) => Basis::Modelled,
    }
}
