//! The options of training, beside those of a model as it would be run.

use clap::{Args, ValueEnum};

use crate::cli::quantity::{positive, share};
use crate::train;

/// `plan --train`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(in crate::cli) struct Train {
    /// Plan training, not serving; --context is the length of a sequence
    #[arg(long)]
    pub(in crate::cli) train: bool,
    /// Which weights are trained
    #[arg(long, value_enum, default_value_t = Method::Full, requires = "train")]
    pub(in crate::cli) method: Method,
    /// Rank of LoRA's adapters; PEFT's default is 8
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true, requires = "train")]
    pub(in crate::cli) rank: Option<u64>,
    /// Modules that get an adapter, such as `q_proj,v_proj`; all linear ones by default
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "train")]
    pub(in crate::cli) target_modules: Vec<String>,
    /// Sequences of a micro-batch
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true, requires = "train")]
    pub(in crate::cli) micro_batch: Option<u64>,
    /// Sequences of a step on all devices
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true, requires = "train")]
    pub(in crate::cli) global_batch: Option<u64>,
    /// What ZeRO divides: 1 optimizer states, 2 and gradients, 3 and weights
    #[arg(long, value_name = "0-3", value_parser = zero, requires = "train")]
    pub(in crate::cli) zero: Option<train::Zero>,
    /// Which activations are calculated again; selective: attention's core, as flash attention does by
    /// itself; none: unfused attention, which keeps its scores
    #[arg(long, value_enum, requires = "train")]
    pub(in crate::cli) recompute: Option<Recompute>,
    /// Megatron: divide norms and dropout along the sequence
    #[arg(long, requires = "train")]
    pub(in crate::cli) sequence_parallel: bool,
    /// Megatron: pieces of the model on each pipeline stage
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true, requires = "train")]
    pub(in crate::cli) interleave: Option<u64>,
    /// What lies in the host's memory
    #[arg(long, value_enum, requires = "train")]
    pub(in crate::cli) offload: Option<Offload>,
    /// Whose way of training is counted
    #[arg(long, value_enum, default_value_t = Framework::Deepspeed, requires = "train")]
    pub(in crate::cli) framework: Framework,
    /// Tokens to train on, such as 500m, 20b or 1t; here m, b and t are powers of 1000
    #[arg(long, value_name = "TOKENS", value_parser = corpus, requires = "train")]
    pub(in crate::cli) tokens: Option<u64>,
    /// The share of the peak that the run reaches; by default that of comparable published runs
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true, requires = "train")]
    pub(in crate::cli) mfu: Option<f64>,
    /// Print the settings alone: DeepSpeed's JSON or Megatron's flags
    #[arg(long, value_enum, requires = "train")]
    pub(in crate::cli) emit: Option<Framework>,
}

/// Which weights are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Method {
    Full,
    Lora,
    Qlora,
}

/// Which activations are calculated again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Recompute {
    None,
    Selective,
    Full,
}

/// What lies in the host's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Offload {
    None,
    Optimizer,
    All,
}

/// Whose way of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Framework {
    Deepspeed,
    Megatron,
}

impl From<Method> for train::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Full => Self::Full,
            Method::Lora => Self::Lora,
            Method::Qlora => Self::Qlora,
        }
    }
}

impl From<Recompute> for train::Recompute {
    fn from(recompute: Recompute) -> Self {
        match recompute {
            Recompute::None => Self::Off,
            Recompute::Selective => Self::Selective,
            Recompute::Full => Self::Full,
        }
    }
}

impl From<Offload> for train::Offload {
    fn from(offload: Offload) -> Self {
        match offload {
            Offload::None => Self::Off,
            Offload::Optimizer => Self::Optimizer,
            Offload::All => Self::All,
        }
    }
}

impl From<Framework> for train::Framework {
    fn from(framework: Framework) -> Self {
        match framework {
            Framework::Deepspeed => Self::DeepSpeed,
            Framework::Megatron => Self::Megatron,
        }
    }
}

fn zero(text: &str) -> Result<train::Zero, String> {
    match text.trim() {
        "0" => Ok(train::Zero::Off),
        "1" => Ok(train::Zero::One),
        "2" => Ok(train::Zero::Two),
        "3" => Ok(train::Zero::Three),
        _ => Err("expected 0, 1, 2 or 3".to_owned()),
    }
}

/// Tokens of a corpus: `500m`, `20b`, `1.5t`; powers of 1000.
fn corpus(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_lowercase();
    let units = [("k", 1e3), ("m", 1e6), ("b", 1e9), ("t", 1e12)];
    let (digits, factor) = units
        .into_iter()
        .find_map(|(unit, factor)| lower.strip_suffix(unit).map(|rest| (rest, factor)))
        .unwrap_or((lower.as_str(), 1.0));
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() && number * factor >= 1.0 && number * factor <= 1e18 => {
            Ok(crate::units::whole((number * factor).round()))
        }
        _ => Err("expected a number of tokens such as 500m, 20b or 1t".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_is_counted_in_thousands() {
        assert_eq!(corpus("1b"), Ok(1_000_000_000));
        assert_eq!(corpus("1.5T"), Ok(1_500_000_000_000));
        for text in ["", "0", "-1b", "b", "1e30", "nan", "20x"] {
            assert!(corpus(text).is_err(), "{text}");
        }
    }
}
