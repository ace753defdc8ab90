//! What is asked, and how an answer is said.

use crate::catalog::Basis;

/// What is asked of a loaded model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Tokens of each prompt.
    pub input: u64,
    /// Tokens of each answer.
    pub output: u64,
    /// Tokens of each prompt that are in the cache already, before `input`.
    pub cached: u64,
    /// Sequences at once, when they come as one batch.
    pub sequences: u64,
    /// How the requests come.
    pub view: View,
    /// Whether sequences choose experts independently of each other.
    pub routing: Routing,
    /// Whether the model's own draft layers guess tokens ahead.
    pub speculative: bool,
}

impl Workload {
    /// One prompt of `input` tokens that is answered by `output` tokens.
    #[must_use]
    pub const fn one(input: u64, output: u64) -> Self {
        Self {
            input,
            output,
            cached: 0,
            sequences: 1,
            view: View::Static,
            routing: Routing::Independent,
            speculative: false,
        }
    }

    /// Sequences that a step has at once.
    pub(super) fn at_once(&self) -> u64 {
        match self.view {
            View::Static => self.sequences,
            View::Served { concurrency } => concurrency,
        }
    }
}

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// All at once.
    Static,
    /// From clients that ask again as soon as they are answered.
    Served {
        /// The clients.
        concurrency: u64,
    },
}

/// How the sequences of a batch choose experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// Each its own: what served models do.
    Independent,
    /// All the same: what a batch of equal tokens does.
    Alike,
}

/// A figure that 80% of measurements would put between `low` and `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The figure.
    pub value: f64,
    /// The 10th percentile.
    pub low: f64,
    /// The 90th percentile.
    pub high: f64,
}

impl Range {
    /// The range around `value`; none where the value is no number, or nothing was to be done.
    pub(super) fn of(value: f64, [low, high]: [f64; 2]) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self {
            value,
            low: value * low,
            high: value * high,
        })
    }
}

/// What takes most of a decode step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Reading weights and cache.
    Memory,
    /// Arithmetic.
    Compute,
    /// Traffic between devices.
    Link,
    /// Fixed times of the engine.
    Overhead,
}

impl Bound {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Compute => "compute",
            Self::Link => "link",
            Self::Overhead => "overhead",
        }
    }
}

/// Seconds, before their ranges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// Until all sequences have their first token; of one request when served.
    pub first_token: f64,
    /// From one token of a sequence to the next.
    pub output_token: f64,
    /// Output tokens per second of all sequences, prompts included in the time.
    pub throughput: f64,
    /// What takes most of a decode step.
    pub bound: Bound,
}

/// How fast, or why that cannot be said.
#[derive(Debug, Clone, PartialEq)]
pub struct Speed {
    /// Seconds until all sequences have their first token; of one request when served.
    pub time_to_first_token: Option<Range>,
    /// Seconds from one token of a sequence to the next.
    pub time_per_output_token: Option<Range>,
    /// Output tokens per second of all sequences, prompts included in the time.
    pub throughput: Option<Range>,
    /// What takes most of a decode step.
    pub bound: Option<Bound>,
    /// How the figures are known.
    pub basis: Basis,
    /// What the constants come from; none where there is no figure.
    pub source: Option<String>,
    /// What they rest on, or why there are none.
    pub notes: Vec<String>,
}

impl Speed {
    /// No figure, and why.
    #[must_use]
    pub fn unknown(basis: Basis, reason: String) -> Self {
        Self {
            time_to_first_token: None,
            time_per_output_token: None,
            throughput: None,
            bound: None,
            basis,
            source: None,
            notes: vec![reason],
        }
    }
}
