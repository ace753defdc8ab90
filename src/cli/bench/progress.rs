//! How far a run is, on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::units::float;

/// A line on stderr while a level runs; nothing when stderr is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// The line of a level, named `name`, with `requests`, or for `duration`.
    pub(super) fn start(name: String, requests: Option<u64>, duration: Option<Duration>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(requests, ProgressDrawTarget::stderr_with_hz(8));
        let template = match (requests, duration) {
            (Some(_), _) => "{prefix} [{bar:24}] {pos}/{len} requests {elapsed} {msg}".to_owned(),
            (None, Some(limit)) => format!(
                "{{prefix}} {{spinner}} {{pos}} requests {{elapsed}} of {}s {{msg}}",
                limit.as_secs()
            ),
            (None, None) => "{prefix} {spinner} {pos} requests {elapsed} {msg}".to_owned(),
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name);
        Self(bar)
    }

    /// A request is over; so many tokens came in so many seconds, so many requests failed.
    pub(super) fn show(&self, done: u64, tokens: u64, (seconds, failed): (f64, u64)) {
        self.0.set_position(done);
        let rate = if seconds > 0.0 {
            float(tokens) / seconds
        } else {
            0.0
        };
        let failures = if failed > 0 {
            format!(", {failed} failed")
        } else {
            String::new()
        };
        self.0.set_message(format!("{rate:.0} tokens/s{failures}"));
        self.0.tick();
    }

    /// Takes the line away.
    pub(super) fn end(self) {
        self.0.finish_and_clear();
    }
}
