//! The article's tiers: latency and accuracy by size, as claims.

use crate::catalog::defaults::Tier;
use crate::catalog::format::FormatClaim;
use crate::units::Parameters;

/// The tier that a model of `parameters` belongs to.
#[must_use]
pub fn tier(tiers: &[Tier], parameters: Parameters) -> Option<&Tier> {
    tiers
        .iter()
        .find(|tier| tier.below_parameters.is_none_or(|below| parameters < below))
}

/// The tier's latency for weights that are `share` of their FP32 size, in milliseconds.
///
/// The article says how much faster INT8 is at a quarter of the size (`claim`); other sizes lie on the
/// power law through that point. It is a claim, and not what the hardware does.
#[must_use]
pub fn latency_in_format(tier: &Tier, claim: Option<&FormatClaim>, share: f64) -> f64 {
    let latency = crate::units::float(tier.latency_ms);
    match claim.and_then(|claim| Some((claim.times_smaller?, claim.times_faster?))) {
        Some((smaller, faster)) if smaller > 1.0 => {
            latency * share.powf(faster.ln() / smaller.ln())
        }
        _ => latency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The article's own point: INT8 is 4 times smaller and 2.3 times faster than FP32.
    #[test]
    fn a_quarter_of_the_size_is_2_3_times_faster() {
        let tier = Tier {
            below_parameters: None,
            latency_ms: 230,
            accuracy: 91.0,
            source: String::new(),
        };
        let claim = FormatClaim {
            times_smaller: Some(4.0),
            times_faster: Some(2.3),
            loss_below: None,
            source: String::new(),
        };
        assert!((latency_in_format(&tier, Some(&claim), 0.25) - 100.0).abs() < 1e-9);
    }
}
