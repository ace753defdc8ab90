//! What was measured with so many clients at once.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::record::{Counted, Sample};
use super::statistics::Summary;
use crate::units::{count, float};

/// What a request must keep to count as good, in seconds; none is met by every request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Targets {
    /// The longest time to the first token.
    pub first_token: Option<f64>,
    /// The longest time per output token.
    pub output_token: Option<f64>,
    /// The longest time to the last token.
    pub end_to_end: Option<f64>,
}

impl Targets {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the request keeps every one; an answer of one token has no time per output token to break.
    fn met_by(&self, sample: &Sample) -> bool {
        let kept = |limit: Option<f64>, actual: f64| limit.is_none_or(|limit| actual <= limit);
        kept(self.first_token, sample.time_to_first_token())
            && kept(
                self.output_token,
                sample.time_per_output_token().unwrap_or_default(),
            )
            && kept(self.end_to_end, sample.end_to_end())
    }
}

/// Everything that came back of one level.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Returned {
    /// Requests that were answered.
    pub samples: Vec<Sample>,
    /// Requests that were not.
    pub failures: Vec<Failure>,
    /// Requests that were under way when the run was stopped.
    pub unfinished: u64,
}

impl Returned {
    /// Takes the outcome of one request.
    pub fn take(&mut self, outcome: Result<Sample, Failure>) {
        match outcome {
            Ok(sample) => self.samples.push(sample),
            Err(failure) => self.failures.push(failure),
        }
    }

    /// Requests that are over.
    #[must_use]
    pub fn done(&self) -> u64 {
        count(self.samples.len()) + count(self.failures.len())
    }
}

/// One level, measured. The definitions are those of `vllm bench serve` (vLLM 0.33.0, benchmarks/serve.py,
/// `calculate_metrics`), so that figures can be held against its.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Clients at once.
    pub concurrency: u64,
    /// Requests that were answered in full.
    pub completed: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that were under way when the run was stopped.
    pub unfinished: u64,
    /// How many failed in which way, with one message of each kind.
    pub errors: BTreeMap<String, (u64, String)>,
    /// Seconds from the first request to the last token.
    pub duration: f64,
    /// Tokens of all prompts, where the server counted every one.
    pub input_tokens: Option<u64>,
    /// Tokens of all answers.
    pub output_tokens: u64,
    /// Who counted them: chunks if any answer had no count.
    pub counted: Option<Counted>,
    /// Requests answered per second.
    pub requests_per_second: f64,
    /// Output tokens per second of all clients.
    pub output_tokens_per_second: f64,
    /// Requests per second that kept every target; none when there was none to keep.
    pub goodput: Option<f64>,
    /// Seconds to the first token.
    pub first_token: Option<Summary>,
    /// Seconds per output token after the first, one figure a request.
    pub output_token: Option<Summary>,
    /// Seconds between chunks, all requests together.
    pub gap: Option<Summary>,
    /// Seconds to the last token.
    pub end_to_end: Option<Summary>,
}

impl Level {
    /// The level of `concurrency` clients that returned `returned`.
    #[must_use]
    pub fn of(concurrency: u64, returned: &Returned, targets: &Targets) -> Self {
        let samples = &returned.samples;
        let duration = duration(samples);
        let rate = |number: u64| {
            if duration > 0.0 {
                float(number) / duration
            } else {
                0.0
            }
        };
        let output_tokens = samples.iter().map(|sample| sample.output_tokens).sum();
        let good = samples.iter().filter(|sample| targets.met_by(sample));
        let summary =
            |figure: fn(&Sample) -> f64| Summary::of(samples.iter().map(figure).collect());
        Self {
            concurrency,
            completed: count(samples.len()),
            failed: count(returned.failures.len()),
            unfinished: returned.unfinished,
            errors: errors(&returned.failures),
            duration,
            input_tokens: samples.iter().map(|sample| sample.input_tokens).sum(),
            output_tokens,
            counted: samples.iter().map(|sample| sample.counted).max(),
            requests_per_second: rate(count(samples.len())),
            output_tokens_per_second: rate(output_tokens),
            goodput: (!targets.is_empty()).then(|| rate(count(good.count()))),
            first_token: summary(Sample::time_to_first_token),
            output_token: Summary::of(
                samples
                    .iter()
                    .filter_map(Sample::time_per_output_token)
                    .collect(),
            ),
            gap: Summary::of(samples.iter().flat_map(Sample::gaps).collect()),
            end_to_end: summary(Sample::end_to_end),
        }
    }

    /// Tokens of a prompt on average, where the server counted them.
    #[must_use]
    pub fn mean_input(&self) -> Option<f64> {
        let tokens = self.input_tokens.filter(|_| self.completed > 0)?;
        Some(float(tokens) / float(self.completed))
    }

    /// Tokens of an answer on average.
    #[must_use]
    pub fn mean_output(&self) -> Option<f64> {
        (self.completed > 0).then(|| float(self.output_tokens) / float(self.completed))
    }
}

/// Seconds from the first request that was answered to the last token.
fn duration(samples: &[Sample]) -> f64 {
    let first = samples
        .iter()
        .map(|sample| sample.sent)
        .min_by(f64::total_cmp);
    let last = samples.iter().map(Sample::ended).max_by(f64::total_cmp);
    match (first, last) {
        (Some(first), Some(last)) => last - first,
        _ => 0.0,
    }
}

fn errors(failures: &[Failure]) -> BTreeMap<String, (u64, String)> {
    let mut errors = BTreeMap::new();
    for failure in failures {
        let entry = errors
            .entry(failure.kind())
            .or_insert_with(|| (0, failure.to_string()));
        entry.0 += 1;
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sent: f64, times: &[f64], output_tokens: u64) -> Sample {
        Sample {
            sent,
            tokens: times.to_vec(),
            input_tokens: Some(10),
            output_tokens,
            counted: Counted::Usage,
        }
    }

    /// Two requests over four seconds: 6 tokens are 1.5 a second.
    #[test]
    fn rates_are_over_the_whole_level() {
        let returned = Returned {
            samples: vec![
                sample(0.0, &[0.5, 1.0, 1.5], 3),
                sample(1.0, &[3.0, 3.5, 4.0], 3),
            ],
            failures: vec![Failure::Timeout, Failure::CutOff, Failure::Timeout],
            unfinished: 1,
        };
        let targets = Targets {
            first_token: Some(1.0),
            ..Targets::default()
        };
        let level = Level::of(2, &returned, &targets);
        let close = |one: f64, other: f64| (one - other).abs() < 1e-12;
        assert!(close(level.duration, 4.0));
        assert!(close(level.output_tokens_per_second, 1.5));
        assert!(close(level.requests_per_second, 0.5));
        assert!(close(level.goodput.expect("a target"), 0.25));
        assert_eq!(level.input_tokens, Some(20));
        assert_eq!(level.errors["timeout"].0, 2);
        assert_eq!((level.completed, level.failed, level.unfinished), (2, 3, 1));
        assert!(close(level.first_token.expect("two").mean, 1.25));
        assert!(close(level.gap.expect("four").mean, 0.5));
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        let level = Level::of(1, &Returned::default(), &Targets::default());
        assert_eq!(
            (level.first_token, level.goodput, level.counted),
            (None, None, None)
        );
        assert_eq!(level.mean_output(), None);
    }

    /// A server that counts only some prompts tells nothing of all of them.
    #[test]
    fn a_missing_count_is_unknown_not_zero() {
        let mut other = sample(0.0, &[1.0], 1);
        other.input_tokens = None;
        other.counted = Counted::Chunks;
        let returned = Returned {
            samples: vec![sample(0.0, &[1.0], 1), other],
            ..Returned::default()
        };
        let level = Level::of(1, &returned, &Targets::default());
        assert_eq!(
            (level.input_tokens, level.counted),
            (None, Some(Counted::Chunks))
        );
    }
}
