//! The order of plans.

use std::cmp::Ordering;

use super::{Plan, Wish};
use crate::calc::load::Split;
use crate::calc::speed::{Range, Speed};
use crate::catalog::Allocator;
use crate::request::Traffic;
use crate::units::float;

/// What counts most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Goal {
    /// The time of one answer, at the load that is asked for: what somebody waits for.
    #[default]
    Latency,
    /// Tokens per second of all sequences.
    Throughput,
    /// Money per token.
    Cost,
}

impl Goal {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::Cost => "cost",
        }
    }
}

/// Best first: plans without the figure last; pipelines, whose speed nobody measured and whose stages are never quite
/// equal, by the worse end of their range; among equals the one that asks least of the engine.
pub(super) fn sort(plans: &mut [Plan], wish: &Wish) {
    plans.sort_by(|one, other| order(one, other, wish));
}

fn order(one: &Plan, other: &Plan, wish: &Wish) -> Ordering {
    let simpler = |plan: &Plan| {
        let split = plan.request.split;
        let usual = is_usual(split);
        (!usual, split.expert, split.pipeline, split.data)
    };
    score(one, wish)
        .total_cmp(&score(other, wish))
        .then_with(|| simpler(one).cmp(&simpler(other)))
}

/// Whether devices that share layers in other plans pass them on to each other.
fn is_unmeasured(plan: &Plan) -> bool {
    let lies_in_a_row = plan
        .request
        .engine
        .as_ref()
        .is_some_and(|engine| engine.allocator == Allocator::LlamaCpp);
    plan.request.split.pipeline > 1 && !lies_in_a_row
}

/// Whether replicas have whole experts on each device, as vLLM's and SGLang's guides start them.
pub(super) fn is_usual(split: Split) -> bool {
    let whole = if split.data > 1 {
        split.tensor * split.data
    } else {
        1
    };
    split.expert == whole
}

/// The less, the better; infinite where it is not known.
pub(super) fn score(plan: &Plan, wish: &Wish) -> f64 {
    let worse = is_unmeasured(plan);
    let rate = || {
        let rate = plan.full.speed.throughput?;
        Some(if worse { rate.low } else { rate.value })
    };
    let known = match wish.goal {
        Goal::Latency => {
            let speed = asked(plan, wish);
            let time = |range: Range| if worse { range.high } else { range.value };
            answer(speed, &wish.traffic, time)
        }
        Goal::Throughput => rate().map(|rate| -rate),
        // On the same devices the most tokens are the cheapest.
        Goal::Cost => match (&plan.cost, plan.full.speed.throughput, rate()) {
            (Some(cost), Some(full), Some(rate)) => {
                Some(cost.usd_per_million_output_tokens * full.value / rate)
            }
            (_, _, rate) => rate.map(|rate| -rate),
        },
    };
    known.unwrap_or(f64::INFINITY)
}

/// The speed at the load that was asked for: alone where none was.
pub(super) fn asked<'a>(plan: &'a Plan, wish: &Wish) -> &'a Speed {
    if wish.traffic.concurrency.is_some() || plan.request.sequences > 1 {
        &plan.full.speed
    } else {
        &plan.alone.speed
    }
}

/// Seconds until one answer is complete, each time taken from its range.
fn answer(speed: &Speed, traffic: &Traffic, time: impl Fn(Range) -> f64) -> Option<f64> {
    let first = time(speed.time_to_first_token?);
    let more = float(traffic.output.saturating_sub(1));
    match speed.time_per_output_token {
        Some(token) => Some(first + more * time(token)),
        None if traffic.output < 2 => Some(first),
        None => None,
    }
}
