//! What vendors' benchmark scores say about models that were never measured side by side.
//!
//! One number a model and one a benchmark explain every published score (the Rasch model of test
//! theory): logit(score) = ability - difficulty, fitted by least squares. Abilities then take the
//! scale of the article's tiers by a straight line through all models that have both. It is a model:
//! vendors choose their benchmarks, prompts and editions.

use std::collections::BTreeMap;

use crate::units::{count, float};

/// One published score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score<'a> {
    /// The model.
    pub model: &'a str,
    /// The benchmark.
    pub benchmark: &'a str,
    /// The share that was solved, 0 to 1.
    pub share: f64,
}

/// Rounds of alternating fits; the sums move by less than 10^-6 long before.
const ROUNDS: usize = 60;
/// How many scores' weight pulls an ability towards the mean, so that one score does not decide it.
const PULL: f64 = 0.25;
/// Scores nearer to 0 or 1 count as this far away, where a logit still means something.
const EDGE: f64 = 0.02;

/// The accuracy of each model in the tiers' scale; `tiers` gives each model's tier.
///
/// Models without a benchmark that another one has too are left out.
#[must_use]
pub fn accuracies(scores: &[Score<'_>], tiers: &BTreeMap<&str, f64>) -> BTreeMap<String, f64> {
    let abilities = abilities(scores);
    let points: Vec<(f64, f64)> = abilities
        .iter()
        .filter_map(|(model, ability)| Some((*ability, *tiers.get(model)?)))
        .collect();
    let Some((start, slope)) = line(&points) else {
        return BTreeMap::new();
    };
    abilities
        .into_iter()
        .map(|(model, ability)| (model.to_owned(), start + slope * ability))
        .collect()
}

/// The ability of each model, in logits.
fn abilities<'a>(scores: &[Score<'a>]) -> BTreeMap<&'a str, f64> {
    let mut takers: BTreeMap<&str, u64> = BTreeMap::new();
    for score in scores {
        *takers.entry(score.benchmark).or_default() += 1;
    }
    let shared: Vec<&Score<'a>> = scores
        .iter()
        .filter(|score| {
            takers
                .get(score.benchmark)
                .is_some_and(|takers| *takers > 1)
        })
        .collect();
    let mut ability: BTreeMap<&str, f64> = shared.iter().map(|score| (score.model, 0.0)).collect();
    for _ in 0..ROUNDS {
        let difficulty = means(
            shared.iter().map(|score| {
                let known = ability.get(score.model).copied().unwrap_or_default();
                (score.benchmark, known - logit(score.share))
            }),
            0.0,
        );
        ability = means(
            shared.iter().map(|score| {
                let known = difficulty.get(score.benchmark).copied().unwrap_or_default();
                (score.model, logit(score.share) + known)
            }),
            PULL,
        );
    }
    ability
}

fn logit(share: f64) -> f64 {
    let share = share.clamp(EDGE, 1.0 - EDGE);
    (share / (1.0 - share)).ln()
}

/// The mean of each key's values, with `pull` more values of zero.
fn means<'a>(values: impl Iterator<Item = (&'a str, f64)>, pull: f64) -> BTreeMap<&'a str, f64> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (key, value) in values {
        let (sum, weight) = sums.entry(key).or_insert((0.0, pull));
        *sum += value;
        *weight += 1.0;
    }
    sums.into_iter()
        .map(|(key, (sum, weight))| (key, sum / weight))
        .collect()
}

/// Start and slope of the straight line through the points; none where they do not give one that rises.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let number = float(count(points.len()));
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(x, y), point| {
        (x + point.0 / number, y + point.1 / number)
    });
    let (mut across, mut both) = (0.0, 0.0);
    for (x, y) in points {
        across += (x - mean_x).powi(2);
        both += (x - mean_x) * (y - mean_y);
    }
    let slope = both / across;
    (slope.is_finite() && slope > 0.0).then_some((mean_y - slope * mean_x, slope))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HumanEval of the DeepSeek-Coder README: 34.8, 49.4 and 56.1 for 1.3B, 6.7B and 33B; MBPP likewise.
    #[test]
    fn better_scores_make_a_better_model() {
        let rows = [
            ("1.3b", 0.348, 0.468),
            ("6.7b", 0.494, 0.606),
            ("33b", 0.561, 0.660),
        ];
        let mut scores = Vec::new();
        for (model, human, mbpp) in rows {
            scores.push(Score {
                model,
                benchmark: "HumanEval",
                share: human,
            });
            scores.push(Score {
                model,
                benchmark: "MBPP",
                share: mbpp,
            });
        }
        let tiers = BTreeMap::from([("1.3b", 85.0), ("6.7b", 89.0), ("33b", 91.0)]);
        let found = accuracies(&scores, &tiers);
        assert!(found["1.3b"] < found["6.7b"] && found["6.7b"] < found["33b"]);
    }

    #[test]
    fn a_benchmark_that_nobody_else_has_says_nothing() {
        let scores = [Score {
            model: "a",
            benchmark: "own",
            share: 0.9,
        }];
        assert!(accuracies(&scores, &BTreeMap::from([("a", 89.0)])).is_empty());
    }
}
