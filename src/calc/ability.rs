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
    let models = numbered(scores.iter().map(|score| score.model));
    let benchmarks = numbered(scores.iter().map(|score| score.benchmark));
    let rows: Vec<Row> = scores
        .iter()
        .filter_map(|score| {
            let (model, _) = *models.get(score.model)?;
            let (benchmark, takers) = *benchmarks.get(score.benchmark)?;
            let row = Row {
                model,
                benchmark,
                logit: logit(score.share),
            };
            (takers > 1).then_some(row)
        })
        .collect();
    let mut ability = vec![0.0; models.len()];
    for _ in 0..ROUNDS {
        let difficulty = means(&rows, (benchmarks.len(), 0.0), |row| {
            (row.benchmark, ability[row.model] - row.logit)
        });
        ability = means(&rows, (models.len(), PULL), |row| {
            (row.model, row.logit + difficulty[row.benchmark])
        });
    }
    let compared = |number: &usize| rows.iter().any(|row| row.model == *number);
    models
        .into_iter()
        .filter(|(_, (number, _))| compared(number))
        .map(|(model, (number, _))| (model, ability[number]))
        .collect()
}

/// A score that others can be compared with.
struct Row {
    model: usize,
    benchmark: usize,
    logit: f64,
}

/// Each name with a number from 0 on, and how often it occurs.
fn numbered<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, (usize, u64)> {
    let mut numbers = BTreeMap::new();
    for name in names {
        let next = numbers.len();
        numbers.entry(name).or_insert((next, 0)).1 += 1;
    }
    numbers
}

fn logit(share: f64) -> f64 {
    let share = share.clamp(EDGE, 1.0 - EDGE);
    (share / (1.0 - share)).ln()
}

/// The mean of the values for each of `keys` numbers, with `pull` more values of zero.
fn means(
    rows: &[Row],
    (keys, pull): (usize, f64),
    value: impl Fn(&Row) -> (usize, f64),
) -> Vec<f64> {
    let mut sums = vec![(0.0, pull); keys];
    for row in rows {
        let (key, value) = value(row);
        sums[key].0 += value;
        sums[key].1 += 1.0;
    }
    sums.into_iter()
        .map(|(sum, weight)| if weight > 0.0 { sum / weight } else { 0.0 })
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
