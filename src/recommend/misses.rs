//! What kept the formats of a model from serving.

use super::{Candidate, Rejection};
use crate::catalog::{Format, Model};
use crate::request::traffic::TooSlow;
use crate::units::Bytes;

/// What kept a model's formats from serving.
#[derive(Default)]
pub(super) struct Misses {
    /// The format that lacks least memory.
    short: Option<(Bytes, String)>,
    /// The format whose times are nearest to those demanded.
    slow: Option<(Vec<TooSlow>, String)>,
    /// A format that cannot be calculated, and why.
    pub(super) failure: Option<(String, String)>,
}

impl Misses {
    /// The least that a format lacks; none where none was noted.
    pub(super) fn least_short(&self) -> Option<Bytes> {
        self.short.as_ref().map(|(least, _)| *least)
    }

    pub(super) fn note_short(&mut self, by: Bytes, format: &Format) {
        if self.short.as_ref().is_none_or(|(least, _)| by < *least) {
            self.short = Some((by, format.id.clone()));
        }
    }

    pub(super) fn note_slow(&mut self, by: Vec<TooSlow>, format: &Format) {
        let far = |by: &[TooSlow]| by.iter().map(TooSlow::times).fold(0.0, f64::max);
        if self
            .slow
            .as_ref()
            .is_none_or(|(least, _)| far(&by) < far(least))
        {
            self.slow = Some((by, format.id.clone()));
        }
    }

    /// Says in `found` which format gave way to it for being too slow.
    pub(super) fn noted_in(self, mut found: Candidate) -> Candidate {
        if let Some((too_slow, format)) = self.slow {
            let reasons = listed(&too_slow);
            found.why.push(format!("{format} is too slow: {reasons}"));
            found.too_slow = Some(format);
        }
        found
    }

    /// Why none of the formats serves: what fits and is too slow, before what does not fit.
    pub(super) fn rejection(self, model: &Model) -> Option<Rejection> {
        let reject = |format, reason| Rejection {
            model: model.id.clone(),
            format,
            reason,
            short_by: None,
            too_slow: Vec::new(),
        };
        match (self.slow, self.short, self.failure) {
            (Some((too_slow, format)), _, _) => {
                let even = if too_slow.iter().all(|slow| slow.actual.is_some()) {
                    format!(" even as {format}")
                } else {
                    String::new()
                };
                let reason = format!("{}{even}", listed(&too_slow));
                Some(Rejection {
                    too_slow,
                    ..reject(format, reason)
                })
            }
            (None, Some((short_by, format)), _) => {
                let reason = format!("needs {short_by} more per device even as {format}");
                Some(Rejection {
                    short_by: Some(short_by),
                    ..reject(format, reason)
                })
            }
            (None, None, Some((format, reason))) => Some(reject(format, reason)),
            (None, None, None) => None,
        }
    }
}

fn listed(too_slow: &[TooSlow]) -> String {
    let words: Vec<String> = too_slow.iter().map(ToString::to_string).collect();
    words.join("; ")
}
