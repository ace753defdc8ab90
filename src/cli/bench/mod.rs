//! A benchmark that runs: the clock, the network, the clients.

mod client;
mod interrupt;
mod level;
mod probe;
mod progress;
pub(super) mod save;
mod target;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::bench::failure::Failure;
use crate::bench::level::{Level, Targets};
use crate::bench::wire::Endpoint;
use client::Client;
use interrupt::Interrupt;
use probe::Probed;

pub(super) use target::Target;

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Target,
    /// Clients at once, level by level.
    pub(super) concurrencies: Vec<u64>,
    /// Tokens of each prompt.
    pub(super) input_tokens: u64,
    /// Tokens of each answer.
    pub(super) output_tokens: u64,
    /// Requests of each level; ten for each client when neither they nor a duration are given.
    pub(super) requests: Option<u64>,
    /// How long new requests are sent in each level.
    pub(super) duration: Option<Duration>,
    /// Requests before each level that are not counted; one for each client when not given.
    pub(super) warmup: Option<u64>,
    /// How long one request may take.
    pub(super) timeout: Duration,
    /// The part of the API; completions where the server has it when not given.
    pub(super) endpoint: Option<Endpoint>,
    /// The model as the server names it; its first when not given.
    pub(super) served_name: Option<String>,
    /// Where prompts start from; the clock when not given.
    pub(super) seed: Option<u64>,
    pub(super) targets: Targets,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) probed: Probed,
    pub(super) seed: u64,
    pub(super) levels: Vec<Level>,
    pub(super) interrupted: bool,
    /// Why levels were cut short or left out, in sentences.
    pub(super) given_up: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Seconds since a run began.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Runs every level; an interrupt keeps those that were measured.
pub(super) fn run(plan: &Plan) -> Result<Measured> {
    let interrupt = Interrupt::listen()?;
    let client = Client::new(&plan.target, plan.timeout, Clock::start());
    let seed = plan.seed.unwrap_or_else(clock_seed);
    let probed = probe::probe(&client, plan, seed)?;
    let mut measured = Measured {
        notes: probed.notes.clone(),
        probed,
        seed,
        levels: Vec::new(),
        interrupted: false,
        given_up: Vec::new(),
    };
    let client = std::sync::Arc::new(client);
    for (position, concurrency) in (1..).zip(&plan.concurrencies) {
        if interrupt.came() {
            break;
        }
        let level = level::Run {
            client: std::sync::Arc::clone(&client),
            plan,
            probed: &measured.probed,
            concurrency: *concurrency,
            seed: seed.wrapping_add(position),
            interrupt: &interrupt,
        };
        let ended = level.measure()?;
        let returned = ended.returned;
        measured.notes.extend(ended.notes);
        if interrupt.came() && returned.done() + returned.unfinished == 0 {
            // Stopped before its first request: there is nothing to tell of it.
            break;
        }
        measured
            .levels
            .push(Level::of(*concurrency, &returned, &plan.targets));
        if let Some(failure) = ended.given_up {
            measured.given_up.push(format!(
                "concurrency {concurrency} was given up, {} requests answered and {} failed: {failure}",
                returned.samples.len(),
                returned.failures.len()
            ));
            if is_gone(&failure) {
                break;
            }
        }
    }
    measured.interrupted = interrupt.came();
    Ok(measured)
}

/// Whether no other level can fare better than one that ended with `failure`.
fn is_gone(failure: &Failure) -> bool {
    match failure {
        Failure::Connect(_) => true,
        Failure::Timeout
        | Failure::Status { .. }
        | Failure::CutOff
        | Failure::Reported(_)
        | Failure::Malformed(_)
        | Failure::NoToken
        | Failure::Endless => false,
    }
}

/// A seed that no earlier run had, so that no prompt waits in a server's cache.
fn clock_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is no reason to stop.
    let nanoseconds = since.map_or(0, |since| since.as_nanos());
    u64::try_from(nanoseconds % u128::from(u64::MAX)).unwrap_or_default()
}
