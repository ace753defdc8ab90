//! What is assumed when a question leaves it open: `catalog/defaults.toml`.

use serde::Deserialize;

use super::deployment::DeploymentDefaults;
use super::gpu::GpuKind;
use crate::units::{Bytes, Parameters};

/// The assumptions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// What a driver takes of a card that is known only by its size.
    pub bare_memory: BareMemory,
    /// Context and sequences.
    pub request: RequestDefaults,
    /// What a person in a conversation waits for at most.
    pub interactive: Interactive,
    /// Devices of one server.
    pub server: ServerDefaults,
    /// What a cluster is asked for.
    pub deployment: DeploymentDefaults,
    /// The article's tiers, smallest first.
    #[serde(rename = "tier")]
    pub tiers: Vec<Tier>,
}

/// What a driver takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BareMemory {
    /// On every card.
    pub reserve_bytes: Bytes,
    /// For each GB on the box.
    pub reserve_bytes_per_gb: Bytes,
    /// Sizes from which a card is taken for a server's accelerator.
    pub datacenter_from_gb: f64,
    /// Where that comes from.
    pub source: String,
}

/// Context and sequences of a question that names neither.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestDefaults {
    /// Tokens that one sequence may hold.
    pub context_tokens: u64,
    /// Sequences at once.
    pub sequences: u64,
    /// Tokens of a prompt.
    pub input_tokens: u64,
    /// Tokens of an answer.
    pub output_tokens: u64,
    /// The largest share of accuracy that a recommended format may lose.
    pub most_loss: f64,
    /// Why.
    pub source: String,
}

/// How many devices one server holds where a device's own entry does not say, by what it is built for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerDefaults {
    /// Accelerators of a server.
    pub datacenter: u64,
    /// Professional cards.
    pub workstation: u64,
    /// Gaming cards.
    pub consumer: u64,
    /// Processors with a GPU that shares their memory.
    pub unified: u64,
    /// Processors.
    pub cpu: u64,
    /// Why.
    pub source: String,
}

impl ServerDefaults {
    /// Devices of that kind in one server.
    #[must_use]
    pub fn of(&self, kind: GpuKind) -> u64 {
        match kind {
            GpuKind::Datacenter => self.datacenter,
            GpuKind::Workstation => self.workstation,
            GpuKind::Consumer => self.consumer,
            GpuKind::Unified => self.unified,
            GpuKind::Cpu => self.cpu,
        }
    }
}

/// What a person in a conversation waits for at most.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interactive {
    /// Time to the first token, in milliseconds.
    pub first_token_ms: u64,
    /// Time from one token to the next, in milliseconds.
    pub output_token_ms: u64,
    /// Who says so.
    pub source: String,
}

/// What the article expects of a size.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Sizes below it belong here; none means all larger ones.
    #[serde(default)]
    pub below_parameters: Option<Parameters>,
    /// Latency in milliseconds.
    pub latency_ms: u64,
    /// Accuracy in per cent.
    pub accuracy: f64,
    /// Where the article says so.
    pub source: String,
}
