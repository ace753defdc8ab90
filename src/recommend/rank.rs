//! The order of recommendations.

use super::Candidate;

/// Real weights before paper ones, then expected accuracy, then speed, then the larger model.
pub(super) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|one, two| {
        two.is_real()
            .cmp(&one.is_real())
            .then(two.rounded_accuracy().cmp(&one.rounded_accuracy()))
            .then(one.latency_ms.total_cmp(&two.latency_ms))
            .then(one.model.id.cmp(&two.model.id))
    });
}
