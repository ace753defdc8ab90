//! Ranges of ratios, and how much they hold.

use std::collections::BTreeSet;

use dsk::units::{count, float, index, whole};

/// One of two halves, as if drawn.
pub(crate) fn half(place: usize, draw: usize) -> usize {
    let mixed = (place + 1000 * draw + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) % 2
}

pub(crate) fn at(sorted: &[f64], quantile: f64) -> f64 {
    sorted[index(whole((quantile * float(count(sorted.len()) - 1)).round()))]
}

pub(crate) fn count_rows(held: &[(usize, f64)]) -> usize {
    let places: BTreeSet<usize> = held.iter().map(|(place, _)| *place).collect();
    places.len()
}

/// The least share, from 80% on, whose range of one half of the rows holds 80% of the other half.
pub(crate) fn level(held: &[(usize, f64)]) -> f64 {
    (80_u32..95)
        .map(|share| f64::from(share) / 100.0)
        .find(|level| kept(held, *level) >= 0.8)
        .unwrap_or(0.95)
}

/// How much of one half of the rows lies in the range of the other, for several halves.
pub(crate) fn kept(held: &[(usize, f64)], level: f64) -> f64 {
    let (mut inside, mut all) = (0, 0);
    for draw in 7..15 {
        for part in [0, 1] {
            let (from, to): (Vec<_>, Vec<_>) = held
                .iter()
                .partition(|(place, _)| half(*place, draw) == part);
            let [low, high] = range(&from, level);
            inside += to
                .iter()
                .filter(|(_, ratio)| (low..=high).contains(ratio))
                .count();
            all += to.len();
        }
    }
    float(count(inside)) / float(count(all))
}

/// What such a share of further rows lies in.
///
/// A further row is as likely to fall between any two of those known, so the share is taken of one row more.
pub(crate) fn range(held: &[(usize, f64)], share: f64) -> [f64; 2] {
    let rows = float(count(count_rows(held)));
    let high = (f64::midpoint(1.0, share) * (rows + 1.0) / rows).min(1.0);
    let values = held.iter().map(|(_, ratio)| *ratio).collect();
    percentiles(values, [1.0 - high, high])
}

pub(crate) fn percentiles(mut values: Vec<f64>, quantiles: [f64; 2]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    quantiles.map(|quantile| at(&values, quantile))
}
