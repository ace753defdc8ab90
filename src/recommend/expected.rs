//! What accuracy to expect of each model, from its vendor's scores and the article's tiers.

use std::collections::BTreeMap;

use crate::calc::ability::{Score, accuracies};
use crate::calc::tensors::parameters;
use crate::calc::tier::tier;
use crate::catalog::variant::Match;
use crate::catalog::{Basis, Catalog, Entry, Model};
use crate::error::Result;

/// Expected accuracies by release, in the article's per cent.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    by_release: BTreeMap<String, f64>,
}

/// An accuracy, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Known {
    /// In the article's per cent.
    pub(super) accuracy: f64,
    /// `modelled` from the vendor's scores, else `claimed` by the tier.
    pub(super) basis: Basis,
}

impl Expected {
    /// Fits the releases' scores.
    ///
    /// # Errors
    /// When the catalog is broken.
    pub(super) fn of(catalog: &Catalog) -> Result<Self> {
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

    /// What to expect of `model`: its checkpoint's scores where it is that checkpoint, else its tier.
    pub(super) fn for_model(&self, model: &Model, tier: f64) -> Known {
        let weights = model
            .checkpoint
            .as_ref()
            .filter(|weights| weights.matching == Match::Exact);
        match weights.and_then(|weights| self.by_release.get(&weights.release)) {
            Some(accuracy) => Known {
                accuracy: accuracy.min(100.0),
                basis: Basis::Modelled,
            },
            None => Known {
                accuracy: tier,
                basis: Basis::Claimed,
            },
        }
    }
}
