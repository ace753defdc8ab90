//! The article's tiers: latency and accuracy by size, as claims.

use crate::catalog::defaults::Tier;
use crate::units::Parameters;

/// The tier that a model of `parameters` belongs to.
#[must_use]
pub fn tier(tiers: &[Tier], parameters: Parameters) -> Option<&Tier> {
    tiers
        .iter()
        .find(|tier| tier.below_parameters.is_none_or(|below| parameters < below))
}
