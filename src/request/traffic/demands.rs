//! Demands on times, and what misses them.

use std::fmt;

use crate::calc::speed::{Range, Speed};

/// The longest times that serve, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SpeedDemands {
    /// To the first token.
    pub first_token: Option<f64>,
    /// From one token to the next.
    pub output_token: Option<f64>,
}

/// A time that is too long, or not known.
#[derive(Debug, Clone, PartialEq)]
pub struct TooSlow {
    /// Which time.
    pub time: Time,
    /// The longest that serves, in seconds.
    pub limit: f64,
    /// What it would be, in seconds; none when that is not known.
    pub actual: Option<f64>,
    /// Why it is not known.
    pub unknown: Option<String>,
}

/// A time that users wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// To the first token.
    FirstToken,
    /// From one token to the next.
    OutputToken,
}

impl SpeedDemands {
    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first_token.is_none() && self.output_token.is_none()
    }

    /// What `speed` does not meet; a time that is not known meets nothing.
    #[must_use]
    pub fn missed(&self, speed: &Speed) -> Vec<TooSlow> {
        let times = [
            (
                Time::FirstToken,
                self.first_token,
                speed.time_to_first_token,
            ),
            (
                Time::OutputToken,
                self.output_token,
                speed.time_per_output_token,
            ),
        ];
        let missed = |(time, limit, actual): (Time, Option<f64>, Option<Range>)| {
            let limit = limit?;
            let actual = actual.map(|range| range.value);
            actual.is_none_or(|actual| actual > limit).then(|| TooSlow {
                time,
                limit,
                actual,
                unknown: match actual {
                    Some(_) => None,
                    None => speed.notes.last().cloned(),
                },
            })
        };
        times.into_iter().filter_map(missed).collect()
    }
}

impl TooSlow {
    /// How many times too long; without end when it is not known.
    #[must_use]
    pub fn times(&self) -> f64 {
        self.actual
            .map_or(f64::INFINITY, |actual| actual / self.limit)
    }
}

impl Time {
    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::FirstToken => "time to first token",
            Self::OutputToken => "time per output token",
        }
    }

    /// What it is called as a demand, with its unit.
    #[must_use]
    pub fn demand(self) -> &'static str {
        match self {
            Self::FirstToken => "time to first token in seconds",
            Self::OutputToken => "time per output token in seconds",
        }
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, limit) = (self.time.word(), Seconds(self.limit));
        match (self.actual, &self.unknown) {
            (Some(actual), _) => write!(
                out,
                "{time}: {} where {limit} is asked for, {} too long",
                Seconds(actual),
                Seconds(actual - self.limit)
            ),
            (None, Some(reason)) => {
                write!(out, "{time}: not known, {limit} is asked for ({reason})")
            }
            (None, None) => write!(out, "{time}: not known, {limit} is asked for"),
        }
    }
}

/// Seconds as people read them: three digits, in ms below one second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Seconds(pub f64);

impl fmt::Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = if self.0 < 0.9995 {
            (self.0 * 1e3, "ms")
        } else {
            (self.0, "s")
        };
        let digits = match value {
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        let text = format!("{value:.digits$}");
        let short = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        write!(out, "{short} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Basis;

    fn known(first: f64, token: f64) -> Speed {
        let range = |value| {
            Some(Range {
                value,
                low: value,
                high: value,
            })
        };
        Speed {
            time_to_first_token: range(first),
            time_per_output_token: range(token),
            throughput: None,
            bound: None,
            basis: Basis::Modelled,
            source: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_demand_is_missed_by_what_is_too_long() {
        let demands = SpeedDemands {
            first_token: Some(0.5),
            output_token: Some(0.030),
        };
        assert!(demands.missed(&known(0.5, 0.03)).is_empty());
        let missed = demands.missed(&known(0.4, 0.0382));
        let words: Vec<String> = missed.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            ["time per output token: 38.2 ms where 30 ms is asked for, 8.2 ms too long"]
        );
    }

    #[test]
    fn what_is_not_known_meets_no_demand() {
        let unknown = Speed {
            time_to_first_token: None,
            time_per_output_token: None,
            notes: vec!["no speed of it was measured".to_owned()],
            ..known(1.0, 1.0)
        };
        let demands = SpeedDemands {
            first_token: None,
            output_token: Some(2.0),
        };
        let words: Vec<String> = demands
            .missed(&unknown)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            words,
            ["time per output token: not known, 2 s is asked for (no speed of it was measured)"]
        );
    }

    #[test]
    fn seconds_have_three_digits() {
        let words =
            [0.0123, 0.5, 1.0, 12.34, 0.123_4, 0.001_234].map(|time| Seconds(time).to_string());
        assert_eq!(
            words,
            ["12.3 ms", "500 ms", "1 s", "12.3 s", "123 ms", "1.23 ms"]
        );
    }
}
