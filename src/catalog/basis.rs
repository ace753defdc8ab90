//! How a number is known.

use serde::{Deserialize, Serialize};

/// How a number is known, best first; a sum is known as its worst part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Computed from the real shape.
    Exact,
    /// Calibrated on a measurement that the catalog names.
    Measured,
    /// From a model of the engine, without a measurement of this very case.
    Modelled,
    /// From a shape or a choice that nobody confirmed.
    Assumed,
    /// Only the source article says so.
    Claimed,
}

impl Basis {
    /// The word that tables and JSON print.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Measured => "measured",
            Self::Modelled => "modelled",
            Self::Assumed => "assumed",
            Self::Claimed => "claimed",
        }
    }

    /// The weaker of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}
