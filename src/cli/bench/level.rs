//! So many clients, each asking again as soon as it is answered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Plan;
use super::client::{Client, Refusal};
use super::interrupt::Interrupt;
use super::probe::Probed;
use super::progress::Progress;
use crate::bench::failure::Failure;
use crate::bench::level::Returned;
use crate::bench::prompt::Prompts;
use crate::bench::record::Sample;
use crate::bench::wire::Ask;
use crate::units::count;

/// Requests for each client where nothing else is asked.
const REQUESTS_PER_CLIENT: u64 = 10;
/// How often the line of progress and Ctrl-C are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a client rests after a failure, so that a dead server is not flooded; twice as long after each further one.
const REST: Duration = Duration::from_millis(50);
/// How long that becomes.
const LONG_REST: Duration = Duration::from_secs(1);
/// The longest that a server may ask a client to rest.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Failures with no answer between them after which a level is given up, at least.
const PATIENCE: u64 = 10;
/// For how many of them a request counts that was not answered in time.
const TIMEOUT: u64 = 3;
/// Bytes of a client's stack.
const STACK: usize = 1 << 18;

/// One level.
pub(super) struct Run<'a> {
    pub(super) client: Arc<Client>,
    pub(super) plan: &'a Plan,
    pub(super) probed: &'a Probed,
    pub(super) concurrency: u64,
    pub(super) seed: u64,
    pub(super) interrupt: &'a Interrupt,
}

/// What the clients share.
struct Shared {
    client: Arc<Client>,
    ask: Ask,
    words: u64,
    prompts: Mutex<Prompts>,
    /// Requests that may still begin.
    left: AtomicU64,
    /// Requests that began.
    begun: AtomicU64,
    /// When no more may begin, in seconds of the client's clock.
    until: f64,
    stop: AtomicBool,
}

type Outcome = Result<Sample, Failure>;

/// What came of a level.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) returned: Returned,
    /// The last failure of those in a row after which it was given up.
    pub(super) given_up: Option<Failure>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Run<'_> {
    /// Warms up, then measures.
    pub(super) fn measure(&self) -> Result<Ended> {
        let mut notes = Vec::new();
        let warmup = self.plan.warmup.unwrap_or(self.concurrency);
        if warmup > 0 {
            let progress = Progress::start(
                format!("concurrency {}, warming up", self.concurrency),
                Some(warmup),
                None,
            );
            self.loops((Some(warmup), None, self.seed ^ (1 << 63)), progress)?;
        }
        if self.interrupt.came() {
            return Ok(Ended::default());
        }
        let (requests, duration) = match (self.plan.requests, self.plan.duration) {
            (None, None) => (Some(self.concurrency * REQUESTS_PER_CLIENT), None),
            given => given,
        };
        let progress = Progress::start(
            format!("concurrency {}", self.concurrency),
            requests,
            duration,
        );
        let (returned, given_up) = self.loops((requests, duration, self.seed), progress)?;
        if requests.is_some_and(|requests| requests < self.concurrency) {
            notes.push(format!(
                "concurrency {}: fewer requests than clients, so some clients had nothing to do",
                self.concurrency
            ));
        }
        Ok(Ended {
            returned,
            given_up,
            notes,
        })
    }

    /// Runs the clients until their requests or their time are used up.
    fn loops(
        &self,
        (requests, duration, seed): (Option<u64>, Option<Duration>, u64),
        progress: Progress,
    ) -> Result<(Returned, Option<Failure>)> {
        let began = self.client.clock.seconds();
        let shared = Arc::new(Shared {
            client: Arc::clone(&self.client),
            ask: self.probed.ask.clone(),
            words: self.probed.scale.words_for(self.plan.input_tokens),
            prompts: Mutex::new(Prompts::new(seed)),
            left: AtomicU64::new(requests.unwrap_or(u64::MAX)),
            begun: AtomicU64::new(0),
            until: duration.map_or(f64::INFINITY, |duration| began + duration.as_secs_f64()),
            stop: AtomicBool::new(false),
        });
        let outcomes = self.clients(&shared)?;
        let collected = self.collect(&shared, &outcomes, (began, &progress));
        progress.end();
        Ok(collected)
    }

    /// Starts a thread for each client.
    fn clients(&self, shared: &Arc<Shared>) -> Result<Receiver<Outcome>> {
        let (sender, outcomes) = channel();
        for _ in 0..self.concurrency {
            let (shared, sender) = (Arc::clone(shared), sender.clone());
            thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || client(&shared, &sender))
                .context("cannot start so many clients")?;
        }
        Ok(outcomes)
    }

    /// Takes what comes back until all clients are done, the user stops them or nothing is answered any more.
    fn collect(
        &self,
        shared: &Shared,
        outcomes: &Receiver<Outcome>,
        (began, progress): (f64, &Progress),
    ) -> (Returned, Option<Failure>) {
        let mut returned = Returned::default();
        let tokens_before = self.client.tokens.load(Ordering::Relaxed);
        let patience = PATIENCE.max(self.concurrency * 2);
        let mut row = 0;
        let mut last = None;
        let mut given_up = None;
        loop {
            match outcomes.recv_timeout(TICK) {
                Ok(outcome) => {
                    row = in_a_row(row, &outcome);
                    last = outcome.as_ref().err().cloned();
                    if row >= patience {
                        given_up.clone_from(&last);
                    }
                    returned.take(outcome);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    // The server was there at the start: the level ended without it.
                    given_up = last.filter(|failure| matches!(failure, Failure::Connect(_)));
                    break;
                }
            }
            let failed = count(returned.failures.len());
            let tokens = self.client.tokens.load(Ordering::Relaxed) - tokens_before;
            progress.show(
                returned.done(),
                tokens,
                (self.client.clock.seconds() - began, failed),
            );
            if self.interrupt.came() || given_up.is_some() {
                shared.stop.store(true, Ordering::SeqCst);
                break;
            }
        }
        for outcome in outcomes.try_iter() {
            returned.take(outcome);
        }
        returned.unfinished = shared
            .begun
            .load(Ordering::SeqCst)
            .saturating_sub(returned.done());
        (returned, given_up)
    }
}

/// Failures in a row, after `row` of them and one more outcome.
fn in_a_row(row: u64, outcome: &Outcome) -> u64 {
    match outcome {
        Ok(_) => 0,
        Err(Failure::Timeout) => row + TIMEOUT,
        Err(_) => row + 1,
    }
}

/// One client: asks, waits for the answer, asks again.
fn client(shared: &Shared, outcomes: &Sender<Outcome>) {
    let mut patience = REST;
    while let Some(body) = shared.next() {
        let path = shared.ask.endpoint.path();
        let answer = shared.client.stream(path, &body, shared.ask.output_tokens);
        let rest = answer.as_ref().err().map(|refusal| rest(refusal, patience));
        patience = if rest.is_some() {
            (patience * 2).min(LONG_REST)
        } else {
            REST
        };
        let outcome = answer.map_err(|refusal| refusal.failure);
        if outcomes.send(outcome).is_err() {
            return;
        }
        if let Some(rest) = rest {
            thread::sleep(rest);
        }
    }
}

/// How long to leave the server alone: as long as it asks, else `usual`.
fn rest(refusal: &Refusal, usual: Duration) -> Duration {
    refusal
        .retry_after
        .unwrap_or(usual)
        .clamp(REST, LONGEST_REST)
}

impl Shared {
    /// The next request, unless there is none left.
    fn next(&self) -> Option<Vec<u8>> {
        if self.stop.load(Ordering::SeqCst) || self.client.clock.seconds() >= self.until {
            return None;
        }
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .ok()?;
        let prompt = self
            .prompts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .text(self.words);
        let body = self.ask.body(&prompt).ok()?;
        self.begun.fetch_add(1, Ordering::SeqCst);
        Some(body)
    }
}
