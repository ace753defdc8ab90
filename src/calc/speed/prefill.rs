//! Prompts: all their tokens at once, chunk by chunk.

use super::decode::{exchange, handed_on};
use super::machine::Lay;
use super::prepared::Run;
use crate::units::float;

/// Seconds of prompts by what they depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prompt {
    /// Arithmetic and links: what each token adds.
    pub(super) work: f64,
    /// Starting layers, and reading weights as far as nothing else happens meanwhile: what chunks add.
    pub(super) chunks: f64,
}

impl Prompt {
    pub(super) fn total(self) -> f64 {
        self.work + self.chunks
    }
}

/// Seconds that `prompts` prompts take, without what an engine takes whatever it computes.
///
/// None where weights lie in host memory or no peak is sourced: neither was measured.
pub(super) fn prompts(run: &Run<'_>, prompts: f64) -> Option<Prompt> {
    let (machine, volume, places) = (run.machine, run.volume, &run.places);
    let (constants, found) = (machine.constants, &machine.found);
    let each = float(run.workload.input);
    let tokens = each * prompts;
    if tokens <= 0.0 {
        return Some(Prompt {
            work: 0.0,
            chunks: 0.0,
        });
    }
    if machine.host.is_used() {
        return None;
    }
    let (peak, peak16) = (machine.peak?, machine.peak16?);
    let devices = places.sharing();
    // A prompt lives on one replica: no other computes its attention and dense layers.
    let here = each * places.of_replica(prompts);
    let count = (here / float(constants.chunk_tokens.max(1))).max(1.0);
    let linear = 2.0
        * (here * volume.common_weights / places.tensor + tokens * volume.expert_weights / devices);
    let seen = float(run.workload.cached) + each / 2.0;
    let attention = here * volume.attention(seen, constants.absorbed_prefill) / places.tensor;
    let weights = volume.common / places.tensor + volume.touched(tokens) / devices;
    let multiplying = linear / (peak * found.prefill);
    let work = multiplying + attention / (peak16 * found.attention) + exchange(run, here);
    let reading = count * weights / (machine.bandwidth * found.weights);
    let waiting = match machine.lay {
        // Weights are unpacked first.
        Lay::InARow => reading,
        // Weights are read while others are multiplied.
        Lay::Sharded => (reading - multiplying).max(0.0),
    };
    let chunks = count * f64::from(volume.shape.layers) * found.chunk_layer + waiting;
    // Devices in a row work on different chunks once the first chunk has passed them all.
    let pieces = match machine.lay {
        Lay::InARow => count,
        Lay::Sharded => count.max(prompts),
    };
    let overlap = places.row * pieces / (pieces + places.row - 1.0) / machine.slower;
    let hops = (places.row - 1.0) * constants.prefill_hop_seconds + handed_on(run, here);
    Some(Prompt {
        work: work / overlap,
        chunks: chunks / overlap + hops,
    })
}
