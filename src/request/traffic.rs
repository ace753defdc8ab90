//! What a model is asked to answer and how fast: prompts, answers, clients, and demands on their times.

use std::fmt;

use crate::calc::load::Load;
use crate::calc::speed::{Range, Speed, View, Workload, speed};
use crate::catalog::Scenario;
use crate::catalog::defaults::RequestDefaults;
use crate::error::{Error, Result};
use crate::units::Tokens;

/// Prompts and answers, as far as they were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficAsked {
    /// Tokens of each prompt.
    pub input: Option<u64>,
    /// Tokens of each answer.
    pub output: Option<u64>,
    /// Tokens of each prompt that the cache holds already, before those of `input`.
    pub cached: Option<u64>,
    /// Clients that ask again as soon as they are answered; none for one batch.
    pub concurrency: Option<u64>,
    /// Whether the model's own draft layers guess tokens ahead.
    pub speculative: bool,
}

/// Prompts and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Tokens of each prompt.
    pub input: u64,
    /// Tokens of each answer.
    pub output: u64,
    /// Tokens of each prompt that the cache holds already, before those of `input`.
    pub cached: u64,
    /// Clients that ask again as soon as they are answered; none for one batch.
    pub concurrency: Option<u64>,
    /// Whether the model's own draft layers guess tokens ahead.
    pub speculative: bool,
}

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

impl TrafficAsked {
    /// Fills the gaps from the scenario, else from the defaults, as far as `context` holds them.
    #[must_use]
    pub fn resolve(
        self,
        scenario: Option<&Scenario>,
        defaults: &RequestDefaults,
        context: Option<u64>,
    ) -> Traffic {
        let typical = (
            scenario
                .and_then(|scenario| scenario.input_tokens)
                .unwrap_or(defaults.input_tokens),
            scenario
                .and_then(|scenario| scenario.output_tokens)
                .unwrap_or(defaults.output_tokens),
        );
        let cached = self.cached.unwrap_or(0);
        let room = context.map_or(u64::MAX, |context| context.saturating_sub(cached));
        let input = self
            .input
            .unwrap_or_else(|| match self.output {
                Some(output) => typical.0.min(room.saturating_sub(output)),
                None => typical.0.min(room / 2),
            })
            .max(1);
        Traffic {
            input,
            output: self
                .output
                .unwrap_or_else(|| typical.1.min(room.saturating_sub(input))),
            cached,
            concurrency: self.concurrency,
            speculative: self.speculative,
        }
    }
}

impl Traffic {
    /// Tokens that one sequence holds at its end.
    #[must_use]
    pub fn length(&self) -> Tokens {
        Tokens(self.cached) + Tokens(self.input) + Tokens(self.output)
    }

    /// Refuses prompts and answers that `context` does not hold.
    ///
    /// # Errors
    /// How many tokens they are.
    pub fn check(&self, context: Tokens) -> Result<()> {
        if self.length() <= context {
            return Ok(());
        }
        let parts = [
            (self.cached, "in the cache"),
            (self.input, "of input"),
            (self.output, "of output"),
        ];
        let words: Vec<String> = parts
            .iter()
            .filter(|(tokens, _)| *tokens > 0)
            .map(|(tokens, what)| format!("{tokens} {what}"))
            .collect();
        Err(Error::Unanswerable(format!(
            "a context of {context} tokens does not hold {}",
            words.join(" and ")
        )))
    }

    /// How fast `load` answers it: `sequences` at once, or so many clients where clients are asked for.
    #[must_use]
    pub fn speed(&self, load: &Load<'_>, sequences: u64) -> Speed {
        self.complete(speed(load, &self.workload(sequences)))
    }

    /// What is asked of the calculator: `sequences` at once, or so many clients where clients are asked for.
    #[must_use]
    pub fn workload(&self, sequences: u64) -> Workload {
        let view = match self.concurrency {
            Some(_) => View::Served {
                concurrency: sequences,
            },
            None => View::Static,
        };
        Workload {
            sequences,
            cached: self.cached,
            view,
            speculative: self.speculative,
            ..Workload::one(self.input, self.output)
        }
    }

    /// `found` without the figures that an answer of no or one token has not.
    #[must_use]
    pub fn complete(&self, mut found: Speed) -> Speed {
        if self.output < 2 && found.time_per_output_token.is_some() {
            found.time_per_output_token = None;
            found.bound = None;
            found.notes.push(format!(
                "an answer of {} tokens has no time from one token to the next",
                self.output
            ));
        }
        if self.output == 0 {
            found.throughput = None;
        }
        found
    }
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
    use crate::catalog::{Basis, Catalog};

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
    fn defaults_give_way_to_a_short_context() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let defaults = &catalog.defaults().expect("defaults").request;
        let resolve = |input, output, context| {
            let asked = TrafficAsked {
                input,
                output,
                ..TrafficAsked::default()
            };
            let traffic = asked.resolve(None, defaults, context);
            (traffic.input, traffic.output)
        };
        assert_eq!(
            resolve(None, None, None),
            (defaults.input_tokens, defaults.output_tokens)
        );
        assert_eq!(resolve(None, None, Some(100)), (50, 50));
        assert_eq!(resolve(Some(90), None, Some(100)), (90, 10));
        assert_eq!(resolve(None, Some(0), Some(100)), (100, 0));
        assert_eq!(resolve(Some(512), Some(129), None), (512, 129));
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
