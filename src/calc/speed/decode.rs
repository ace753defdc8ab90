//! One decode step: each sequence gets one more token.

use super::machine::Lay;
use super::prepared::Run;
use super::workload::{Bound, Routing};
use crate::units::float;

/// Bytes of one number that devices exchange.
pub(super) const EXCHANGED: f64 = 2.0;
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

    /// All parts so many times longer.
    fn times(self, factor: f64) -> Self {
        Self {
            memory: self.memory * factor,
            compute: self.compute * factor,
            link: self.link * factor,
            overhead: self.overhead * factor,
        }
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
///
/// Stages of a pipeline work on a share of the sequences each, one after another: a token passes all of
/// them while its neighbours fill the others.
pub(super) fn step(run: &Run<'_>, batch: f64) -> Step {
    let (machine, volume, places) = (run.machine, run.volume, &run.places);
    let (constants, found, workload) = (machine.constants, &machine.found, run.workload);
    let batch = match machine.lay {
        Lay::InARow => batch,
        Lay::Sharded => (batch / places.row).max(batch.min(1.0)),
    };
    let layers = f64::from(volume.shape.layers);
    let devices = places.sharing();
    let here = places.of_replica(batch);
    let context = float(workload.cached) + float(workload.input) + float(workload.output) / 2.0;
    let on_host = machine.host.layers;

    let choosing = match workload.routing {
        Routing::Independent => batch,
        Routing::Alike => batch.min(1.0),
    };
    let touched = volume.touched(choosing);
    let held = touched * (1.0 - machine.host.experts);
    let from_host = touched * machine.host.experts + on_host * (held + volume.common);
    let cache = here * volume.cache.read(context, places.tensor);
    let weights = volume.common / places.tensor + held / devices;
    let read =
        weights / (machine.bandwidth * found.weights) + cache / (machine.bandwidth * found.cache);
    let host = from_host + on_host * cache;

    Step {
        memory: (1.0 - on_host) * read + machine.host.rate.map_or(0.0, |rate| host / rate),
        compute: (1.0 - on_host) * arithmetic(run, batch),
        link: exchange(run, here)
            + layers * fixed_exchange(run)
            + (places.row - 1.0) * constants.hop_seconds
            + handed_on(run, here),
        overhead: constants.step_seconds + layers * found.layer + here * constants.sequence_seconds,
    }
    .times(machine.slower)
}

/// Seconds of a step's products; one sequence's hide behind reading where the peak is not sourced.
fn arithmetic(run: &Run<'_>, batch: f64) -> f64 {
    let (machine, volume, places) = (run.machine, run.volume, &run.places);
    let found = &machine.found;
    let common = (volume.common_weights + volume.head_weights) / places.tensor;
    let experts = volume.expert_weights / places.sharing();
    // One sequence's products are part of unpacking.
    let multiplied = match found.unpack {
        Some(_) => (batch - 1.0).max(0.0),
        None => batch,
    };
    let here = places.of_replica(multiplied);
    let operations = 2.0 * (here * common + multiplied * experts);
    let unpacked = found
        .unpack
        .zip(machine.unpacking)
        .map_or(0.0, |(share, rate)| {
            2.0 * (common + experts) / (rate * share)
        });
    let multiplying = match machine.further {
        Some(further) => further.seconds(multiplied, 2.0 * (common + experts)),
        None => machine
            .peak
            .map_or(0.0, |peak| operations / (peak * found.decode)),
    };
    multiplying + unpacked
}

/// Seconds that `tokens` tokens' activations take over the link in all layers.
pub(super) fn exchange(run: &Run<'_>, tokens: f64) -> f64 {
    let (shape, places) = (&run.volume.shape, &run.places);
    let efficiency = run.machine.constants.link_efficiency.min(1.0);
    let activations = f64::from(shape.layers) * tokens * float(shape.hidden) * EXCHANGED;
    let summed = if places.tensor > 1.0 {
        activations * EXCHANGES / (places.link * efficiency)
    } else {
        0.0
    };
    // Replicas of the attention send each token to its experts' devices and back.
    let sent = if places.data > 1.0 && run.volume.used > 0.0 {
        let copies = run.volume.used.min(places.sharing() - 1.0);
        activations * EXCHANGES * copies / (places.expert_link * efficiency)
    } else {
        0.0
    };
    summed + sent
}

/// Seconds that `tokens` tokens' activations take between servers that have layers one after another.
pub(super) fn handed_on(run: &Run<'_>, tokens: f64) -> f64 {
    tokens * float(run.volume.shape.hidden) * EXCHANGED * run.places.far_row
}

fn fixed_exchange(run: &Run<'_>) -> f64 {
    let places = &run.places;
    let sharing = places.tensor > 1.0 || places.data > 1.0 && run.volume.used > 0.0;
    if sharing {
        run.machine.constants.tensor_layer_seconds
    } else {
        0.0
    }
}
