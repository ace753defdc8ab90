//! What a model is asked to answer and how fast: prompts, answers, clients, and demands on their times.

mod demands;

use crate::calc::load::{Load, Split};
use crate::calc::parallel::replica;
use crate::calc::speed::{Prepared, Range, Speed, View, Workload, calibrations, prepared};
use crate::catalog::Scenario;
use crate::catalog::Shape;
use crate::catalog::defaults::RequestDefaults;
use crate::error::{Error, Result};
use crate::units::Tokens;

pub use demands::{Seconds, SpeedDemands, Time, TooSlow};

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

    /// What one sequence may hold where nobody says: with so many clients the traffic alone, since every token
    /// more takes the cache of all of them; else `usual` tokens at least.
    #[must_use]
    pub fn context(&self, usual: u64) -> Tokens {
        match self.concurrency {
            Some(_) => self.length(),
            None => self.length().max(Tokens(usual)),
        }
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
        match prepared(load, calibrations(load)) {
            Ok(prepared) => self.speed_of(&prepared, (&load.model.shape, load.split), sequences),
            Err(reason) => self.complete(Speed::unknown(load.model.basis, reason)),
        }
    }

    /// The same of a question that is prepared already, for one of its splits.
    #[must_use]
    pub fn speed_of(
        &self,
        prepared: &Prepared<'_>,
        (shape, split): (&Shape, Split),
        sequences: u64,
    ) -> Speed {
        let (server, each, replicas) = replica(shape, split, sequences);
        let speed = prepared.speed((server, server.devices()), &self.workload(each));
        self.complete(Speed {
            throughput: speed.throughput.map(|rate| Range {
                value: rate.value * replicas,
                low: rate.low * replicas,
                high: rate.high * replicas,
            }),
            ..speed
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

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
}
