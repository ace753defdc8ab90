//! How fast: time to first token, time per output token, throughput, each with a range.
//!
//! A closed form with the engine's measured constants (`catalog::engine_speed`). Reading, arithmetic, links
//! and fixed times are added: on published runs the sum came nearer than the largest of them.

mod decode;
mod factors;
mod machine;
mod prefill;
mod served;
mod volume;

use super::load::Load;
use crate::catalog::Basis;
use crate::catalog::engine_speed::Spread;
use crate::units::float;
use machine::Machine;
use volume::Volume;

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
    /// How independently sequences choose experts: 1 when each chooses its own, 0 when all choose alike.
    ///
    /// A batch of `B` touches the experts of `B^routing` independent sequences. Served models behave like
    /// 1; random weights lead all sequences to the same token, hence to much the same experts.
    pub routing: f64,
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
    /// What they rest on, or why there are none.
    pub notes: Vec<String>,
}

/// Seconds, before their ranges.
#[derive(Debug, Clone, Copy)]
struct Times {
    first: f64,
    token: f64,
    throughput: f64,
    bound: Bound,
}

/// How fast the model of `load` answers `workload`.
#[must_use]
pub fn speed(load: &Load<'_>, workload: &Workload) -> Speed {
    match answer(load, workload) {
        Ok(speed) => speed,
        Err(reason) => Speed {
            time_to_first_token: None,
            time_per_output_token: None,
            throughput: None,
            bound: None,
            basis: load.model.basis,
            notes: vec![reason],
        },
    }
}

fn answer(load: &Load<'_>, workload: &Workload) -> Result<Speed, String> {
    let machine = Machine::of(load)?;
    let volume = Volume::of(load)?;
    let (times, spread) = match workload.view {
        View::Static => (
            lone(&machine, &volume, workload),
            machine.constants.ranges.lone,
        ),
        View::Served { concurrency } => {
            let Some(spread) = machine.constants.ranges.served else {
                return Err(format!("no closed loop of {} was measured", machine.engine));
            };
            (
                served::times(&machine, &volume, (workload, concurrency))?,
                spread,
            )
        }
    };
    let spread = if machine.unseen {
        wider(spread, machine.constants.ranges.unseen)
    } else {
        spread
    };
    Ok(Speed {
        time_to_first_token: Range::of(times.first, spread.first_token),
        time_per_output_token: Range::of(times.token, spread.output_token),
        throughput: Range::of(times.throughput, spread.throughput),
        bound: Some(times.bound),
        basis: load.model.basis.and(Basis::Modelled),
        notes: machine.notes,
    })
}

fn lone(machine: &Machine<'_>, volume: &Volume, workload: &Workload) -> Times {
    let sequences = float(workload.sequences.max(1));
    let step = decode::step(machine, volume, (workload, sequences));
    let first = prefill::seconds(machine, volume, (workload, sequences))
        + machine.constants.prefill_seconds;
    let output = float(workload.output);
    let token = step.total();
    Times {
        first,
        token,
        throughput: sequences * output / (first + (output - 1.0).max(0.0) * token),
        bound: step.bound(),
    }
}

/// A range that holds both.
fn wider(one: Spread, other: Spread) -> Spread {
    let both = |a: [f64; 2], b: [f64; 2]| [a[0].min(b[0]), a[1].max(b[1])];
    Spread {
        first_token: both(one.first_token, other.first_token),
        output_token: both(one.output_token, other.output_token),
        throughput: both(one.throughput, other.throughput),
    }
}

impl Range {
    /// The range around `value`; none where the value is no number, or nothing was to be done.
    fn of(value: f64, [low, high]: [f64; 2]) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self {
            value,
            low: value * low,
            high: value * high,
        })
    }
}
