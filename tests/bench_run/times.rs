//! What is measured is what the server itself timed.

use std::time::Duration;

use serde_json::Value;

use super::server::{Pace, Server, Timed};
use super::{level, number};

/// How far a measured time may lie from the server's own, in seconds: the machine of the test may be busy.
const NOISE: f64 = 0.06;

fn mean(times: &[Timed], figure: fn(&Timed) -> f64) -> f64 {
    let count = u32::try_from(times.len()).expect("few");
    times.iter().map(figure).sum::<f64>() / f64::from(count)
}

#[test]
fn an_exact_server_is_measured_exactly() {
    let pace = Pace {
        first: Duration::from_millis(80),
        gap: Duration::from_millis(20),
    };
    let server = Server::paced(pace);
    let (level, output) = level(&server, &["--concurrency", "2", "--max-ttft", "10s"]);
    assert!(output.status.success());
    assert_eq!(
        (&level["completed"], &level["failed"]),
        (&Value::from(4), &Value::from(0))
    );
    assert_eq!(level["output_tokens"], 32);
    assert_eq!(
        level["input_tokens"],
        4 * 101,
        "50 words of two tokens and one"
    );
    assert_eq!(level["counted_by"], "usage");
    assert_eq!(level["inter_token_latency_seconds"]["count"], 28);
    let own = server.timed.lock().expect("not poisoned");
    for (key, theirs) in [
        ("time_to_first_token_seconds", mean(&own, |time| time.first)),
        ("end_to_end_seconds", mean(&own, |time| time.last)),
        (
            "time_per_output_token_seconds",
            mean(&own, |time| (time.last - time.first) / 7.0),
        ),
        (
            "inter_token_latency_seconds",
            mean(&own, |time| (time.last - time.first) / 7.0),
        ),
    ] {
        let ours = number(&level[key]["mean"]);
        assert!(
            (ours - theirs).abs() < NOISE,
            "{key}: {ours} against {theirs}"
        );
    }
    assert!(number(&level["time_to_first_token_seconds"]["min"]) >= 0.08);
    assert!(number(&level["time_per_output_token_seconds"]["min"]) >= 0.02);
    let seconds = number(&level["duration_seconds"]);
    assert!((number(&level["throughput_tokens_per_second"]) - 32.0 / seconds).abs() < 1e-6);
    assert!((number(&level["goodput_requests_per_second"]) - 4.0 / seconds).abs() < 1e-6);
}

#[test]
fn many_streams_keep_their_times() {
    let pace = Pace {
        first: Duration::from_millis(300),
        gap: Duration::from_millis(50),
    };
    let server = Server::paced(pace);
    let (level, _) = level(&server, &["--concurrency", "256", "--requests", "256"]);
    assert_eq!(level["completed"], 256, "{}", level["errors"]);
    let own = server.timed.lock().expect("not poisoned");
    let ours = number(&level["time_per_output_token_seconds"]["mean"]);
    let theirs = mean(&own, |time| (time.last - time.first) / 7.0);
    assert!((ours - theirs).abs() < NOISE, "{ours} against {theirs}");
}
