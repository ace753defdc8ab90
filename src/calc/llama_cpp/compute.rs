//! The buffers of one forward pass.

use std::ops::Range;

use super::backend::Backend;
use super::network;
use super::settings::Settings;
use crate::catalog::Basis;
use crate::catalog::shape::{Attention, FeedForward, Shape};
use crate::units::Bytes;

pub use super::graph::Buffers;

/// The part of a graph that one device computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Whether the device holds the output head.
    pub output: bool,
    /// Whether several GPUs hold the layers, so that micro-batches follow each other through them.
    pub pipelined: bool,
    /// Experts in host memory that it computes all the same.
    pub staged: Option<Staged>,
}

/// Routed experts in host memory, which a large batch copies to the first GPU, one matrix of a layer at a time.
///
/// Source: `ggml_backend_sched_backend_id_from_cur` and `ggml_backend_sched_split_graph` in `ggml/src/ggml-backend.cpp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// The layers below this one are those whose experts lie there.
    pub kept: u32,
    /// The largest gates of a layer, as the GPU holds them.
    pub gate: Bytes,
    /// The largest up projections.
    pub up: Bytes,
    /// The largest down projections.
    pub down: Bytes,
}

/// Tokens of a batch from which on a GPU computes with weights that lie in host memory.
///
/// Source: `GGML_OP_OFFLOAD_MIN_BATCH` in `ggml/src/ggml-cuda/ggml-cuda.cu`, where nobody sets it.
const OFFLOADED_BATCH: u64 = 32;

/// The compute buffers of the first GPU when a large batch copies experts of host memory to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Staging {
    /// For experts of its own layers.
    own: Bytes,
    /// For those of other GPUs' layers.
    foreign: Bytes,
}

impl Staging {
    /// For `staged` on a GPU that holds the output or not; none as for [`buffers`].
    pub(super) fn of(
        shape: &Shape,
        settings: &Settings,
        (output, staged): (bool, Staged),
    ) -> Option<Self> {
        let tokens = settings.batch_tokens();
        let is_offloaded = tokens >= OFFLOADED_BATCH;
        let part = Part {
            output,
            pipelined: false,
            staged: is_offloaded.then_some(staged),
        };
        Some(Self {
            own: device(shape, settings, Backend::Cuda, part)?,
            foreign: if is_offloaded {
                foreign(shape, tokens, staged)
            } else {
                Bytes::ZERO
            },
        })
    }

    /// For a GPU whose layers are `layers`, when the experts of the layers below `kept` lie in host memory.
    pub(super) fn bytes(self, layers: &Range<u32>, kept: u32) -> Bytes {
        if kept > layers.end {
            self.own.max(self.foreign)
        } else {
            self.own
        }
    }
}

/// What the first GPU needs for experts of layers that lie on other GPUs: their input, all experts ranked, and
/// copies of two matrices.
///
/// Source: two H200, 2026-11-29 (`tests/data/llamacpp-host-h200.csv`): equal in all that is printed.
fn foreign(shape: &Shape, tokens: u64, staged: Staged) -> Bytes {
    let FeedForward::Experts { experts, .. } = shape.feed_forward else {
        return Bytes::ZERO;
    };
    let width = shape.hidden.saturating_add(experts);
    let wide = tokens
        .saturating_mul(width)
        .saturating_mul(network::ACTIVATION);
    Bytes(wide) + staged.gate.max(staged.up) + staged.down
}

impl Part {
    /// The whole graph.
    pub const WHOLE: Self = Self {
        output: true,
        pipelined: false,
        staged: None,
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
        staged: None,
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
