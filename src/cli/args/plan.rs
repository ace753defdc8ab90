//! `plan`.

use clap::{Args, ValueEnum};

use super::load::Load;
use super::speed::Traffic;
use super::train::Train;
use crate::cli::quantity::{positive, seconds, target};
use crate::plan::Goal;

/// `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk plan v3 --gpu h200 --gpus 8 --engine vllm\n  dsk plan 65b --gpu a100-80gb --gpus 8 --goal throughput\n  dsk plan r1 --gpu 4090 --gpus 2 --ram 256\n  dsk plan 33b --target 'ttft<500ms,tpot<30ms,concurrency=64'\n  dsk plan 65b --train --gpu a100-80gb --gpus 16\n  dsk plan 33b --train --method qlora --gpu rtx-4090 --gpus 2\n  dsk plan 6.7b --train --gpu 8xh100 --tokens 20b --emit deepspeed"
)]
pub(in crate::cli) struct Plan {
    #[command(flatten)]
    pub(in crate::cli) load: Load,
    #[command(flatten)]
    pub(in crate::cli) traffic: Traffic,
    /// What counts most
    #[arg(long, value_enum, default_value_t = GoalName::Latency, value_name = "GOAL")]
    pub(in crate::cli) goal: GoalName,
    /// Find the cheapest hardware that meets this: 'ttft<500ms,tpot<30ms,concurrency=64'
    #[arg(long, value_name = "DEMANDS", value_parser = target, conflicts_with_all = ["max_ttft", "max_tpot"])]
    pub(in crate::cli) target: Option<Target>,
    /// Find hardware with at most this time to the first token, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_ttft: Option<f64>,
    /// Find hardware with at most this time per output token, such as 30ms
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_tpot: Option<f64>,
    /// How many rows a table shows
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) limit: u64,
    #[command(flatten)]
    pub(in crate::cli) train: Train,
}

/// Demands in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::cli) struct Target {
    /// Seconds to the first token at most.
    pub(in crate::cli) first_token: Option<f64>,
    /// Seconds per output token at most.
    pub(in crate::cli) output_token: Option<f64>,
    /// Clients at once.
    pub(in crate::cli) concurrency: Option<u64>,
}

/// What counts most, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum GoalName {
    /// The time of one answer, at the load that is asked for
    Latency,
    /// Tokens per second of all sequences
    Throughput,
    /// Money per output token
    Cost,
}

impl From<GoalName> for Goal {
    fn from(name: GoalName) -> Self {
        match name {
            GoalName::Latency => Self::Latency,
            GoalName::Throughput => Self::Throughput,
            GoalName::Cost => Self::Cost,
        }
    }
}
