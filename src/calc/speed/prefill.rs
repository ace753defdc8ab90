//! Prompts: all their tokens at once, chunk by chunk.

use super::decode::exchange;
use super::prepared::Run;
use crate::units::float;

/// Seconds that `prompts` prompts take, without what an engine takes whatever it computes.
pub(super) fn seconds(run: &Run<'_>, prompts: f64) -> f64 {
    let (machine, volume, places) = (run.machine, run.volume, &run.places);
    let (constants, found) = (machine.constants, &machine.found);
    let devices = places.sharing();
    let each = float(run.workload.input);
    let tokens = each * prompts;
    if tokens <= 0.0 {
        return 0.0;
    }
    let here = tokens / places.data;
    let chunks = (here / float(constants.chunk_tokens.max(1))).max(1.0);
    let linear = 2.0
        * (here * volume.common_weights / places.tensor + tokens * volume.expert_weights / devices);
    let seen = float(run.workload.cached) + each / 2.0;
    let attention = here * volume.attention(seen, constants.absorbed_prefill) / places.tensor;
    let weights = volume.common / places.tensor + volume.touched(tokens) / devices;
    let one_by_one = linear / (machine.peak * found.prefill)
        + attention / (machine.peak16 * found.attention)
        + exchange(run, here)
        + chunks * f64::from(volume.shape.layers) * found.chunk_layer
        + chunks * weights / (machine.bandwidth * found.weights);
    // Devices in a row work on different chunks once the first chunk has passed them all.
    let overlap = places.row * chunks / (chunks + places.row - 1.0);
    one_by_one / overlap + (places.row - 1.0) * constants.prefill_hop_seconds
}
