//! Why a plan stands where it stands.

use super::rank::Goal;
use super::{Answer, Plan};
use crate::calc::load::Split;
use crate::catalog::shape::{Attention, FeedForward};
use crate::request::Request;

/// Fills the reasons of each plan.
pub(super) fn explain(answer: &mut Answer, request: &Request) {
    let best = answer.plans.first().cloned();
    for plan in &mut answer.plans {
        let mut why = Vec::new();
        why.extend(plan.estimate.spare_words());
        why.extend(layers(plan));
        why.extend(cache(plan));
        why.extend(experts(plan));
        if let Some(best) = &best {
            why.extend(behind(plan, best, answer.goal));
        }
        plan.why = why;
    }
    answer.notes.extend(best.as_ref().and_then(waiting));
    if answer
        .plans
        .iter()
        .any(|plan| plan.request.split.expert > 1)
    {
        answer.notes.push(
            "what tokens cost on their way to experts of other devices was not measured: splits that differ in expert parallelism alone come out alike".to_owned(),
        );
    }
    if let Some(best) = best
        && best.request.format.id != request.format.id
    {
        let loss = best.request.format.known_loss().map_or_else(
            || "how much, nobody published".to_owned(),
            |loss| format!("{:.2}% of the accuracy", loss * 100.0),
        );
        answer.notes.push(format!(
            "{} does not fit; {} is the format that fits and loses least ({loss})",
            request.format.name, best.request.format.name
        ));
    }
}

/// Which layers lie where, where that is not by the devices' memory.
fn layers(plan: &Plan) -> Option<String> {
    let options = plan.request.options;
    let split = options.layer_split?;
    let kept = options.host_experts;
    Some(format!(
        "--n-cpu-moe takes the experts of the first {kept} layers, which lie on the first devices: --tensor-split {split} gives these more layers, so that fewest experts stay in host memory"
    ))
}

/// Clients that find no place in the cache.
fn waiting(plan: &Plan) -> Option<String> {
    let (clients, places) = (plan.clients?, plan.request.sequences);
    (places < clients)
        .then(|| format!("{places} of {clients} clients are answered at once, the others wait"))
}

/// Whose cache a device holds.
fn cache(plan: &Plan) -> Option<String> {
    let Split { tensor, data, .. } = plan.request.split;
    let shape = &plan.request.model.shape;
    let held = plan.held?;
    let tokens = held.kv_tokens;
    let one = matches!(
        shape.attention,
        Attention::Latent { .. } | Attention::Compressed(_)
    );
    match (one, tensor > 1, data > 1) {
        (true, true, false) => Some(format!(
            "latent attention has one key-value head: each of {tensor} devices caches the same {tokens} tokens"
        )),
        (true, true, true) => Some(format!(
            "each of {data} replicas caches its own sequences, the same on its {tensor} devices: {tokens} tokens in all"
        )),
        (_, false, true) => Some(format!(
            "each of {data} replicas caches its own sequences: {tokens} tokens in all"
        )),
        (false, _, _) | (true, false, false) => None,
    }
}

fn experts(plan: &Plan) -> Option<String> {
    let split = plan.request.split;
    match plan.request.model.shape.feed_forward {
        FeedForward::Experts { experts, .. } if split.expert > 1 => Some(format!(
            "{} whole experts of each layer on a device",
            experts.div_ceil(split.expert)
        )),
        FeedForward::Experts { .. } if split.sharing() > 1 => Some(format!(
            "a part of every expert on each of {} devices",
            split.sharing()
        )),
        FeedForward::Experts { .. } | FeedForward::Dense { .. } => None,
    }
}

/// How far it is behind the first.
fn behind(plan: &Plan, best: &Plan, goal: Goal) -> Option<String> {
    if plan.request.split == best.request.split {
        return None;
    }
    let (own, first, what) = match goal {
        Goal::Latency => {
            let time = |plan: &Plan| {
                plan.alone
                    .speed
                    .time_per_output_token
                    .map(|time| time.value)
            };
            (time(plan)?, time(best)?, "time per output token alone")
        }
        Goal::Throughput | Goal::Cost => {
            let rate = |plan: &Plan| plan.full.speed.throughput.map(|rate| rate.value);
            (rate(plan)?, rate(best)?, "throughput")
        }
    };
    Some(format!("{:.2} times the first's {what}", own / first))
}
