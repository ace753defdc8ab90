//! The speeds of a plan.

use super::Figures;
use crate::calc::speed::{Prepared, Speed, calibrations, prepared};
use crate::request::{Request, Traffic};

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
        Figures {
            sequences,
            speed: self.speed((request, sequences), traffic),
        }
    }

    fn speed(&self, (request, sequences): (&Request, u64), traffic: &Traffic) -> Speed {
        if request.options.host_experts > 0 {
            return traffic.speed(&request.load(), sequences);
        }
        match &self.0 {
            Ok(prepared) => {
                let at = (&request.model.shape, request.split);
                traffic.speed_of(prepared, at, sequences)
            }
            Err(reason) => Speed::unknown(request.model.basis, reason.clone()),
        }
    }
}
