//! Means and percentiles.

use crate::units::{count, float, index, whole};

/// A set of figures in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many figures.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the set itself.
    pub deviation: f64,
    /// The smallest.
    pub least: f64,
    /// The 50th percentile.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The largest.
    pub most: f64,
}

impl Summary {
    /// The summary of `values`; none of nothing.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let number = float(count(values.len()));
        let mean = values.iter().sum::<f64>() / number;
        let variance = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / number;
        Some(Self {
            count: count(values.len()),
            mean,
            deviation: variance.sqrt(),
            least,
            p50: percentile(&values, 0.5),
            p90: percentile(&values, 0.9),
            p99: percentile(&values, 0.99),
            most,
        })
    }
}

/// The value below which `share` of the sorted values lie, between neighbours in proportion:
/// `numpy.percentile`'s default, which `vllm bench serve` uses.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = share * float(count(last));
    let below = index(whole(place)).min(last);
    let above = (below + 1).min(last);
    let (Some(low), Some(high)) = (sorted.get(below), sorted.get(above)) else {
        return f64::NAN;
    };
    low + (high - low) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy 2.4.6: `np.percentile([15, 20, 35, 40, 50], [50, 90, 99])` is 35, 46 and 49.6; `np.std` is 12.884098726725126
    #[test]
    fn percentiles_are_numpys() {
        let summary = Summary::of(vec![50.0, 15.0, 40.0, 20.0, 35.0]).expect("five values");
        let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(close(summary.p50, 35.0));
        assert!(close(summary.p90, 46.0));
        assert!(close(summary.p99, 49.6));
        assert!(close(summary.mean, 32.0));
        assert!(close(summary.deviation, 12.884_098_726_725_126));
        assert_eq!(Summary::of(Vec::new()), None);
        let single = Summary::of(vec![2.0]).expect("one value");
        assert!(close(single.p99, 2.0) && close(single.deviation, 0.0));
    }
}
