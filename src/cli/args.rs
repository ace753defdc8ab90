//! The arguments, as clap sees them.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use super::quantity::{gigabytes, milliseconds, percent, positive, share, tokens};
use crate::listing::Kind;
use crate::render::Output;

/// Which DeepSeek model, in which precision, fits and serves best on which hardware, and what to run.
#[derive(Debug, Parser)]
#[command(
    name = "dsk",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  dsk recommend --vram 12\n  dsk memory 13B --fp16 --context 8k\n  dsk check 33b --int4 --gpu rtx-4090 && echo it fits\n\nExit codes: 0 answered, 1 cannot answer, 2 wrong usage, 3 nothing fits or a check failed."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// How to print the answer
    #[arg(short, long, global = true, value_enum, default_value_t = OutputName::Table, value_name = "FORMAT", conflicts_with = "json")]
    output: OutputName,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    /// A folder whose entries are added to the catalog or put in the place of its own; repeatable
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "DSK_CATALOG",
        value_delimiter = ':'
    )]
    pub(super) catalog: Vec<PathBuf>,
}

impl Common {
    /// The format of the answer.
    pub(super) fn output(&self) -> Output {
        if self.json {
            return Output::Json;
        }
        match self.output {
            OutputName::Table => Output::Table,
            OutputName::Json => Output::Json,
            OutputName::Yaml => Output::Yaml,
            OutputName::Csv => Output::Csv,
            OutputName::Markdown => Output::Markdown,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OutputName {
    Table,
    Json,
    Yaml,
    Csv,
    Markdown,
}

/// What is asked.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What to run on this hardware
    Recommend(Recommend),
    /// What a model takes: weights, KV cache, compute, runtime, and what else fits
    Memory(Memory),
    /// Whether a model fits and meets demands, for scripts: exit code 0 or 3
    Check(Check),
    /// Every format of a model side by side
    Quantize(OneModel),
    /// What changes between two models, and how to move
    Migrate(Migrate),
    /// Models side by side
    Compare(Compare),
    /// The catalog
    List(List),
    /// Everything about one entry of the catalog, with its sources
    Show(Show),
    /// A completion script for a shell
    Completions(Completions),
    /// The manual page of the program or of one command, in roff
    Man(Man),
}

/// `recommend`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk recommend --vram 12\n  dsk recommend --gpu rtx-4090 --scenario enterprise --context 16k\n  dsk recommend --gpu 8xh200 --engine vllm --json\n\nOn a terminal and without hardware it asks."
)]
pub(super) struct Recommend {
    #[command(flatten)]
    pub(super) hardware: Hardware,
    /// A kind of use: see `dsk list scenarios`
    #[arg(long, value_name = "NAME")]
    pub(super) scenario: Option<String>,
    #[command(flatten)]
    pub(super) sequence: Sequence,
    #[command(flatten)]
    pub(super) precision: Precision,
    #[command(flatten)]
    pub(super) demands: Demands,
    /// The engine: see `dsk list engines`
    #[arg(long, value_name = "NAME")]
    pub(super) engine: Option<String>,
    /// Only models of this series, such as coder, v3 or r1-distill
    #[arg(long, value_name = "NAME")]
    pub(super) family: Option<String>,
    /// Only models whose licence contains this, such as MIT
    #[arg(long, value_name = "TEXT")]
    pub(super) license: Option<String>,
    /// Only official releases, without the article's sizes
    #[arg(long)]
    pub(super) only_released: bool,
    /// How many rows a table shows
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub(super) limit: u64,
}

/// What must be met.
#[derive(Debug, Args)]
pub(super) struct Demands {
    /// The lowest accuracy in the article's per cent, after the format's loss
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) min_accuracy: Option<f64>,
    /// The longest latency of the article's tiers, such as 120ms
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub(super) max_latency: Option<u64>,
}

/// `memory`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk memory 13B --fp16\n  dsk memory 6.7b --quant q4_k_m --context 16k --engine llama.cpp\n  dsk memory v3 --context 128k --engine vllm --gpu 8xh200 --explain"
)]
pub(super) struct Memory {
    #[command(flatten)]
    pub(super) load: Load,
    /// Show the article's rule of thumb as well, with its correction
    #[arg(long)]
    pub(super) rule: bool,
    /// Show each part's formula, source and basis
    #[arg(long)]
    pub(super) explain: bool,
}

/// `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk check 13b --fp16 --vram 24\n  dsk check r1 --gpu 8xh200 --context 64k --sequences 16"
)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) load: Load,
    #[command(flatten)]
    pub(super) demands: Demands,
}

/// A model as it would be run.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// A name (see `dsk list models`), a hub id, a .gguf file, a config.json, or a folder with one
    pub(super) model: String,
    #[command(flatten)]
    pub(super) precision: Precision,
    #[command(flatten)]
    pub(super) sequence: Sequence,
    #[command(flatten)]
    pub(super) hardware: Hardware,
    #[command(flatten)]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) split: Split,
}

/// The weight format.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("precision").multiple(false))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, of which clap lets at most one be set"
)]
pub(super) struct Precision {
    /// 32-bit floating point
    #[arg(long, group = "precision")]
    fp32: bool,
    /// 16-bit floating point
    #[arg(long, group = "precision")]
    fp16: bool,
    /// 16-bit brain floating point
    #[arg(long, group = "precision")]
    bf16: bool,
    /// 8-bit floating point
    #[arg(long, group = "precision")]
    fp8: bool,
    /// 8-bit integers
    #[arg(long, group = "precision")]
    int8: bool,
    /// 4-bit integers
    #[arg(long, group = "precision")]
    int4: bool,
    /// A weight format: see `dsk list formats`
    #[arg(long, value_name = "FORMAT", group = "precision")]
    quant: Option<String>,
}

impl Precision {
    /// The format's name, where one was given.
    pub(super) fn name(&self) -> Option<String> {
        let flags = [
            (self.fp32, "fp32"),
            (self.fp16, "fp16"),
            (self.bf16, "bf16"),
            (self.fp8, "fp8"),
            (self.int8, "int8"),
            (self.int4, "int4"),
        ];
        let flag = flags.into_iter().find(|(set, _)| *set);
        flag.map(|(_, name)| name.to_owned())
            .or_else(|| self.quant.clone())
    }
}

/// What the cache must hold.
#[derive(Debug, Args)]
pub(super) struct Sequence {
    /// Tokens that one sequence may hold: 4096, 32k, 1m
    #[arg(long, value_name = "TOKENS", value_parser = tokens)]
    pub(super) context: Option<u64>,
    /// Sequences at once
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) sequences: Option<u64>,
    /// How the cache is stored, such as f16, fp8 or q8-0
    #[arg(long, value_name = "FORMAT")]
    pub(super) kv: Option<String>,
}

/// The hardware.
#[derive(Debug, Args)]
pub(super) struct Hardware {
    /// GB per device, as printed on the box
    #[arg(long, value_name = "GB", value_parser = gigabytes)]
    pub(super) vram: Option<f64>,
    /// A device: rtx-4090, 8xh200, m2-ultra-192, cpu; see `dsk list gpus`
    #[arg(long, value_name = "NAME")]
    pub(super) gpu: Option<String>,
    /// How many of them, or a list of devices
    #[arg(long, value_name = "N")]
    pub(super) gpus: Option<String>,
    /// GB of the host's memory
    #[arg(long, value_name = "GB", value_parser = gigabytes)]
    pub(super) ram: Option<f64>,
}

/// The engine and its settings.
#[derive(Debug, Args)]
pub(super) struct Engine {
    /// The engine: see `dsk list engines`
    #[arg(long, value_name = "NAME")]
    pub(super) engine: Option<String>,
    /// vLLM, SGLang: the share of a device that it may use
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(super) utilization: Option<f64>,
    /// vLLM, SGLang: tokens in one batch
    #[arg(long, value_name = "N", value_parser = tokens)]
    pub(super) batched_tokens: Option<u64>,
    /// llama.cpp: tokens in one micro-batch
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) ubatch: Option<u64>,
    /// llama.cpp: flash attention
    #[arg(long, value_name = "on|off", value_enum)]
    pub(super) flash_attention: Option<OnOff>,
    /// llama.cpp: layers on the GPU, the output counted as one
    #[arg(long, value_name = "N")]
    pub(super) gpu_layers: Option<u32>,
    /// llama.cpp: one cache shared by all sequences
    #[arg(long)]
    pub(super) kv_unified: bool,
    /// llama.cpp: a GGUF of V2 or V3 from before April 2025, which caches every head's keys and values
    #[arg(long)]
    pub(super) legacy_gguf: bool,
    /// llama.cpp: logits for every token, as its benchmark keeps them
    #[arg(long)]
    pub(super) all_logits: bool,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnOff {
    On,
    Off,
}

/// The split over devices.
#[derive(Debug, Args)]
pub(super) struct Split {
    /// Tensor parallelism
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) tp: Option<u64>,
    /// Pipeline parallelism
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) pp: Option<u64>,
    /// Data parallelism
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) dp: Option<u64>,
    /// Expert parallelism
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) ep: Option<u64>,
}

/// A command on one model.
#[derive(Debug, Args)]
pub(super) struct OneModel {
    /// A name, a hub id, a .gguf file, a config.json, or a folder with one
    pub(super) model: String,
}

/// `migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dsk migrate 6.7b 13b")]
pub(super) struct Migrate {
    /// The model in use
    pub(super) from: String,
    /// The model to move to
    pub(super) to: String,
}

/// `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dsk compare 6.7b 13b 33b")]
pub(super) struct Compare {
    /// Two models or more
    #[arg(required = true, num_args = 2..)]
    pub(super) models: Vec<String>,
}

/// `list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this kind
    #[arg(value_enum)]
    pub(super) kind: Option<KindName>,
}

/// A kind of entry, as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum KindName {
    Variants,
    Models,
    Gpus,
    Formats,
    Engines,
    Scenarios,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Variants => Self::Variants,
            KindName::Models => Self::Models,
            KindName::Gpus => Self::Gpus,
            KindName::Formats => Self::Formats,
            KindName::Engines => Self::Engines,
            KindName::Scenarios => Self::Scenarios,
        }
    }
}

/// `show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dsk show 13b\n  dsk show rtx-3060")]
pub(super) struct Show {
    /// An id or another name of any kind of entry
    pub(super) id: String,
}

/// `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dsk man recommend | man -l -")]
pub(super) struct Man {
    /// One of the commands
    pub(super) command: Option<String>,
}
