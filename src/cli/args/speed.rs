//! `speed`, and what its prompts and answers are in every command.

use clap::Args;

use super::load::Load;
use crate::cli::quantity::{positive, tokens, tokens_or_none};
use crate::request::TrafficAsked;

/// `speed`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk speed 13b --gpu a100-40gb\n  dsk speed 6.7b --quant q4_k_m --gpu rtx-3060 --input 2k --output-tokens 256\n  dsk speed r1 --gpu 8xh200 --engine sglang --input 1k --output-tokens 1k --concurrency 64 --json"
)]
pub(in crate::cli) struct Speed {
    #[command(flatten)]
    pub(in crate::cli) load: Load,
    #[command(flatten)]
    pub(in crate::cli) traffic: Traffic,
}

/// Prompts, answers and clients.
#[derive(Debug, Args)]
pub(in crate::cli) struct Traffic {
    /// Tokens of each prompt: 512, 8k
    #[arg(long, value_name = "TOKENS", value_parser = tokens, allow_negative_numbers = true)]
    input: Option<u64>,
    /// Tokens of each answer; 0 for the prompt alone
    #[arg(long, value_name = "TOKENS", value_parser = tokens_or_none, allow_negative_numbers = true)]
    output_tokens: Option<u64>,
    /// Tokens of each prompt that the cache holds already, before those of --input
    #[arg(long, value_name = "TOKENS", value_parser = tokens_or_none, allow_negative_numbers = true)]
    cached: Option<u64>,
    /// Clients that ask again as soon as they are answered, queueing included; without it, --sequences at once
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    concurrency: Option<u64>,
    /// The model's own draft layers guess tokens ahead (multi-token prediction)
    #[arg(long)]
    mtp: bool,
}

impl Traffic {
    /// As the library asks it.
    pub(in crate::cli) fn asked(&self) -> TrafficAsked {
        TrafficAsked {
            input: self.input,
            output: self.output_tokens,
            cached: self.cached,
            concurrency: self.concurrency,
            speculative: self.mtp,
        }
    }
}
