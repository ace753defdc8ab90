//! What-ifs: a model as it would be after pruning, or with fewer experts for each token.
//!
//! Structured pruning here is of widths: every layer keeps that share of its attention heads and of
//! its feed-forward (and expert) width. Layers, hidden width, experts and embeddings stay, so the
//! decoder's matrices shrink in proportion. Nobody made such weights: the figures are arithmetic.

use crate::calc::tensors::parameters;
use crate::catalog::shape::{Attention, FeedForward, Shape};
use crate::catalog::{Basis, Model};
use crate::error::{Error, Result};
use crate::units::{float, whole};

/// Changes to a model that nobody made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WhatIf {
    /// The share of heads and feed-forward width that pruning keeps.
    pub prune: Option<f64>,
    /// Experts that a token uses, fewer than the model was trained with.
    pub experts_per_token: Option<u64>,
}

impl WhatIf {
    /// The model as it would be, and what was done to it; untouched when nothing is asked.
    ///
    /// # Errors
    /// A share or number that makes no sense for this model.
    pub fn apply(&self, mut model: Model) -> Result<(Model, Option<String>)> {
        let before = parameters(&model.shape);
        let mut done = Vec::new();
        if let Some(share) = self.prune {
            if model.file.as_ref().is_some_and(|file| file.is_gguf) {
                return Err(Error::Unanswerable(
                    "a GGUF file is what it is: to prune, name the model".to_owned(),
                ));
            }
            keep_widths(&mut model.shape, share)?;
            model.file = None;
            model.checkpoint = None;
            done.push(format!(
                "pruned to {share} of its heads and feed-forward width"
            ));
        }
        if let Some(experts) = self.experts_per_token {
            let from = fewer_experts(&mut model, experts)?;
            done.push(format!("{experts} experts a token instead of {from}"));
        }
        if done.is_empty() {
            return Ok((model, None));
        }
        if let Some((key, fault)) = model.shape.fault() {
            return Err(Error::Unanswerable(format!("what if: {key}: {fault}")));
        }
        model.basis = model.basis.and(Basis::Assumed);
        let after = parameters(&model.shape);
        let note = format!(
            "what if (assumed): {}: {:.2}B parameters, {:.2}B active, instead of {:.2}B and {:.2}B; no such weights exist and what it does to accuracy is unknown",
            done.join(", "),
            after.main.billions(),
            after.active.billions(),
            before.main.billions(),
            before.active.billions()
        );
        Ok((model, Some(note)))
    }
}

fn keep_widths(shape: &mut Shape, kept_share: f64) -> Result<()> {
    if !(kept_share > 0.0 && kept_share <= 1.0) {
        return Err(Error::Unanswerable(format!(
            "pruning keeps a share above 0 and at most 1, not {kept_share}"
        )));
    }
    match &mut shape.attention {
        Attention::Grouped {
            heads, kv_heads, ..
        } => {
            let group = *heads / (*kv_heads).max(1);
            *kv_heads = kept(*kv_heads, kept_share, 1);
            *heads = *kv_heads * group;
        }
        Attention::Latent { heads, .. } => *heads = kept(*heads, kept_share, 1),
        Attention::Compressed(attention) => {
            attention.heads = kept(attention.heads, kept_share, attention.output_groups);
        }
    }
    match &mut shape.feed_forward {
        FeedForward::Dense { intermediate } => *intermediate = kept(*intermediate, kept_share, 1),
        FeedForward::Experts {
            dense_intermediate,
            expert_intermediate,
            ..
        } => {
            if *dense_intermediate > 0 {
                *dense_intermediate = kept(*dense_intermediate, kept_share, 1);
            }
            *expert_intermediate = kept(*expert_intermediate, kept_share, 1);
        }
    }
    Ok(())
}

/// The share of `width`, to the nearest multiple of `step`, at least one step.
fn kept(width: u64, share: f64, step: u64) -> u64 {
    let step = step.max(1);
    let steps = whole((float(width) * share / float(step)).round());
    (steps.max(1) * step).min(width)
}

/// Lets a token use fewer experts; how many it used before.
fn fewer_experts(model: &mut Model, wanted: u64) -> Result<u64> {
    match &mut model.shape.feed_forward {
        FeedForward::Experts {
            experts_per_token, ..
        } if (1..=*experts_per_token).contains(&wanted) => {
            Ok(std::mem::replace(experts_per_token, wanted))
        }
        FeedForward::Experts {
            experts_per_token, ..
        } => Err(Error::Unanswerable(format!(
            "{} was trained with {experts_per_token} experts a token: 1 to {experts_per_token} can be tried, not {wanted}",
            model.id
        ))),
        FeedForward::Dense { .. } => Err(Error::Unanswerable(format!(
            "{} is dense: it has no experts to use fewer of",
            model.id
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    fn changed(id: &str, what_if: WhatIf) -> Result<(Model, Option<String>)> {
        what_if.apply(Catalog::load(&[])?.model(id)?)
    }

    /// 32 layers of 3 x 4096 x 1101 and 4 x 4096 x 384, two norms each, and the embeddings, counted by hand.
    #[test]
    fn a_tenth_keeps_the_embeddings() {
        let what_if = WhatIf {
            prune: Some(0.1),
            ..WhatIf::default()
        };
        let (model, note) = changed("6.7b", what_if).expect("pruned");
        let layer = 3 * 4096 * 1101 + 4 * 4096 * 384 + 2 * 4096;
        let by_hand = 32 * layer + 2 * 32256 * 4096 + 4096;
        assert_eq!(parameters(&model.shape).main.0, by_hand);
        assert_eq!(model.basis, Basis::Assumed);
        assert!(note.is_some());
    }

    #[test]
    fn fewer_experts_change_what_is_active_and_nothing_else() {
        let what_if = WhatIf {
            experts_per_token: Some(4),
            ..WhatIf::default()
        };
        let (model, _) = changed("v3", what_if).expect("fewer");
        let before = Catalog::load(&[])
            .and_then(|catalog| catalog.model("v3"))
            .expect("v3");
        let (after, before) = (parameters(&model.shape), parameters(&before.shape));
        assert_eq!(after.stored, before.stored);
        // 58 layers with four experts of 3 x 7168 x 2048 less.
        assert_eq!(before.active.0 - after.active.0, 58 * 4 * 3 * 7168 * 2048);
    }

    #[test]
    fn nonsense_is_refused() {
        let experts = |id, experts| {
            changed(
                id,
                WhatIf {
                    experts_per_token: Some(experts),
                    ..WhatIf::default()
                },
            )
            .is_err()
        };
        assert!(experts("13b", 1) && experts("v3", 9) && experts("v3", 0));
        let prune = |share| {
            changed(
                "13b",
                WhatIf {
                    prune: Some(share),
                    ..WhatIf::default()
                },
            )
            .is_err()
        };
        assert!(prune(0.0) && prune(1.5) && prune(f64::NAN));
    }

    #[test]
    fn nothing_asked_changes_nothing() {
        let (model, note) = changed("13b", WhatIf::default()).expect("unchanged");
        assert_eq!(model.basis, Basis::Assumed);
        assert!(note.is_none() && model.checkpoint.is_some());
    }
}
