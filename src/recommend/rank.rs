//! The order of recommendations.

use super::Candidate;
use crate::catalog::Origin;

/// Real weights before paper ones, then expected accuracy, then speed, then the id.
pub(super) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|one, two| {
        two.is_real()
            .cmp(&one.is_real())
            .then(two.accuracy.rounded().cmp(&one.accuracy.rounded()))
            .then(one.latency_ms.total_cmp(&two.latency_ms))
            .then(one.model.id.cmp(&two.model.id))
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
