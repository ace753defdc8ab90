//! Quantities as types: the base unit inside, conversion only at the edges.
//!
//! Addition and multiplication saturate, so that an absurd request (10^12 sequences)
//! ends as "does not fit" and never as a panic or a wrapped number.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

use serde::{Deserialize, Serialize};

/// 2^30, the number of bytes in one GiB.
const GIB: f64 = 1_073_741_824.0;
/// 2^20, the number of bytes in one MiB.
const MIB: f64 = 1_048_576.0;

/// The nearest `f64` to `value`; exact below 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the one place where a count becomes a ratio"
)]
#[must_use]
pub fn float(value: u64) -> f64 {
    value as f64
}

/// `value` rounded down to a whole number; 0 below zero or for NaN, saturating above.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float-to-integer casts saturate, which is what is wanted"
)]
#[must_use]
pub fn whole(value: f64) -> u64 {
    value as u64
}

/// `value` as a collection index or length.
#[must_use]
pub fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The length of a collection as a count.
#[must_use]
pub fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);

            /// What is left after taking `other` away, or nothing.
            #[must_use]
            pub fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// An equal share for each of `parts`, rounded up; all of it when `parts` is 0.
            #[must_use]
            pub fn share(self, parts: u64) -> Self {
                Self(self.0.div_ceil(parts.max(1)))
            }

            /// The smallest multiple of `step` that holds it; itself when `step` is 0.
            #[must_use]
            pub fn round_up(self, step: u64) -> Self {
                if step == 0 {
                    return self;
                }
                Self(self.0.checked_next_multiple_of(step).unwrap_or(u64::MAX))
            }

            /// The nearest `f64` to the base unit.
            #[must_use]
            pub fn as_f64(self) -> f64 {
                float(self.0)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Mul<u64> for $name {
            type Output = Self;
            fn mul(self, factor: u64) -> Self {
                Self(self.0.saturating_mul(factor))
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
                parts.fold(Self::ZERO, Add::add)
            }
        }
    };
}

quantity! {
    /// Memory, in bytes.
    Bytes
}
quantity! {
    /// Weights of a model, counted as numbers (not bytes).
    Parameters
}
quantity! {
    /// Positions of a sequence.
    Tokens
}

impl Bytes {
    /// `value` GiB (2^30 bytes each), rounded down to a byte.
    #[must_use]
    pub fn from_gib(value: f64) -> Self {
        Self(whole(value * GIB))
    }

    /// `value` MiB (2^20 bytes each), rounded down to a byte.
    #[must_use]
    pub fn from_mib(value: f64) -> Self {
        Self(whole(value * MIB))
    }

    /// In GiB (2^30 bytes).
    #[must_use]
    pub fn gib(self) -> f64 {
        self.as_f64() / GIB
    }

    /// In MiB (2^20 bytes).
    #[must_use]
    pub fn mib(self) -> f64 {
        self.as_f64() / MIB
    }

    /// `factor` of it, rounded down to a byte.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        Self(whole(self.as_f64() * factor))
    }

    /// How far it is from `other`, signed, in bytes; saturating.
    #[must_use]
    pub fn minus(self, other: Self) -> i64 {
        let difference = i128::from(self.0) - i128::from(other.0);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }
}

impl Sub for Bytes {
    type Output = Self;
    /// Saturates at zero: memory that is not there cannot be owed.
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Parameters {
    /// In billions (10^9).
    #[must_use]
    pub fn billions(self) -> f64 {
        self.as_f64() / 1e9
    }

    /// The bytes that as many values of `bits` bits take, rounded up to a byte.
    #[must_use]
    pub fn bytes_at(self, bits: u64) -> Bytes {
        let bytes = (u128::from(self.0) * u128::from(bits)).div_ceil(8);
        Bytes(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Bytes {
    /// As people read it: GiB from one GiB on, MiB below, two decimals.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gib() >= 1.0 {
            write!(out, "{:.2} GiB", self.gib())
        } else {
            write!(out, "{:.2} MiB", self.mib())
        }
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gib_is_two_to_the_thirtieth() {
        assert_eq!(Bytes::from_gib(1.0), Bytes(1 << 30));
        assert_eq!(Bytes(13_481_025_536).to_string(), "12.56 GiB");
    }

    #[test]
    fn half_bytes_round_up() {
        assert_eq!(Parameters(3).bytes_at(4), Bytes(2));
    }

    #[test]
    fn absurd_products_saturate() {
        assert_eq!(Bytes(u64::MAX) * 2, Bytes(u64::MAX));
        assert_eq!(Bytes(0).minus(Bytes(u64::MAX)), i64::MIN);
        assert_eq!(Bytes(5).round_up(4), Bytes(8));
    }
}
