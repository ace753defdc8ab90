//! What a device sends in a step of training, and how long that takes.
//!
//! Sources: Megatron-LM (Shoeybi et al. 2019, arXiv 1909.08053), section 3; ZeRO (arXiv 1910.02054),
//! section 7: twice the parameters, three times with stage 3, whose gathers repeat for every micro-batch.

use super::job::{Job, Layout, Zero};
use super::plan::stages;
use super::states::held;
use crate::calc::hardware::{Device, Hardware};
use crate::calc::speed::link;
use crate::catalog::shape::FeedForward;
use crate::units::float;

/// Bytes that a device sends in a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Traffic {
    /// Among devices of one server.
    pub near: f64,
    /// Among devices of several servers.
    pub far: f64,
}

/// Bytes per second of a device in one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Links {
    /// To devices of the same server: NVLink, else PCI Express; none where neither is sourced.
    pub near: Option<f64>,
    /// To other servers; none where it was not said.
    pub network: Option<f64>,
}

impl Links {
    /// The links of `device` in `hardware`.
    #[must_use]
    pub fn of(hardware: &Hardware, device: Option<&Device>) -> Self {
        Self {
            near: device.and_then(|device| link(device.gpu.as_ref()?)),
            network: hardware.network.map(float),
        }
    }

    /// The least seconds that `traffic` can take; none where no link is known.
    ///
    /// Between servers the slower of both links counts; a network that is not known is at best as fast as
    /// the link within a server.
    pub(super) fn seconds(&self, traffic: Traffic) -> Option<f64> {
        let far = match (self.near, self.network) {
            (Some(near), Some(network)) => Some(near.min(network)),
            (one, other) => one.or(other),
        };
        let over = |bytes: f64, rate: Option<f64>| {
            if bytes > 0.0 {
                rate.map(|rate| bytes / rate)
            } else {
                Some(0.0)
            }
        };
        Some(over(traffic.near, self.near)? + over(traffic.far, far)?)
    }
}

impl Traffic {
    /// Adds what is sent within groups of devices that lie in a row of `span` ranks.
    ///
    /// Source: the order of ranks, tensor first and pipeline last: `tp-cp-ep-dp-pp` in Megatron-LM d98e8a64
    /// `megatron/core/parallel_state.py`, `PipeModelDataParallelTopology` in DeepSpeed 0.19.8
    /// `runtime/pipe/topology.py`.
    fn add(&mut self, job: &Job<'_>, span: u64, bytes: f64) {
        let each = job.devices_per_node.max(1);
        if span <= each && each.is_multiple_of(span.max(1)) {
            self.near += bytes;
        } else {
            self.far += bytes;
        }
    }

    /// Both together.
    pub(super) fn total(self) -> f64 {
        self.near + self.far
    }
}

/// What a device sends for one step: tensor parallelism's four all-reduces a layer and micro-batch, experts'
/// tokens there and back in both passes, ZeRO's collectives of gradients and weights, the pipeline's hand-over.
pub(super) fn traffic(job: &Job<'_>, layout: &Layout) -> Traffic {
    let shape = &job.model.shape;
    let hidden = 2.0 * float(job.sequence_tokens) * float(layout.micro_batch) * float(shape.hidden);
    let steps = float(layout.micro_batches);
    let stage = layout.tensor.saturating_mul(layout.data);
    let layers = float(u64::from(shape.layers)) / float(layout.pipeline);
    let mut sent = Traffic::default();
    let reduced = 4.0 * 2.0 * ring(layout.tensor) * hidden * layers * steps;
    sent.add(job, layout.tensor, reduced);
    let routed = 4.0 * copies(job) * ring(layout.expert) * hidden * layers * steps;
    // Each device sends the tokens of its own part of the sequence.
    sent.add(job, layout.expert, routed / float(layout.tensor.max(1)));
    let first = stages(job, layout).into_iter().next().unwrap_or(0..0);
    let held = held(job, layout, &first);
    for (part, replicas) in [
        (held.shared, layout.data),
        (held.experts, layout.expert_data()),
    ] {
        let (all, trained) = (part.parameters.as_f64(), part.trained.as_f64());
        let values = match layout.zero {
            Zero::Off | Zero::One | Zero::Two => 2.0 * trained,
            Zero::Three => 2.0 * steps * all + trained,
        };
        let span = if replicas > 1 { stage } else { 1 };
        sent.add(job, span, 2.0 * values * ring(replicas));
    }
    if layout.pipeline > 1 {
        sent.add(job, layout.devices(), 2.0 * hidden * steps);
    }
    sent
}

/// The share of a collective's bytes that each of `ways` devices sends.
fn ring(ways: u64) -> f64 {
    float(ways.saturating_sub(1)) / float(ways.max(1))
}

/// Copies of a token's hidden state that go to experts, on the average of all layers.
fn copies(job: &Job<'_>) -> f64 {
    let shape = &job.model.shape;
    match &shape.feed_forward {
        FeedForward::Dense { .. } => 0.0,
        FeedForward::Experts {
            experts_per_token, ..
        } => {
            let dense = shape.feed_forward.dense_layers(shape.layers);
            let routed = float(u64::from(shape.layers.saturating_sub(dense)));
            float(*experts_per_token) * routed / float(u64::from(shape.layers.max(1)))
        }
    }
}
