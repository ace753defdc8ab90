//! The article's six variants: `catalog/variants/<id>.toml`.

use serde::Deserialize;

use super::entry::Entry;
use super::shape::Shape;

/// One size of the source article, with its claims kept as claims.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The id, equal to the file's name.
    pub id: String,
    /// What the article calls it.
    pub names: Names,
    /// Month of the announcement, as the article has it.
    pub announced: String,
    /// Whether it is said to be out.
    pub status: Status,
    /// What the article recommends it for.
    #[serde(default)]
    pub uses: Vec<String>,
    /// The scenario class of the article that it belongs to.
    pub scenario: String,
    /// The official checkpoint whose weights can be had.
    pub checkpoint: Checkpoint,
    /// The usual shape of that size, where no official checkpoint has it exactly.
    #[serde(default)]
    pub shape: Option<AssumedShape>,
    /// What the article says of it.
    #[serde(default, rename = "claim")]
    pub claims: Vec<Claim>,
    /// The article.
    pub source: String,
}

/// The variant's names in the article.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// In English.
    pub english: String,
    /// In Chinese, as printed.
    pub chinese: String,
}

/// Whether a variant is said to be out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The article says that it was published.
    Announced,
    /// The article calls it a preview under internal test.
    Preview,
}

/// The checkpoint that stands for a variant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Id of the release in `catalog/models`.
    pub model: String,
    /// How well its size matches.
    #[serde(rename = "match")]
    pub matching: Match,
}

/// How well a checkpoint matches a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// Exactly that size.
    Exact,
    /// The nearest size that exists.
    Nearest,
}

/// A shape that nobody published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumedShape {
    /// Why it looks like that.
    pub because: String,
    /// The shape.
    pub assumed: Shape,
}

/// Something that the article says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What it is about.
    pub about: String,
    /// What is said, in our words, with the figures as printed.
    pub says: String,
    /// What contradicts it, where something does.
    #[serde(default)]
    pub contradicted_by: Option<String>,
    /// Where the article says so.
    pub source: String,
}

impl Entry for Variant {
    const KIND: &'static str = "model";
    const FOLDER: &'static str = "variants";

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.names.english, &self.names.chinese]
    }

    fn check(&self) -> Result<(), String> {
        match (self.checkpoint.matching, &self.shape) {
            (Match::Nearest, None) => Err("`match` is `nearest`, so a `[shape]` is needed".into()),
            (Match::Exact, Some(_)) => {
                Err("`match` is `exact`, so the checkpoint's shape counts, not `[shape]`".into())
            }
            (Match::Exact, None) | (Match::Nearest, Some(_)) => Ok(()),
        }
    }
}
