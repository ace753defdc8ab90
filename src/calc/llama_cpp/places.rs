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
