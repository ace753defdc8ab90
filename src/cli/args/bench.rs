//! `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::load::Load;
use crate::cli::quantity::{milliseconds, positive, tokens};

/// The most clients at once.
const MOST_CLIENTS: u64 = 4096;

/// `bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk bench 6.7b --engine vllm --gpu a100-80gb\n  dsk bench 6.7b --url http://localhost:8000/v1 --concurrency 1,8,32\n  dsk bench 6.7b --quant q8_0 --url http://localhost:8080 --gpu this --save my-catalog\n\n--save adds to DIR/calibrations, one file for each engine, device, model and format; what was measured before stays, and of the same clients and lengths the newest run holds.\n\nCtrl-C keeps what was measured until then and exits with 130. A server that answers no more ends the run: what was measured is printed and saved, and the exit code is 1."
)]
pub(in crate::cli) struct Bench {
    #[command(flatten)]
    pub(in crate::cli) load: Load,
    #[command(flatten)]
    pub(in crate::cli) work: BenchWork,
    #[command(flatten)]
    pub(in crate::cli) server: BenchServer,
    #[command(flatten)]
    pub(in crate::cli) targets: BenchTargets,
}

/// What is sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Work")]
pub(in crate::cli) struct BenchWork {
    /// Clients at once, level by level
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clients)]
    pub(in crate::cli) concurrency: Vec<u64>,
    /// Tokens of each prompt
    #[arg(long, value_name = "TOKENS", value_parser = tokens, allow_negative_numbers = true)]
    pub(in crate::cli) input: Option<u64>,
    /// Tokens of each answer
    #[arg(long, value_name = "TOKENS", value_parser = tokens, allow_negative_numbers = true)]
    pub(in crate::cli) output_tokens: Option<u64>,
    /// Plan every GGUF format, not only the usual ones
    #[arg(long, conflicts_with = "url")]
    pub(in crate::cli) all_formats: bool,
    /// Requests of each level [default: ten for each client]
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true, requires = "url")]
    pub(in crate::cli) requests: Option<u64>,
    /// How long each level sends requests, such as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "url")]
    pub(in crate::cli) duration: Option<Duration>,
    /// Requests before each level that are not counted [default: one for each client]
    #[arg(long, value_name = "N", requires = "url")]
    pub(in crate::cli) warmup: Option<u64>,
    /// Where the random prompts start from [default: the clock]
    #[arg(long, value_name = "N", requires = "url")]
    pub(in crate::cli) seed: Option<u64>,
}

/// Where it is sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(in crate::cli) struct BenchServer {
    /// The base of an OpenAI-compatible API that is measured
    #[arg(
        long,
        value_name = "URL",
        help = "Measure the server with this OpenAI-compatible API, such as http://localhost:8000/v1"
    )]
    pub(in crate::cli) url: Option<String>,
    /// The environment variable that holds the server's key
    #[arg(long, value_name = "NAME", requires = "url")]
    pub(in crate::cli) api_key_env: Option<String>,
    /// The part of the API [default: completions, or chat where there are none]
    #[arg(long, value_enum, value_name = "NAME", requires = "url")]
    pub(in crate::cli) endpoint: Option<EndpointName>,
    /// The model as the server names it [default: its first]
    #[arg(long, value_name = "NAME", requires = "url")]
    pub(in crate::cli) served_name: Option<String>,
    /// How long one request may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m", requires = "url")]
    pub(in crate::cli) timeout: Duration,
    /// Add what was measured to a catalog folder; with --catalog DIR, speeds then rest on it
    #[arg(long, value_name = "DIR", requires = "url")]
    pub(in crate::cli) save: Option<PathBuf>,
}

/// What a request must keep to count as good.
#[derive(Debug, Args)]
#[command(next_help_heading = "Goodput")]
pub(in crate::cli) struct BenchTargets {
    /// The longest time to the first token, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = milliseconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_ttft: Option<u64>,
    /// The longest time per output token, such as 30ms
    #[arg(long, value_name = "TIME", value_parser = milliseconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_tpot: Option<u64>,
    /// The longest time to the last token, such as 10s
    #[arg(long, value_name = "TIME", value_parser = milliseconds, allow_negative_numbers = true)]
    pub(in crate::cli) max_e2e: Option<u64>,
}

/// A part of OpenAI's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum EndpointName {
    /// The prompt as it is
    Completions,
    /// The prompt as a user's message
    Chat,
}

/// Clients at once.
fn clients(text: &str) -> Result<u64, String> {
    match positive(text)? {
        clients if clients <= MOST_CLIENTS => Ok(clients),
        _ => Err(format!("is more than {MOST_CLIENTS} clients")),
    }
}

/// A time: `30`, `30s`, `500ms`, `5m`, `1h`; at least a millisecond, at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let lower = text.trim().to_lowercase();
    let (digits, factor) = if let Some(rest) = lower.strip_suffix("ms") {
        (rest, 0.001)
    } else if let Some(rest) = lower.strip_suffix('m') {
        (rest, 60.0)
    } else if let Some(rest) = lower.strip_suffix('h') {
        (rest, 3600.0)
    } else {
        (lower.strip_suffix('s').unwrap_or(&lower), 1.0)
    };
    match digits.trim().parse::<f64>().map(|number| number * factor) {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        Ok(_) => Err("must lie between a millisecond and a day".to_owned()),
        Err(_) => Err("expected a time such as 30s or 5m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("1.5s", 1500),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "0", "-1s", "1e9", "soon", "nan", "inf"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
