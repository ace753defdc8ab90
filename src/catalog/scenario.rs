//! Scenarios: `catalog/scenarios/<id>.toml`.

use serde::Deserialize;

use super::entry::{Entry, named};

/// A kind of use, and what it asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The id, equal to the file's name.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// Other names that people type.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What it is used for.
    pub uses: Vec<String>,
    /// The variants that the article names for it.
    pub variants: Vec<String>,
    /// Tokens that one sequence must hold.
    pub context_tokens: u64,
    /// Sequences at once.
    pub sequences: u64,
    /// Tokens of a typical prompt.
    #[serde(default)]
    pub input_tokens: Option<u64>,
    /// Tokens of a typical answer.
    #[serde(default)]
    pub output_tokens: Option<u64>,
    /// The longest latency of the article's tiers that still serves, in milliseconds.
    #[serde(default)]
    pub max_latency_ms: Option<u64>,
    /// The lowest tier accuracy that still serves.
    #[serde(default)]
    pub min_accuracy: Option<f64>,
    /// Why it asks for that.
    pub because: String,
    /// Where the class comes from.
    pub source: String,
}

impl Entry for Scenario {
    const KIND: &'static str = "scenario";
    const FOLDER: &'static str = "scenarios";

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        named(&self.name, &self.aliases)
    }

    fn check(&self) -> Result<(), String> {
        if self.context_tokens == 0 {
            return Err("`context_tokens` must be above 0".into());
        }
        if self.sequences == 0 {
            return Err("`sequences` must be above 0".into());
        }
        let typical = self
            .input_tokens
            .unwrap_or(0)
            .checked_add(self.output_tokens.unwrap_or(0));
        if typical.is_none_or(|tokens| tokens > self.context_tokens) {
            return Err("`input_tokens` and `output_tokens` must fit in `context_tokens`".into());
        }
        Ok(())
    }
}
