//! Ranges that hold more than one kind of error.

use crate::catalog::engine_speed::Spread;

impl Spread {
    /// Wide enough for such times per token.
    pub(super) fn holding(self, [low, high]: [f64; 2]) -> Self {
        let both = |range: [f64; 2], [low, high]: [f64; 2]| [range[0].min(low), range[1].max(high)];
        Self {
            first_token: self.first_token,
            output_token: both(self.output_token, [low, high]),
            throughput: both(self.throughput, [1.0 / high, 1.0 / low]),
        }
    }

    /// Errors of two kinds that add up.
    pub(super) fn beside(self, other: Self) -> Self {
        let times = |one: [f64; 2], other: [f64; 2]| [one[0] * other[0], one[1] * other[1]];
        Self {
            first_token: times(self.first_token, other.first_token),
            output_token: times(self.output_token, other.output_token),
            throughput: times(self.throughput, other.throughput),
        }
    }

    /// Times stretched or shortened further by so much.
    pub(super) fn over(self, [low, high]: [f64; 2]) -> Self {
        let times = |range: [f64; 2]| [range[0] * low, range[1] * high];
        Self {
            first_token: self.first_token,
            output_token: times(self.output_token),
            throughput: [self.throughput[0] / high, self.throughput[1] / low],
        }
    }
}

/// A range that holds both.
pub(super) fn wider(one: Spread, other: Spread) -> Spread {
    let both = |a: [f64; 2], b: [f64; 2]| [a[0].min(b[0]), a[1].max(b[1])];
    Spread {
        first_token: both(one.first_token, other.first_token),
        output_token: both(one.output_token, other.output_token),
        throughput: both(one.throughput, other.throughput),
    }
}
