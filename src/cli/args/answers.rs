//! Commands that calculate.

use clap::Args;

use super::load::{Hardware, Load, Precision, Sequence};
use super::speed::Traffic;
use crate::cli::quantity::{milliseconds, percent, positive, seconds};
use crate::request::SpeedDemands;

/// `recommend`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk recommend --vram 12\n  dsk recommend --gpu rtx-4090 --scenario enterprise --context 16k\n  dsk recommend --gpu 8xh200 --engine vllm --json\n  dsk recommend --gpu rtx-4090 --scenario chat --max-tpot 30ms\n\nWithout hardware it asks on a terminal, and takes this machine elsewhere."
)]
pub(in crate::cli) struct Recommend {
    #[command(flatten)]
    pub(in crate::cli) hardware: Hardware,
    /// A kind of use: see `dsk list scenarios`
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) scenario: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) sequence: Sequence,
    #[command(flatten)]
    pub(in crate::cli) precision: Precision,
    #[command(flatten)]
    pub(in crate::cli) demands: Demands,
    #[command(flatten)]
    pub(in crate::cli) traffic: Traffic,
    /// The engine: see `dsk list engines`
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) engine: Option<String>,
    /// Only models of this series, such as coder, v3 or r1-distill
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) family: Option<String>,
    /// Only models whose licence contains this, such as MIT
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) license: Option<String>,
    /// Only official releases, without the article's sizes
    #[arg(long)]
    pub(in crate::cli) only_released: bool,
    /// How many rows a table shows
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) limit: u64,
}

/// What must be met.
#[derive(Debug, Args)]
pub(in crate::cli) struct Demands {
    /// The lowest accuracy in the article's per cent, after the format's loss
    #[arg(long, value_name = "PERCENT", value_parser = percent, allow_negative_numbers = true)]
    pub(in crate::cli) min_accuracy: Option<f64>,
    /// The longest latency of the article's tiers, such as 120ms
    #[arg(long, value_name = "TIME", value_parser = milliseconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_latency: Option<u64>,
    /// The longest time to the first token, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_ttft: Option<f64>,
    /// The longest time per output token, such as 30ms
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_tpot: Option<f64>,
}

impl Demands {
    /// The demanded times, in seconds.
    pub(in crate::cli) fn speed(&self) -> SpeedDemands {
        SpeedDemands {
            first_token: self.max_ttft,
            output_token: self.max_tpot,
        }
    }
}

/// `memory`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk memory 13B --fp16\n  dsk memory 6.7b --quant q4_k_m --context 16k --engine llama.cpp\n  dsk memory v3 --context 128k --engine vllm --gpu 8xh200 --explain"
)]
pub(in crate::cli) struct Memory {
    #[command(flatten)]
    pub(in crate::cli) load: Load,
    /// Show the article's rule of thumb as well, with its correction
    #[arg(long)]
    pub(in crate::cli) rule: bool,
    /// Show each part's formula, source and basis
    #[arg(long)]
    pub(in crate::cli) explain: bool,
}

/// `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk check 13b --fp16 --vram 24\n  dsk check r1 --gpu 8xh200 --context 64k --sequences 16\n  dsk check 33b --int4 --gpu rtx-4090 --max-tpot 40ms"
)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    pub(in crate::cli) load: Load,
    #[command(flatten)]
    pub(in crate::cli) demands: Demands,
    #[command(flatten)]
    pub(in crate::cli) traffic: Traffic,
}
