//! The speeds of a plan.

use super::Figures;
use crate::calc::load::Split;
use crate::calc::speed::{Prepared, Range, Speed, calibrations, prepared};
use crate::catalog::shape::{FeedForward, Shape};
use crate::request::{Request, Traffic};
use crate::units::float;

/// The speed model of one question, prepared for its splits.
pub(super) struct Rates<'a>(Result<Prepared<'a>, String>);

impl<'a> Rates<'a> {
    /// Prepares `request`.
    pub(super) fn of(request: &'a Request) -> Self {
        let load = request.load();
        Self(prepared(&load, calibrations(&load)))
    }

    /// One sequence on each of `replicas`, all prompts at once.
    pub(super) fn alone(&self, (request, replicas): (&Request, u64), traffic: &Traffic) -> Figures {
        let lone = Traffic {
            concurrency: None,
            ..*traffic
        };
        self.full((request, replicas), &lone)
    }

    /// `sequences` at once, or so many clients.
    pub(super) fn full(&self, (request, sequences): (&Request, u64), traffic: &Traffic) -> Figures {
        let speed = self.speed((request, sequences), traffic);
        Figures {
            sequences,
            speed: traffic.complete(speed),
        }
    }

    fn speed(&self, (request, sequences): (&Request, u64), traffic: &Traffic) -> Speed {
        let basis = request.model.basis;
        if request.options.host_experts > 0 {
            let workload = traffic.workload(sequences);
            let load = request.load();
            return match prepared(&load, calibrations(&load)) {
                Ok(own) => own.speed((request.split, request.split.devices()), &workload),
                Err(reason) => Speed::unknown(basis, reason),
            };
        }
        match &self.0 {
            Ok(prepared) => {
                let (split, each, replicas) =
                    replica(&request.model.shape, request.split, sequences);
                let speed = prepared.speed((split, split.devices()), &traffic.workload(each));
                Speed {
                    throughput: speed.throughput.map(|rate| Range {
                        value: rate.value * replicas,
                        low: rate.low * replicas,
                        high: rate.high * replicas,
                    }),
                    ..speed
                }
            }
            Err(reason) => Speed::unknown(basis, reason.clone()),
        }
    }
}

/// One of the servers that a split makes, its share of the sequences, and how many servers there are.
///
/// Replicas of a dense model have nothing to do with each other; those of experts are one server.
pub(super) fn replica(shape: &Shape, split: Split, sequences: u64) -> (Split, u64, f64) {
    match shape.feed_forward {
        FeedForward::Dense { .. } if split.data > 1 => (
            Split { data: 1, ..split },
            sequences.div_ceil(split.data),
            float(split.data),
        ),
        FeedForward::Dense { .. } | FeedForward::Experts { .. } => (split, sequences, 1.0),
    }
}
