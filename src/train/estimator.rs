//! DeepSpeed's own estimate of model states, for what it says about the host's memory.
//!
//! Source: DeepSpeed 0.19.8, `estimate_zero2_model_states_mem_needs` in
//! `runtime/zero/stage_1_and_2.py` and `estimate_zero3_model_states_mem_needs` in `stage3.py`.

use super::job::{Offload, Zero};
use crate::units::{Bytes, Parameters};

/// What the estimate is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Parameters of the model.
    pub total: Parameters,
    /// Parameters of its largest layer.
    pub largest: Parameters,
    /// Devices of a server.
    pub devices_per_node: u64,
    /// Servers.
    pub nodes: u64,
    /// Whether ZeRO 3 builds the model in parts from the start (`zero.Init`).
    pub zero_init: bool,
}

impl Estimate {
    /// Bytes of the host's memory on each server, with DeepSpeed's additional buffer factor of 1.5.
    #[must_use]
    pub fn host(&self, zero: Zero, offload: Offload) -> Bytes {
        let whole = Bytes(self.total.0);
        let loaded = 4 * self.devices_per_node;
        let buffered = match (offload, zero) {
            (Offload::Off, Zero::Three) if self.zero_init => Bytes(self.largest.0) * loaded,
            (Offload::Off, Zero::Off | Zero::One | Zero::Two | Zero::Three) => whole * loaded,
            (Offload::Optimizer, Zero::Three) => self.offloaded(16),
            (Offload::All, Zero::Three) => self.offloaded(18),
            (Offload::Optimizer | Offload::All, Zero::Off | Zero::One | Zero::Two) => {
                whole * (loaded * self.nodes).max(16)
            }
        };
        Bytes((buffered * 3).0 / 2)
    }

    fn offloaded(&self, bytes: u64) -> Bytes {
        let whole = Bytes(self.total.0);
        let share = Bytes((whole * bytes).0 / self.nodes.max(1));
        if self.zero_init {
            share
        } else {
            share.max(whole * (4 * self.devices_per_node))
        }
    }
}
