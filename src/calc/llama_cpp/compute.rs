//! The buffers of one forward pass.
//!
//! Interim closed forms for a fully offloaded model; source: sizes that llama.cpp 0.5.0-dev (0c1e57098bba) prints.

use super::backend::Backend;
use super::settings::Settings;
use crate::catalog::Basis;
use crate::catalog::shape::{Attention, FeedForward, Shape};
use crate::units::Bytes;

/// Bytes of one 32-bit number.
const SINGLE: u64 = 4;

/// The compute buffer of a device that holds some layers and perhaps the output.
#[must_use]
pub fn device(shape: &Shape, settings: &Settings, backend: Backend, output: bool) -> Bytes {
    let tokens = settings.batch_tokens();
    let hidden = shape.hidden;
    let cells = settings.cells();
    let heads = shape.attention.heads();
    let mask = if settings.flash_attention {
        2 * cells
    } else {
        4 * cells
    };
    let scores = if settings.flash_attention {
        0
    } else {
        SINGLE * heads * cells
    };
    let inner = match &shape.feed_forward {
        FeedForward::Dense { intermediate } => 3 * SINGLE * intermediate,
        FeedForward::Experts {
            expert_intermediate,
            experts_per_token,
            dense_intermediate,
            ..
        } => {
            let experts = SINGLE * experts_per_token * (3 * expert_intermediate + hidden);
            experts.max(3 * SINGLE * dense_intermediate)
        }
    };
    let attention = match &shape.attention {
        Attention::Grouped { .. } | Attention::Compressed(_) => 4 * SINGLE * hidden,
        Attention::Latent {
            heads,
            nope_size,
            rope_size,
            kv_rank,
            ..
        } => SINGLE * (heads * (nope_size + 3 * rope_size + 2 * kv_rank) + 3 * hidden),
    };
    let feed_forward = tokens * (inner + 3 * SINGLE * hidden + mask);
    let attended = tokens * (attention + mask + scores);
    let logits = if output {
        SINGLE * (shape.vocabulary * settings.output_rows() + hidden * tokens)
    } else {
        0
    };
    let extra = match backend {
        Backend::Cpu => tokens * 2 * SINGLE * hidden,
        Backend::Cuda => 0,
    };
    Bytes(feed_forward.max(attended).max(logits) + extra)
}

/// Pinned host memory beside devices.
#[must_use]
pub fn host(shape: &Shape, settings: &Settings, layers: bool) -> Bytes {
    let tokens = settings.batch_tokens();
    let mask = if settings.flash_attention { 2 } else { 4 } * settings.cells();
    let pinned = Bytes(tokens * (8 * shape.hidden + mask + 24));
    if layers {
        pinned + device(shape, settings, Backend::Cpu, false)
    } else {
        pinned
    }
}

/// How the buffers are known.
#[must_use]
pub fn basis(_: &Shape, _: &Settings) -> Basis {
    Basis::Modelled
}
