//! What changes between two models, and how to move.

use crate::calc::estimate::weights;
use crate::calc::tensors::{Section, Tensor, parameters, tensors};
use crate::calc::tier::tier;
use crate::catalog::find::find;
use crate::catalog::{Catalog, Model};
use crate::error::Result;
use crate::units::{Bytes, Parameters};

/// The move from one model to another.
#[derive(Debug, Clone)]
pub struct Migration {
    /// What differs, in the order of importance.
    pub changes: Vec<Change>,
    /// How many of the target's parameters have a tensor of the same role and shape in the source.
    pub same_shape: Parameters,
    /// The target's parameters, draft layers left out.
    pub target: Parameters,
    /// What the article says about this move.
    pub rules: Vec<String>,
    /// What that means for the weights.
    pub advice: Vec<String>,
}

/// A fact of both models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub what: &'static str,
    /// In the first model.
    pub from: String,
    /// In the second.
    pub to: String,
}

/// Compares `from` and `to`.
///
/// # Errors
/// When a model's weights cannot be calculated.
pub fn migrate(catalog: &Catalog, from: &Model, to: &Model) -> Result<Migration> {
    let same_shape = same_shape(from, to);
    let target = parameters(&to.shape).main;
    Ok(Migration {
        changes: changes(catalog, from, to)?,
        same_shape,
        target,
        rules: rules(from, to),
        advice: advice(from, to, same_shape),
    })
}

/// Facts of a model that a comparison shows, in the order of importance.
///
/// # Errors
/// When its weights cannot be calculated.
pub fn facts(catalog: &Catalog, model: &Model) -> Result<Vec<(&'static str, String)>> {
    let counted = parameters(&model.shape);
    let shape = &model.shape;
    let tier = tier(&catalog.defaults()?.tiers, counted.main);
    let bytes = native_weights(catalog, model)?;
    Ok(vec![
        ("parameters", format!("{:.2} B", counted.main.billions())),
        (
            "active parameters",
            format!("{:.2} B", counted.active.billions()),
        ),
        ("architecture", shape.architecture.name().to_owned()),
        ("attention", shape.attention.summary()),
        ("layers", shape.layers.to_string()),
        ("hidden size", shape.hidden.to_string()),
        ("vocabulary", shape.vocabulary.to_string()),
        ("window (tokens)", shape.window_tokens.to_string()),
        ("native format", model.native.clone()),
        ("weights as shipped", bytes.to_string()),
        (
            "tier latency (claimed)",
            tier.map_or_else(String::new, |tier| format!("{} ms", tier.latency_ms)),
        ),
        (
            "tier accuracy (claimed)",
            tier.map_or_else(String::new, |tier| tier.accuracy.to_string()),
        ),
        (
            "licence",
            model
                .licence
                .clone()
                .unwrap_or_else(|| "not found".to_owned()),
        ),
    ])
}

fn native_weights(catalog: &Catalog, model: &Model) -> Result<Bytes> {
    weights(model, find(catalog.formats()?, &model.native)?, None)
}

fn changes(catalog: &Catalog, from: &Model, to: &Model) -> Result<Vec<Change>> {
    let pairs = facts(catalog, from)?.into_iter().zip(facts(catalog, to)?);
    Ok(pairs
        .map(|((what, from), (_, to))| Change { what, from, to })
        .filter(|change| change.from != change.to)
        .collect())
}

/// Parameters of `to` whose tensor exists in `from` with the same role, layer and shape.
fn same_shape(from: &Model, to: &Model) -> Parameters {
    let old = tensors(&from.shape);
    let common = |tensor: &Tensor| -> Parameters {
        old.iter()
            .filter(|other| other.role == tensor.role && other.section == tensor.section)
            .filter(|other| (other.rows, other.columns) == (tensor.rows, tensor.columns))
            .map(|other| {
                let start = tensor.layers.start.max(other.layers.start);
                let end = tensor.layers.end.min(other.layers.end);
                tensor.each()
                    * tensor.copies.min(other.copies)
                    * u64::from(end.saturating_sub(start))
            })
            .sum()
    };
    tensors(&to.shape)
        .iter()
        .filter(|tensor| tensor.section != Section::Draft)
        .map(common)
        .sum()
}

/// The article's three rules, where they apply.
fn rules(from: &Model, to: &Model) -> Vec<String> {
    let mut rules = Vec::new();
    let named = match (from.id.as_str(), to.id.as_str()) {
        ("1.3b", "6.7b") => {
            Some("1.3B to 6.7B: retrain the embedding layer (claimed by the article)")
        }
        ("6.7b", "13b") => Some("6.7B to 13B: fine-tune progressively (claimed by the article)"),
        _ => None,
    };
    rules.extend(named.map(str::to_owned));
    let ratio = parameters(&to.shape).main.as_f64() / parameters(&from.shape).main.as_f64();
    if !(0.1..=10.0).contains(&ratio) {
        rules.push(format!(
            "across magnitudes ({ratio:.1} times the size): another learning-rate schedule, linear warm-up and cosine decay (claimed by the article)"
        ));
    }
    rules
}

fn advice(from: &Model, to: &Model, same_shape: Parameters) -> Vec<String> {
    let mut advice = Vec::new();
    if same_shape == Parameters::ZERO {
        advice.push("no tensor has the same role and shape: nothing can be carried over, start from the target's own weights".to_owned());
    } else if from.shape == to.shape {
        advice.push(
            "the shapes are the same: adapters and optimizer states fit, the weights differ"
                .to_owned(),
        );
    } else {
        let share = same_shape.as_f64() / parameters(&to.shape).main.as_f64() * 100.0;
        advice.push(format!(
            "{share:.1}% of the target's parameters have a tensor of the same role and shape; LoRA adapters do not fit the rest"
        ));
    }
    if from.shape.vocabulary != to.shape.vocabulary {
        advice.push("the vocabularies differ: tokenize again, and do not carry token ids, caches or embeddings over".to_owned());
    }
    if to.shape.window_tokens < from.shape.window_tokens {
        advice.push(format!(
            "the window shrinks to {} tokens: cut or summarise longer prompts",
            to.shape.window_tokens
        ));
    }
    if to.native != from.native {
        advice.push(format!(
            "the checkpoint ships in {} instead of {}",
            to.native, from.native
        ));
    }
    advice
}
