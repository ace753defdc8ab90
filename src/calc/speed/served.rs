//! A closed loop: clients that ask again as soon as they are answered.

use super::places::Unknown;
use super::prepared::Run;
use super::workload::Times;
use super::{decode, prefill};
use crate::units::float;

/// The share of a device's memory that weights and cache take.
const POOL_SHARE: f64 = 0.95;
/// Bytes of activations and libraries beside them.
const RESERVE: f64 = 1e9;
/// How much the prompts of others delay one's own, with the square root of the clients.
///
/// Fixed by choice, with the engine's other constants fitted around it.
const CROWDING: f64 = 0.05;

/// Times of one request among `concurrency` clients.
pub(super) fn times(run: &Run<'_>, concurrency: u64) -> Result<Times, Unknown> {
    let constants = run.machine.constants;
    let queue = constants.queue.as_ref().ok_or(Unknown::ClosedLoop)?;
    let clients = float(concurrency.max(1));
    let output = float(run.workload.output);
    let batch = clients.min(held(run)?);
    let prompt = prefill::seconds(run, 1.0);
    let step = decode::step(run, batch);
    let token = step.total() + queue.interference * (batch - 1.0) * prompt / output.max(1.0);
    let answered = |others: f64| {
        queue.base_seconds + queue.prefills * prompt * (1.0 + CROWDING * others.sqrt())
    };
    // What the cache cannot hold waits for its turn (Little's law).
    let turns = (clients / batch - 1.0).max(0.0);
    let turn = answered(clients - 1.0) + output * token;
    let first = answered(batch - 1.0) + constants.prefill_seconds + queue.wait * turns * turn;
    Ok(Times {
        first_token: first,
        output_token: token,
        throughput: clients * output / (first + (output - 1.0).max(0.0) * token),
        bound: step.bound(),
    })
}

/// Sequences that the cache holds at their full length, at least one.
fn held(run: &Run<'_>) -> Result<f64, Unknown> {
    let (volume, places, workload) = (run.volume, &run.places, run.workload);
    let usable = run.machine.usable.ok_or(Unknown::Memory)?.as_f64();
    let weights =
        (volume.common + volume.unread) / places.tensor + volume.experts / places.sharing();
    let free = usable * POOL_SHARE - weights - RESERVE;
    let length = float(workload.cached) + float(workload.input) + float(workload.output);
    let each = volume.cache.held(length, places.tensor);
    Ok((free / each * places.data).max(1.0))
}
