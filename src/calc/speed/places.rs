//! How a model lies on its devices.

use super::machine::{Lay, Machine};
use crate::calc::load::Split;
use crate::units::float;

/// Why a machine has no figure for a split or a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// The link between devices has no sourced rate.
    Link,
    /// How fast servers are joined was not said.
    Network,
    /// The memory of the device is not known, hence not how many sequences it holds.
    Memory,
    /// No speculative run of such a model was measured.
    Speculative,
    /// Prompts that are computed from the host's memory were not measured.
    Host,
    /// Prompts and batches need a peak, and the device has none that is sourced.
    Peak,
}

/// Devices by what they share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// Devices that share each layer.
    pub(super) tensor: f64,
    /// Replicas of the attention.
    pub(super) data: f64,
    /// Devices that layers pass one after another.
    pub(super) row: f64,
    /// Bytes per second of the link that the devices of a layer share, one direction.
    pub(super) link: f64,
    /// The same for those that share its experts.
    pub(super) expert_link: f64,
    /// Seconds that a byte takes between servers, over all that layers pass one after another; nothing where the
    /// network is not known, as a stage's activations are small.
    pub(super) far_row: f64,
}

impl Places {
    /// Where `split` puts the model on `devices`, or why its speed is unknown.
    ///
    /// `experts`: whether the replicas of the attention share experts.
    pub(super) fn of(
        machine: &Machine<'_>,
        (split, devices): (Split, u64),
        experts: bool,
    ) -> Result<Self, Unknown> {
        let (tensor, data) = (split.tensor.max(1), split.data.max(1));
        let sharing = if experts {
            tensor.saturating_mul(data)
        } else {
            1
        };
        let row = match machine.lay {
            Lay::InARow => (devices / tensor).max(1),
            Lay::Sharded => split.pipeline.max(1),
        };
        Ok(Self {
            tensor: float(tensor),
            data: float(data),
            row: float(row),
            link: link(machine, tensor)?,
            expert_link: link(machine, sharing)?,
            far_row: far_row(machine, (row, devices)),
        })
    }

    /// How many of `sequences` the busiest replica has: whole ones.
    pub(super) fn of_replica(&self, sequences: f64) -> f64 {
        (sequences / self.data).max(sequences.min(1.0))
    }

    /// Devices that share the experts of a layer.
    pub(super) fn sharing(&self) -> f64 {
        self.tensor * self.data
    }
}

/// Seconds that a byte takes over the network between `row` stages on `devices`.
fn far_row(machine: &Machine<'_>, (row, devices): (u64, u64)) -> f64 {
    let servers = machine.per_node.map_or(1, |held| devices.div_ceil(held));
    let hops = servers.min(row).saturating_sub(1);
    machine.far_link.map_or(0.0, |rate| float(hops) / rate)
}

/// The link among `devices`: the network where they do not fit one node.
fn link(machine: &Machine<'_>, devices: u64) -> Result<f64, Unknown> {
    let apart = machine.per_node.is_some_and(|held| devices > held);
    match (devices, apart) {
        (0..=1, _) => Ok(f64::INFINITY),
        (_, false) => machine.link.ok_or(Unknown::Link),
        (_, true) => machine.far_link.ok_or(Unknown::Network),
    }
}
