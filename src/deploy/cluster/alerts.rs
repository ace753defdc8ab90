//! When Prometheus alerts: thresholds of the plan, and what they mean.

use super::monitoring::{Watched, rounded};

/// Where a 99th percentile, which is not predicted, alerts: so many times what it was a week before.
const WORSE: u32 = 2;

/// An alert: its name, expression, how long it must hold, and what it says.
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) expression: String,
    pub(super) seconds: u64,
    pub(super) severity: &'static str,
    pub(super) summary: String,
}

/// When it alerts: on what the plan says of starts, queue, latency and memory.
pub(super) fn of(watched: &Watched<'_>) -> Vec<Alert> {
    let mut alerts = gone(watched);
    alerts.extend(queued(watched));
    let metrics = watched.metrics;
    let predicted = watched.rollout.latency;
    let first = ("FirstToken", "first token", metrics.first_token.as_str());
    alerts.extend(predicted.and_then(|latency| slower(watched, first, latency.first_token)));
    let output = (
        "OutputToken",
        "time between tokens",
        metrics.output_token.as_str(),
    );
    alerts.extend(predicted.and_then(|latency| slower(watched, output, latency.output_token)));
    alerts.push(worse(watched, "FirstTokenP99", first));
    alerts.push(worse(watched, "OutputTokenP99", output));
    let whole = ("Request", "whole request", metrics.end_to_end.as_str());
    alerts.push(worse(watched, "RequestP99", whole));
    if let (Some(device), Some(threshold)) = (watched.device, watched.memory_threshold()) {
        alerts.push(Alert {
            name: "DeviceMemory",
            expression: format!("{} > {threshold}", watched.device_memory(device)),
            seconds: 300,
            severity: "warning",
            summary: format!(
                "a device holds more than {:.1}% of its memory: past what the plan lets the engine take",
                threshold * 100.0
            ),
        });
    }
    alerts
}

/// Alerts on a server that does not answer. A pod that waits or was deleted has no `up` at all.
fn gone(watched: &Watched<'_>) -> Vec<Alert> {
    let up = format!("up{{{}}}", watched.instance());
    let silent = format!("(max by (namespace) ({up}) == 0 or absent({up}))");
    let sizes = &watched.sizes;
    vec![
        Alert {
            name: "ServerDown",
            expression: format!("{silent} and on () max(max_over_time({up}[1d])) == 1"),
            seconds: sizes.next_patience,
            severity: "critical",
            summary: format!(
                "the server answered within the last day and has not for {} s, more than a start with its volume takes",
                sizes.next_patience
            ),
        },
        Alert {
            name: "ServerNotStarted",
            expression: silent,
            seconds: sizes.deadline,
            severity: "critical",
            summary: format!(
                "no server has answered for {} s, more than a start that fetches the checkpoint takes",
                sizes.deadline
            ),
        },
    ]
}

/// Alerts on requests that wait.
fn queued(watched: &Watched<'_>) -> [Alert; 2] {
    let sequences = watched.rollout.launch.sequences;
    let waiting = watched.metric(&watched.metrics.waiting);
    [
        Alert {
            name: "QueueDepth",
            expression: format!("sum by (namespace) ({waiting}) > {sequences}"),
            seconds: 300,
            severity: "warning",
            summary: format!(
                "more requests wait than the {sequences} that the plan answers at once"
            ),
        },
        Alert {
            name: "CacheFull",
            expression: format!(
                "max by (namespace) ({}) > 0.95 and sum by (namespace) ({waiting}) > 0",
                watched.metric(&watched.metrics.kv_usage)
            ),
            seconds: 600,
            severity: "warning",
            summary: "requests wait because the key-value cache is full".to_owned(),
        },
    ]
}

/// An alert where half of the requests take longer than the upper end of what is predicted of the average one.
fn slower(
    watched: &Watched<'_>,
    (name, what, histogram): (&'static str, &str, &str),
    limit: f64,
) -> Option<Alert> {
    let limit = rounded(limit);
    let prompt = watched.rollout.latency.map_or(0, |latency| latency.prompt);
    (limit > 0.0).then(|| Alert {
        name,
        expression: format!("{} > {limit}", watched.quantile(0.5, histogram, "")),
        seconds: 600,
        severity: "warning",
        summary: format!(
            "half of the requests have a {what} above {limit} s, the upper end of what is predicted of the average one with a full batch and prompts and answers of {prompt} tokens"
        ),
    })
}

/// An alert on a 99th percentile that became much worse: of single requests' tails nothing is predicted.
fn worse(
    watched: &Watched<'_>,
    name: &'static str,
    (_, what, histogram): (&str, &str, &str),
) -> Alert {
    Alert {
        name,
        expression: format!(
            "{} > {WORSE} * {}",
            watched.quantile(0.99, histogram, ""),
            watched.quantile(0.99, histogram, " offset 1w")
        ),
        seconds: 600,
        severity: "warning",
        summary: format!("P99 of the {what} is {WORSE} times what it was a week before"),
    }
}
