//! One decode step: each sequence gets one more token.

use super::machine::Machine;
use super::volume::Volume;
use super::{Bound, Workload};
use crate::units::float;

/// Bytes of one number that devices exchange.
const EXCHANGED: f64 = 2.0;
/// Exchanges of a layer: after attention and after the feed-forward.
const EXCHANGES: f64 = 2.0;

/// Seconds of a decode step by what they are spent on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    memory: f64,
    compute: f64,
    link: f64,
    overhead: f64,
}

impl Step {
    /// All of it: the parts add more than they overlap.
    pub(super) fn total(&self) -> f64 {
        self.memory + self.compute + self.link + self.overhead
    }

    /// The largest part.
    pub(super) fn bound(&self) -> Bound {
        [
            (self.memory, Bound::Memory),
            (self.compute, Bound::Compute),
            (self.link, Bound::Link),
            (self.overhead, Bound::Overhead),
        ]
        .into_iter()
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map_or(Bound::Memory, |(_, bound)| bound)
    }
}

/// Seconds of a step of `batch` sequences, midway through their answers.
pub(super) fn step(
    machine: &Machine<'_>,
    volume: &Volume,
    (workload, batch): (&Workload, f64),
) -> Step {
    let (constants, found) = (machine.constants, &machine.found);
    let layers = f64::from(volume.shape.layers);
    let devices = machine.tensor * machine.data;
    let here = batch / machine.data;
    let context = float(workload.cached) + float(workload.input) + float(workload.output) / 2.0;

    let experts = volume.touched(batch.powf(workload.routing)) / devices;
    let weights = volume.common / machine.tensor + experts;
    let cache = here * volume.cache(context, machine.tensor);

    let common = (volume.common_weights + volume.head_weights) / machine.tensor;
    // One sequence's products are part of unpacking.
    let multiplied = match found.unpack {
        Some(_) => (batch - 1.0).max(0.0),
        None => batch,
    };
    let operations = 2.0 * multiplied * (common / machine.data + volume.expert_weights / devices);
    let unpacked = found.unpack.map_or(0.0, |share| {
        2.0 * (common + volume.expert_weights / devices) / (machine.peak16 * share)
    });
    Step {
        memory: weights / (machine.bandwidth * found.weights)
            + cache / (machine.bandwidth * found.cache),
        compute: operations / (machine.peak * found.decode) + unpacked,
        link: exchange(machine, volume, here)
            + layers * fixed_exchange(machine)
            + (machine.row - 1.0) * constants.hop_seconds,
        overhead: constants.step_seconds + layers * found.layer + here * constants.sequence_seconds,
    }
}

/// Seconds that `tokens` tokens' activations take over the link in all layers.
pub(super) fn exchange(machine: &Machine<'_>, volume: &Volume, tokens: f64) -> f64 {
    if machine.tensor <= 1.0 {
        return 0.0;
    }
    let bytes = tokens * float(volume.shape.hidden) * EXCHANGED * EXCHANGES;
    f64::from(volume.shape.layers) * bytes / (machine.link * machine.constants.link_efficiency)
}

fn fixed_exchange(machine: &Machine<'_>) -> f64 {
    if machine.tensor > 1.0 {
        machine.constants.tensor_layer_seconds
    } else {
        0.0
    }
}
