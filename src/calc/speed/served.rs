//! A closed loop: clients that ask again as soon as they are answered.

use super::machine::Machine;
use super::volume::Volume;
use super::{Times, Workload, decode, prefill};
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
pub(super) fn times(
    machine: &Machine<'_>,
    volume: &Volume,
    (workload, concurrency): (&Workload, u64),
) -> Result<Times, String> {
    let queue = machine
        .constants
        .queue
        .as_ref()
        .ok_or_else(|| format!("no closed loop of {} was measured", machine.engine))?;
    let clients = float(concurrency.max(1));
    let output = float(workload.output);
    let batch = clients.min(held(machine, volume, workload)?);
    let prompt = prefill::seconds(machine, volume, (workload, 1.0));
    let step = decode::step(machine, volume, (workload, batch));
    let token = step.total() + queue.interference * (batch - 1.0) * prompt / output.max(1.0);
    let answered = |others: f64| {
        queue.base_seconds + queue.prefills * prompt * (1.0 + CROWDING * others.sqrt())
    };
    // What the cache cannot hold waits for its turn (Little's law).
    let turns = (clients / batch - 1.0).max(0.0);
    let turn = answered(clients - 1.0) + output * token;
    let first =
        answered(batch - 1.0) + machine.constants.prefill_seconds + queue.wait * turns * turn;
    Ok(Times {
        first,
        token,
        throughput: clients * output / (first + (output - 1.0).max(0.0) * token),
        bound: step.bound(),
    })
}

/// Sequences that the cache holds at their full length, at least one.
fn held(machine: &Machine<'_>, volume: &Volume, workload: &Workload) -> Result<f64, String> {
    let usable = machine
        .usable
        .ok_or("the memory of the device is not known")?
        .as_f64();
    let devices = machine.tensor * machine.data;
    let weights = (volume.common + volume.unread) / machine.tensor + volume.experts / devices;
    let free = usable * POOL_SHARE - weights - RESERVE;
    let length = float(workload.cached) + float(workload.input) + float(workload.output);
    let each = volume.cache(length, machine.tensor);
    Ok((free / each * machine.data).max(1.0))
}
