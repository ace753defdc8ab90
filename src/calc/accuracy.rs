//! What accuracy to expect of a model in a format, from its vendor's scores and the article's tiers.

use std::collections::BTreeMap;

use super::ability::{Score, accuracies};
use super::tensors::parameters;
use super::tier::tier;
use crate::catalog::variant::Match;
use crate::catalog::{Basis, Catalog, Engine, Entry, Format, Model};
use crate::error::Result;

/// What accuracy to expect, in the article's scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// The tier's accuracy, in per cent.
    pub tier: f64,
    /// Of the model, from its vendor's scores where they compare it with others, else its tier.
    pub model: f64,
    /// How the model's accuracy is known: `modelled` from scores, else `claimed` by the tier.
    pub basis: Basis,
    /// After the format's loss, in per cent; none where nobody measured that.
    pub expected: Option<f64>,
    /// The share that the format loses; none when nobody measured it.
    pub loss: Option<f64>,
}

impl Accuracy {
    /// The expected accuracy in tenths of a point, below which no measurement of it reaches; none, which is less
    /// than any, where it is not known.
    #[must_use]
    pub fn rounded(self) -> Option<u64> {
        self.expected.map(tenths)
    }

    /// What to rank by: the expected accuracy, and where it is not known, below all that is, the model's own.
    #[must_use]
    pub fn rank(self) -> (Option<u64>, u64) {
        match self.rounded() {
            Some(known) => (Some(known), 0),
            None => (None, tenths(self.model)),
        }
    }
}

fn tenths(accuracy: f64) -> u64 {
    crate::units::whole((accuracy * 10.0).round())
}

/// Accuracies by release, in the article's per cent.
#[derive(Debug, Clone, Default)]
pub struct Accuracies {
    by_release: BTreeMap<String, f64>,
}

impl Accuracies {
    /// Fits the releases' scores.
    ///
    /// # Errors
    /// When the catalog is broken.
    pub fn of(catalog: &Catalog) -> Result<Self> {
        let tiers = &catalog.defaults()?.tiers;
        let mut best: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        let mut tier_of: BTreeMap<&str, f64> = BTreeMap::new();
        for release in catalog.releases()? {
            let Some(shape) = &release.shape else {
                continue;
            };
            if let Some(tier) = tier(tiers, parameters(shape).main) {
                tier_of.insert(release.id(), tier.accuracy);
            }
            for benchmark in &release.benchmarks {
                let score = best
                    .entry((release.id(), &benchmark.name))
                    .or_insert(benchmark.score);
                *score = score.max(benchmark.score);
            }
        }
        let scores: Vec<Score<'_>> = best
            .iter()
            .map(|((model, benchmark), score)| Score {
                model,
                benchmark,
                share: score / 100.0,
            })
            .collect();
        Ok(Self {
            by_release: accuracies(&scores, &tier_of),
        })
    }

    /// What to expect of `model` in `format` on `engine`, when its tier says `tier` per cent.
    #[must_use]
    pub fn expected(
        &self,
        model: &Model,
        (format, engine): (&Format, Option<&Engine>),
        tier: f64,
    ) -> Accuracy {
        let loss = if is_native(model, format, engine) {
            Some(0.0)
        } else {
            format.known_loss()
        };
        let (accuracy, basis) = self.of_model(model, tier);
        Accuracy {
            tier,
            model: accuracy,
            basis,
            expected: loss.map(|loss| accuracy * (1.0 - loss)),
            loss,
        }
    }

    /// Its checkpoint's scores where it is that checkpoint, else its tier.
    fn of_model(&self, model: &Model, tier: f64) -> (f64, Basis) {
        let weights = model
            .checkpoint
            .as_ref()
            .filter(|weights| weights.matching == Match::Exact);
        match weights.and_then(|weights| self.by_release.get(&weights.release)) {
            Some(accuracy) => (accuracy.min(100.0), Basis::Modelled),
            None => (tier, Basis::Claimed),
        }
    }
}

/// Whether a format is the checkpoint's own, or keeps all of it in the engine's files.
#[must_use]
pub fn is_native(model: &Model, format: &Format, engine: Option<&Engine>) -> bool {
    let converted = engine.and_then(|engine| engine.formats.get(&model.native));
    format.id == model.native || (format.only_native && converted == Some(&format.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find::find;

    /// V4 ships in FP4 and FP8, which llama.cpp's files keep under a name of their own.
    #[test]
    fn a_checkpoint_is_native_under_the_name_of_an_engine_too() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let format = |id| find(catalog.formats().expect("formats"), id).expect("a format");
        let engine = find(catalog.engines().expect("engines"), "llama.cpp").expect("an engine");
        let native = |model, id, engine| {
            is_native(&catalog.model(model).expect("a model"), format(id), engine)
        };
        assert!(native("v4-flash", "fp4-fp8", None));
        assert!(native("v4-flash", "gguf-native", Some(engine)));
        assert!(!native("v4-flash", "gguf-native", None));
        assert!(!native("6.7b", "gguf-native", Some(engine)));
    }

    #[test]
    fn a_paper_model_has_its_tier_and_loses_what_its_format_costs() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let accuracies = Accuracies::of(&catalog).expect("accuracies");
        let format = find(catalog.formats().expect("formats"), "int8").expect("a format");
        let model = catalog.model("13b").expect("a model");
        let found = accuracies.expected(&model, (format, None), 89.0);
        assert_eq!(found.basis, Basis::Claimed);
        let expected = found.expected.expect("a loss");
        assert!((expected - 89.0 * (1.0 - 0.0037)).abs() < 1e-9);
        let unmeasured = find(catalog.formats().expect("formats"), "q1_0").expect("a format");
        let unknown = accuracies.expected(&model, (unmeasured, None), 89.0);
        assert_eq!((unknown.expected, unknown.loss), (None, None));
        assert!(unknown.rounded() < found.rounded());
        let real = catalog.model("33b").expect("a model");
        let found = accuracies.expected(&real, (format, None), 91.0);
        assert_eq!(found.basis, Basis::Modelled);
    }
}
