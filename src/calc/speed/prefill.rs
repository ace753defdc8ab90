//! Prompts: all their tokens at once, chunk by chunk.

use super::Workload;
use super::decode::exchange;
use super::machine::Machine;
use super::volume::Volume;
use crate::units::float;

/// Seconds that `prompts` prompts take, without what an engine takes whatever it computes.
pub(super) fn seconds(
    machine: &Machine<'_>,
    volume: &Volume,
    (workload, prompts): (&Workload, f64),
) -> f64 {
    let (constants, found) = (machine.constants, &machine.found);
    let devices = machine.tensor * machine.data;
    let each = float(workload.input);
    let tokens = each * prompts;
    if tokens <= 0.0 {
        return 0.0;
    }
    let here = tokens / machine.data;
    let chunks = (here / float(constants.chunk_tokens.max(1))).max(1.0);
    let linear = 2.0
        * (here * volume.common_weights / machine.tensor
            + tokens * volume.expert_weights / devices);
    let seen = float(workload.cached) + each / 2.0;
    let attention = here * volume.attention(seen, constants.absorbed_prefill) / machine.tensor;
    let weights = volume.common / machine.tensor + volume.touched(tokens) / devices;
    let one_by_one = linear / (machine.peak * found.prefill)
        + attention / (machine.peak16 * found.attention)
        + exchange(machine, volume, here)
        + chunks * f64::from(volume.shape.layers) * found.chunk_layer
        + chunks * weights / (machine.bandwidth * found.weights);
    // Devices in a row work on different chunks once the first chunk has passed them all.
    let overlap = machine.row * chunks / (chunks + machine.row - 1.0);
    one_by_one / overlap + (machine.row - 1.0) * constants.prefill_hop_seconds
}
