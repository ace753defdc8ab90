//! What of a model lies in the host's memory.

use super::machine::class;
use crate::calc::load::Load;
use crate::catalog::engine_speed::EngineSpeed;
use crate::catalog::shape::FeedForward;
use crate::units::float;

/// The host's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    /// The share of layers that stay there.
    pub(super) layers: f64,
    /// The share of the routed experts that stay there while the rest of their layers does not.
    pub(super) experts: f64,
    /// Bytes per second that reading weights reaches, where that is known.
    pub(super) rate: Option<f64>,
}

impl Host {
    /// What of the model lies in host memory, and how fast that is read; `cpu`: the rate of a processor that is all there is.
    pub(super) fn of(
        load: &Load<'_>,
        (speed, cpu): (&EngineSpeed, Option<u64>),
    ) -> Result<Self, String> {
        let layers = load.model.shape.layers;
        let held = match (cpu, load.options.gpu_layers) {
            (Some(_), _) => 0,
            // The output counts as a layer, the last one.
            (None, Some(held)) => held.saturating_sub(1).min(layers),
            (None, None) => layers,
        };
        let experts = if cpu.is_some() {
            (0, 0)
        } else {
            host_experts(load)
        };
        let bandwidth = cpu.or_else(|| load.hardware.and_then(|hardware| hardware.host_bandwidth));
        let rate = bandwidth
            .zip(speed.host(class(load)))
            .map(|(bandwidth, host)| float(bandwidth) * host.share);
        let unknown = "whose bandwidth is not known: say it (--ram-bandwidth)";
        if held < layers && rate.is_none() {
            return Err(format!(
                "{} of {layers} layers stay in host memory, {unknown}",
                layers - held
            ));
        }
        if experts.0 > 0 && rate.is_none() {
            return Err(format!(
                "the routed experts of {} layers stay in host memory, {unknown}",
                experts.0
            ));
        }
        Ok(Self {
            layers: f64::from(layers - held) / f64::from(layers.max(1)),
            experts: f64::from(experts.0) / f64::from(experts.1.max(1)),
            rate,
        })
    }

    /// Whether any weight is read from it.
    pub(super) fn is_used(&self) -> bool {
        self.layers > 0.0 || self.experts > 0.0
    }
}

/// Layers whose routed experts stay with the host, of those that have some.
fn host_experts(load: &Load<'_>) -> (u32, u32) {
    let layers = load.model.shape.layers;
    match load.model.shape.feed_forward {
        FeedForward::Dense { .. } => (0, 0),
        FeedForward::Experts { dense_layers, .. } => {
            let kept = load.options.host_experts.min(layers);
            (
                kept.saturating_sub(dense_layers),
                layers.saturating_sub(dense_layers),
            )
        }
    }
}
