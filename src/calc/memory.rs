//! What a memory calculation answers: parts, per device and in all, with their basis.

use crate::catalog::Basis;
use crate::units::{Bytes, Tokens};

/// The parts of memory on one device, or summed over several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// The model.
    pub weights: Bytes,
    /// The key-value cache.
    pub kv_cache: Bytes,
    /// Buffers of a forward pass.
    pub compute: Bytes,
    /// The device context and what the engine holds besides.
    pub runtime: Bytes,
}

impl Parts {
    /// All of it.
    #[must_use]
    pub fn total(self) -> Bytes {
        self.weights + self.kv_cache + self.compute + self.runtime
    }

    /// Part by part.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            kv_cache: self.kv_cache + other.kv_cache,
            compute: self.compute + other.compute,
            runtime: self.runtime + other.runtime,
        }
    }
}

/// What stays in the host's memory while devices do the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostParts {
    /// Weights that no device holds.
    pub weights: Bytes,
    /// The part of the cache that belongs to them.
    pub kv_cache: Bytes,
    /// Pinned and compute buffers.
    pub compute: Bytes,
}

impl HostParts {
    /// All of it.
    #[must_use]
    pub fn total(self) -> Bytes {
        self.weights + self.kv_cache + self.compute
    }
}

/// What fits beside the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Positions that the cache holds, over all sequences.
    pub kv_tokens: Tokens,
    /// Sequences of the requested context that fit at once.
    pub sequences: u64,
    /// The largest context that fits with the requested sequences.
    pub largest_context: Tokens,
}

/// How one part came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The part: "weights", "KV cache" ...
    pub part: &'static str,
    /// The formula with the numbers in it.
    pub formula: String,
    /// What it gives.
    pub bytes: Bytes,
    /// How it is known.
    pub basis: Basis,
    /// The source of the formula.
    pub source: String,
}

/// Steps that share a source, when `wanted`: part, formula with its numbers, result, basis.
#[must_use]
pub fn steps<const N: usize>(
    wanted: bool,
    source: &str,
    rows: impl FnOnce() -> [(&'static str, String, Bytes, Basis); N],
) -> Vec<Step> {
    if !wanted {
        return Vec::new();
    }
    let step = |(part, formula, bytes, basis)| Step {
        part,
        formula,
        bytes,
        basis,
        source: source.to_owned(),
    };
    rows().into_iter().map(step).collect()
}

/// What a memory answer covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything that an engine allocates.
    #[default]
    Engine,
    /// Weights and cache alone: without an engine nothing is known of buffers.
    Checkpoint,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// One entry a device; a single one when no hardware was given.
    pub devices: Vec<Parts>,
    /// What stays on the host.
    pub host: HostParts,
    /// What the figures cover.
    pub scope: Scope,
    /// How the total is known: the weakest of the parts.
    pub basis: Basis,
    /// How each part came about.
    pub steps: Vec<Step>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Memory {
    /// The sum over all devices.
    #[must_use]
    pub fn sum(&self) -> Parts {
        self.devices
            .iter()
            .fold(Parts::default(), |sum, parts| sum.plus(*parts))
    }

    /// The fullest device.
    #[must_use]
    pub fn fullest(&self) -> Parts {
        self.devices
            .iter()
            .copied()
            .max_by_key(|parts| parts.total())
            .unwrap_or_default()
    }
}
