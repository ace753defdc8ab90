//! The arguments, as clap sees them.

mod answers;
mod bench;
mod browse;
mod deploy;
mod load;
mod plan;
mod speed;
mod train;

pub(super) use answers::*;
pub(super) use bench::*;
pub(super) use browse::*;
pub(super) use deploy::*;
pub(super) use load::*;
pub(super) use plan::*;
pub(super) use speed::*;
pub(super) use train::Train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Time to first token, time per output token, tokens per second: alone and at full load
    Speed(Speed),
    /// Whether a model fits and meets demands, for scripts: exit code 0 or 3
    Check(Check),
    /// How to split a model over devices, for serving or training, and what that holds, serves and costs
    Plan(Plan),
    /// What runs a model: a script, a Modelfile, a manifest
    Deploy(Deploy),
    /// How to measure a model, or with --url its measured speed beside the predicted one
    Bench(Box<Bench>),
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
    /// The JSON Schema of a command's document
    Schema(Schema),
    /// A completion script for a shell
    Completions(Completions),
    /// The manual page of the program or of one command, in roff
    Man(Man),
}
