//! Which device holds which layers.

use std::ops::Range;

use super::backend::Backend;
use crate::calc::hardware::Hardware;
use crate::calc::load::Load;
use crate::units::{float, whole};

/// The layers of each device of `load`, first to last, and whether it holds the output.
#[must_use]
pub fn layers_by_device(load: &Load<'_>) -> Vec<(Range<u32>, bool)> {
    let processor = load.hardware.is_some_and(Hardware::is_cpu);
    let backend = if processor {
        Backend::Cpu
    } else {
        Backend::Cuda
    };
    places(load, backend)
        .into_iter()
        .map(|place| (place.layers, place.output))
        .collect()
}

/// What a device holds, and whether it is one: layers `layers` and perhaps the output.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) layers: Range<u32>,
    pub(super) output: bool,
}

/// Which layers each device holds: the last `--gpu-layers`, in proportion to the devices' memory.
///
/// Source: `load_tensors` in `src/llama-model.cpp`: the output counts as one more layer.
pub(super) fn places(load: &Load<'_>, backend: Backend) -> Vec<Place> {
    let layers = load.model.shape.layers;
    let all = layers.saturating_add(1);
    let offloaded = match backend {
        Backend::Cpu => all,
        Backend::Cuda => load.options.gpu_layers.unwrap_or(all).min(all),
    };
    let first = all - offloaded;
    let ends = match load.options.layer_split {
        Some(split) => by_parts(split.parts(), offloaded),
        None => by_shares(&shares(load), offloaded),
    };
    let mut places = Vec::with_capacity(ends.len());
    let mut start = first;
    for end in ends {
        let end = (first + end).max(start);
        places.push(Place {
            layers: start.min(layers)..end.min(layers),
            output: end == all && start < all,
        });
        start = end;
    }
    places
}

/// Where each device's layers end among those that are offloaded: at the first layer whose place in the row is not
/// below the shares of memory so far.
fn by_shares(shares: &[f64], offloaded: u32) -> Vec<u32> {
    let mut sum = 0.0;
    let mut ends: Vec<u32> = shares
        .iter()
        .map(|share| {
            sum += share;
            small(float(u64::from(offloaded)) * sum).min(offloaded)
        })
        .collect();
    if let Some(last) = ends.last_mut() {
        *last = offloaded;
    }
    ends
}

/// The same for whole parts, which are exact where they are as many as the layers.
fn by_parts(parts: &[u32], offloaded: u32) -> Vec<u32> {
    let all: u64 = parts.iter().copied().map(u64::from).sum();
    let mut sum = 0;
    let end = |part: &u32| {
        sum += u64::from(*part);
        let end = (u64::from(offloaded) * sum).div_ceil(all.max(1));
        u32::try_from(end).unwrap_or(offloaded)
    };
    parts.iter().map(end).collect()
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
