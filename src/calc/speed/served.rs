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
/// The largest share of time that prompts take before the closed form ends.
const BUSIEST: f64 = 0.95;

/// Times of one request among `concurrency` clients.
///
/// Each other client's prompt comes either in front of a request, as clients that started together ask again
/// together, or between its tokens; it also waits for some steps of the running batch, and what the cache cannot
/// hold waits for its turn (Little's law).
pub(super) fn times(run: &Run<'_>, concurrency: u64) -> Result<Times, Unknown> {
    let constants = run.machine.constants;
    let Some(queue) = constants.queue.as_ref() else {
        return in_turn(run, concurrency);
    };
    let clients = float(concurrency.max(1));
    let output = float(run.workload.output);
    let batch = clients.min(held(run, output)?);
    let prompt = prefill::prompts(run, 1.0).ok_or(run.without_prompts())?;
    let step = decode::step(run, batch);
    let beat = step.total() + run.places.of_replica(batch) * queue.stream_seconds;
    let decoding = beat / super::prepared::drafted(run, batch)?;
    // Replicas compute the others' prompts beside each other.
    let spread = prefill::prompts(run, run.places.data).ok_or(run.without_prompts())?;
    let length = float(run.workload.cached) + float(run.workload.input) + output;
    let saved = queue.saved_bytes_per_second.map_or(0.0, |rate| {
        run.volume.cache.held(length, run.places.tensor) / rate
    });
    let others = (batch - 1.0).max(0.0) * (spread.work / run.places.data + saved);
    let token = decoding + (1.0 - queue.burst) * others / output.max(1.0);
    let admitted = queue.base_seconds
        + (prompt.total() + saved) * queue.prefills
        + queue.burst * others
        + queue.steps * beat;
    let turns = (clients / batch - 1.0).max(0.0);
    let waited =
        admitted + constants.prefill_seconds + queue.wait * turns * (admitted + output * token);
    // However many wait, no more are answered at once than the cache holds midway through their answers.
    let most = clients.min(held(run, output / 2.0)?);
    let after = (output - 1.0).max(0.0) * token;
    let first = waited.max(clients / most * output * token - after);
    Ok(Times {
        first_token: first,
        output_token: token,
        throughput: clients * output / (first + (output - 1.0).max(0.0) * token),
        bound: step.bound(),
    })
}

/// The same of an engine whose closed loops nobody measured: it does one thing after another and wastes nothing.
///
/// In a turn the device computes every client's prompt and every step once, so the throughput is that of as many
/// that come together; a prompt waits for the running step and for those in front, as in an M/D/1 queue.
fn in_turn(run: &Run<'_>, concurrency: u64) -> Result<Times, Unknown> {
    let clients = float(concurrency.max(1));
    let output = float(run.workload.output);
    let batch = clients.min(held(run, output)?);
    let replicas = run.places.data;
    let fixed = run.machine.constants.prefill_seconds;
    let lone = prefill::prompts(run, 1.0)
        .ok_or(run.without_prompts())?
        .total()
        + fixed;
    let spread = prefill::prompts(run, replicas)
        .ok_or(run.without_prompts())?
        .total()
        + fixed;
    let step = decode::step(run, batch);
    let decoding = step.total() / super::prepared::drafted(run, batch)?;
    let others = (batch - 1.0).max(0.0) * spread / replicas;
    let token = decoding + others / output.max(1.0);
    let busy = (others / (lone + output * token)).min(BUSIEST);
    let running = if batch > 1.0 { step.total() } else { 0.0 };
    let admitted = lone + running + (busy / (2.0 * (1.0 - busy)) * lone).min(others);
    let turns = (clients / batch - 1.0).max(0.0);
    let first = admitted + turns * (admitted + output * token);
    Ok(Times {
        first_token: first,
        output_token: token,
        throughput: clients * output / (first + (output - 1.0).max(0.0) * token),
        bound: step.bound(),
    })
}

/// Sequences that the cache holds when each has answered so many tokens, at least one.
fn held(run: &Run<'_>, answered: f64) -> Result<f64, Unknown> {
    let (volume, places, workload) = (run.volume, &run.places, run.workload);
    let usable = run.machine.usable.ok_or(Unknown::Memory)?.as_f64();
    let weights = ((volume.common + volume.unread) / places.tensor
        + volume.experts / places.sharing())
        / places.row;
    let free = usable * POOL_SHARE - weights - RESERVE;
    let length = float(workload.cached) + float(workload.input) + answered;
    let each = volume.cache.held(length, places.tensor);
    Ok((free / each * places.row * places.data).max(1.0))
}
