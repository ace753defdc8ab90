//! The order of recommendations.

use std::cmp::Ordering;

use super::{Candidate, Rejection};
use crate::catalog::Origin;
use crate::request::traffic::TooSlow;

/// Weights that can be downloaded before those that must be made, and these before paper ones; then expected accuracy, then speed, then the id.
pub(super) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|one, two| {
        one.availability
            .cmp(&two.availability)
            .then(two.accuracy.rank().cmp(&one.accuracy.rank()))
            .then(by_speed(one, two))
            .then(one.model.id.cmp(&two.model.id))
    });
}

/// The shorter time per output token first; where it is not known, after those where it is, by the article's claim.
pub(super) fn by_speed(one: &Candidate, two: &Candidate) -> Ordering {
    let known = |candidate: &Candidate| {
        let time = candidate.speed.time_per_output_token;
        time.map_or(f64::INFINITY, |time| time.value)
    };
    known(one)
        .total_cmp(&known(two))
        .then(one.latency_ms.total_cmp(&two.latency_ms))
}

/// What misses another demand than memory first, the nearest to a demanded time before the others; then what lacks least.
pub(super) fn sort_rejected(rejected: &mut [Rejection]) {
    let farthest = |rejection: &Rejection| {
        let times = rejection.too_slow.iter().map(TooSlow::times);
        times.fold(0.0, f64::max)
    };
    rejected.sort_by(|one, two| {
        let slower = |rejection: &Rejection| rejection.too_slow.is_empty();
        one.short_by
            .cmp(&two.short_by)
            .then(slower(one).cmp(&slower(two)))
            .then(farthest(one).total_cmp(&farthest(two)))
    });
}

/// Leaves one row for the same weights under two names, the article's, and says so.
pub(super) fn merge(candidates: &mut Vec<Candidate>) {
    let stands_for: Vec<(String, String)> = candidates
        .iter()
        .filter(|candidate| candidate.model.origin == Origin::Variant && candidate.is_real())
        .filter_map(|candidate| {
            Some((
                candidate.model.checkpoint.as_ref()?.release.clone(),
                candidate.model.id.clone(),
            ))
        })
        .collect();
    candidates.retain(|candidate| {
        candidate.model.origin != Origin::Release
            || !stands_for
                .iter()
                .any(|(release, _)| *release == candidate.model.id)
    });
    for (release, variant) in stands_for {
        for candidate in candidates
            .iter_mut()
            .filter(|candidate| candidate.model.id == variant)
        {
            candidate.why.push(format!(
                "the same weights as {release}, which has no row of its own"
            ));
        }
    }
}
