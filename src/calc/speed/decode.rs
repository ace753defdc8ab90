//! One decode step: each sequence gets one more token.

use super::prepared::Run;
use super::workload::{Bound, Routing};
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
pub(super) fn step(run: &Run<'_>, batch: f64) -> Step {
    let (machine, volume, places) = (run.machine, run.volume, &run.places);
    let (constants, found, workload) = (machine.constants, &machine.found, run.workload);
    let layers = f64::from(volume.shape.layers);
    let devices = places.sharing();
    let here = batch / places.data;
    let context = float(workload.cached) + float(workload.input) + float(workload.output) / 2.0;

    let choosing = match workload.routing {
        Routing::Independent => batch,
        Routing::Alike => batch.min(1.0),
    };
    let weights = volume.common / places.tensor + volume.touched(choosing) / devices;
    let cache = here * volume.cache.read(context, places.tensor);

    let common = (volume.common_weights + volume.head_weights) / places.tensor;
    // One sequence's products are part of unpacking.
    let multiplied = match found.unpack {
        Some(_) => (batch - 1.0).max(0.0),
        None => batch,
    };
    let operations = 2.0 * multiplied * (common / places.data + volume.expert_weights / devices);
    let unpacked = found.unpack.map_or(0.0, |share| {
        2.0 * (common + volume.expert_weights / devices) / (machine.peak16 * share)
    });
    Step {
        memory: weights / (machine.bandwidth * found.weights)
            + cache / (machine.bandwidth * found.cache),
        compute: operations / (machine.peak * found.decode) + unpacked,
        link: exchange(run, here)
            + layers * fixed_exchange(run)
            + (places.row - 1.0) * constants.hop_seconds,
        overhead: constants.step_seconds + layers * found.layer + here * constants.sequence_seconds,
    }
}

/// Seconds that `tokens` tokens' activations take over the link in all layers.
pub(super) fn exchange(run: &Run<'_>, tokens: f64) -> f64 {
    if run.places.tensor <= 1.0 {
        return 0.0;
    }
    let shape = &run.volume.shape;
    let bytes = tokens * float(shape.hidden) * EXCHANGED * EXCHANGES;
    let rate = run.places.link * run.machine.constants.link_efficiency;
    f64::from(shape.layers) * bytes / rate
}

fn fixed_exchange(run: &Run<'_>) -> f64 {
    if run.places.tensor > 1.0 {
        run.machine.constants.tensor_layer_seconds
    } else {
        0.0
    }
}
