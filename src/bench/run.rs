//! A run against a server, and what came of it.

use super::comparison::Prediction;
use super::level::{Level, Targets};
use super::prompt::Scale;
use super::wire::Ask;

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The API's base.
    pub url: String,
    /// What every request had in common.
    pub ask: Ask,
    /// Tokens of each prompt, as asked.
    pub input_tokens: u64,
    /// How words were made into so many tokens.
    pub scale: Scale,
    /// How that was known.
    pub length: Length,
    /// Where the prompts started from.
    pub seed: u64,
    /// What counted as good.
    pub targets: Targets,
    /// The levels, as far as they were measured.
    pub levels: Vec<Compared>,
    /// Whether it was stopped.
    pub interrupted: bool,
    /// Why levels were cut short or left out, in sentences: the server answered no more.
    pub given_up: Vec<String>,
}

/// A level beside its prediction.
#[derive(Debug, Clone)]
pub struct Compared {
    /// What was measured.
    pub level: Level,
    /// What was predicted.
    pub prediction: Prediction,
}

/// How the length of a prompt in tokens is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The server counts prompts in `usage`.
    Usage,
    /// The server has a tokenizer beside the API.
    Tokenizer,
    /// Not at all: one token a word was assumed.
    Assumed,
}

impl Length {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Tokenizer => "tokenize",
            Self::Assumed => "assumed",
        }
    }
}

impl Run {
    /// Whether no request was ever answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.levels
            .iter()
            .all(|compared| compared.level.completed == 0)
    }
}
