//! The article's memory rule, with its unit corrected.
//!
//! As printed (parameters in billions x 4 / 1024) it gives 0.05 for 13B; the division by 1024 fits
//! parameters counted in millions, so that is what is computed.

use crate::units::{Bytes, float};

/// The rule with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The formula with the numbers in it.
    pub formula: String,
    /// Weights by the rule, in GiB.
    pub weights_gib: f64,
    /// Weights by the rule and the real cache, in GiB.
    pub total_gib: f64,
    /// What the formula gives as the article prints it, in its "GB".
    pub as_printed: f64,
}

/// The rule for `millions` of parameters at `bits` each, with a cache of `cache`.
#[must_use]
pub fn rule(millions: f64, bits: u64, cache: Bytes) -> Rule {
    let bytes = float(bits) / 8.0;
    let weights_gib = millions * bytes / 1024.0;
    let total_gib = weights_gib + cache.gib();
    Rule {
        formula: format!(
            "{millions} million parameters x {bytes} bytes / 1024 + {:.2} GiB cache = {total_gib:.2} GiB",
            cache.gib()
        ),
        weights_gib,
        total_gib,
        as_printed: millions / 1000.0 * bytes / 1024.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 13B at FP32: 13000 x 4 / 1024, and 0.05 as the article prints it.
    #[test]
    fn thirteen_billion_at_fp32() {
        let rule = rule(13_000.0, 32, Bytes::ZERO);
        assert!((rule.weights_gib - 50.781_25).abs() < 1e-9);
        assert!((rule.as_printed - 0.050_78).abs() < 1e-4);
    }
}
