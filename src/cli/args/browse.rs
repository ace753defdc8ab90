//! Commands that look something up.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::listing::Kind;
use crate::render::document::Document;

/// A command on one model.
#[derive(Debug, Args)]
pub(in crate::cli) struct OneModel {
    /// A name, a hub id, a .gguf file, a config.json, or a folder with one
    pub(in crate::cli) model: String,
}

/// `migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dsk migrate 6.7b 13b")]
pub(in crate::cli) struct Migrate {
    /// The model in use
    pub(in crate::cli) from: String,
    /// The model to move to
    pub(in crate::cli) to: String,
}

/// `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dsk compare 6.7b 13b 33b")]
pub(in crate::cli) struct Compare {
    /// Two models or more
    #[arg(required = true, num_args = 2..)]
    pub(in crate::cli) models: Vec<String>,
}

/// `list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only this kind
    #[arg(value_enum)]
    pub(in crate::cli) kind: Option<KindName>,
}

/// A kind of entry, as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum KindName {
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
pub(in crate::cli) struct Show {
    /// An id or another name of any kind of entry
    pub(in crate::cli) id: String,
}

/// `schema`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk schema                 every document's schema, by command\n  dsk schema memory > dsk.memory.v1.json"
)]
pub(in crate::cli) struct Schema {
    /// The command whose document is described; all of them without one
    #[arg(value_parser = documents())]
    pub(in crate::cli) command: Option<Document>,
}

fn documents() -> impl TypedValueParser<Value = Document> {
    PossibleValuesParser::new(Document::ALL.map(Document::name)).try_map(|name| {
        let mut all = Document::ALL.into_iter();
        all.find(|document| document.name() == name)
            .ok_or("no such document")
    })
}

/// `completions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(in crate::cli) shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dsk man recommend | man -l -")]
pub(in crate::cli) struct Man {
    /// One of the commands
    pub(in crate::cli) command: Option<String>,
}
