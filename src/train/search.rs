//! The layouts of a job on so many devices, best first.

use super::job::{Job, Layout, Offload, Recompute, Zero};
use super::plan::{Plan, plan, stages};
use super::states::held;
use crate::calc::hardware::Device;
use crate::catalog::shape::FeedForward;
use crate::units::{Bytes, float};

/// What a search keeps to.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// Devices.
    pub devices: u64,
    /// The device.
    pub device: Option<&'a Device>,
    /// The layout's parts that were asked for; none are free.
    pub fixed: Fixed,
}

/// Parts of a layout that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed {
    /// Data parallelism.
    pub data: Option<u64>,
    /// Tensor parallelism.
    pub tensor: Option<u64>,
    /// Pipeline stages.
    pub pipeline: Option<u64>,
    /// Expert parallelism.
    pub expert: Option<u64>,
    /// ZeRO.
    pub zero: Option<Zero>,
    /// Sequences of a micro-batch.
    pub micro_batch: Option<u64>,
    /// Recomputation.
    pub recompute: Option<Recompute>,
    /// Interleaving.
    pub interleave: Option<u64>,
    /// Sequence parallelism.
    pub sequence_parallel: bool,
    /// What goes to the host.
    pub offload: Option<Offload>,
}

/// Bytes that a device can use.
#[must_use]
pub(super) fn available(device: Option<&Device>) -> Option<Bytes> {
    device?.usable.map(|usable| usable.bytes)
}

/// Every legal layout that is not known not to fit, best first: least time lost to recomputation,
/// bubble and links, then the least traffic, then the least ZeRO.
#[must_use]
pub fn search(job: &Job<'_>, bounds: &Bounds<'_>) -> Vec<Plan> {
    let usable = available(bounds.device);
    let mut found: Vec<(f64, f64, Plan)> = layouts(job, bounds)
        .into_iter()
        .map(|layout| plan(job, &layout, usable))
        .filter(|plan| plan.faults.is_empty() && plan.fits != Some(false))
        .map(|plan| {
            let traffic = traffic(job, &plan.layout);
            (cost(job, bounds, (&plan, traffic)), traffic, plan)
        })
        .collect();
    found.sort_by(|one, other| {
        one.0
            .total_cmp(&other.0)
            .then(one.1.total_cmp(&other.1))
            .then(one.2.layout.zero.cmp(&other.2.layout.zero))
            .then(one.2.layout.recompute.cmp(&other.2.layout.recompute))
    });
    found.into_iter().map(|(_, _, plan)| plan).collect()
}

fn layouts(job: &Job<'_>, bounds: &Bounds<'_>) -> Vec<Layout> {
    let fixed = &bounds.fixed;
    let mut all = Vec::new();
    for tensor in choices(fixed.tensor, bounds.devices.min(job.devices_per_node)) {
        for pipeline in choices(fixed.pipeline, bounds.devices) {
            let data = bounds.devices / tensor.saturating_mul(pipeline).max(1);
            let split = (data, tensor, pipeline);
            let exact = data * tensor * pipeline == bounds.devices;
            if data == 0 || !exact || fixed.data.is_some_and(|asked| asked != data) {
                continue;
            }
            if fixed.pipeline.is_none()
                && !u64::from(job.model.shape.layers).is_multiple_of(pipeline)
            {
                continue;
            }
            add_batches(job, fixed, (split, &mut all));
        }
    }
    all
}

/// The layouts of one split, by micro-batch, ZeRO, recomputation and experts.
fn add_batches(
    job: &Job<'_>,
    fixed: &Fixed,
    ((data, tensor, pipeline), all): ((u64, u64, u64), &mut Vec<Layout>),
) {
    let share = job.global_batch / data.max(1);
    if !job.global_batch.is_multiple_of(data) || share == 0 {
        return;
    }
    let zeros = Zero::ALL
        .into_iter()
        .filter(|zero| fixed.zero.is_none_or(|asked| asked == *zero));
    // Keeping the scores is tried only when asked for: flash attention spares them without a setting.
    let recomputes = match fixed.recompute {
        Some(asked) => vec![asked],
        None => vec![Recompute::Selective, Recompute::Full],
    };
    let states: Vec<(Zero, Recompute)> = zeros
        .flat_map(|zero| recomputes.iter().map(move |recompute| (zero, *recompute)))
        .collect();
    let experts = choices(fixed.expert, most_expert(job, data.saturating_mul(tensor)));
    for micro_batch in choices(fixed.micro_batch, share) {
        if !share.is_multiple_of(micro_batch) {
            continue;
        }
        for expert in &experts {
            all.extend(states.iter().map(|(zero, recompute)| Layout {
                data,
                tensor,
                pipeline,
                expert: *expert,
                zero: *zero,
                micro_batch,
                micro_batches: share / micro_batch,
                interleave: fixed.interleave.unwrap_or(1),
                recompute: *recompute,
                sequence_parallel: fixed.sequence_parallel && tensor > 1,
                offload: fixed.offload.unwrap_or(Offload::Off),
            }));
        }
    }
}

/// The widest expert parallelism worth trying: none for a dense model.
fn most_expert(job: &Job<'_>, room: u64) -> u64 {
    match &job.model.shape.feed_forward {
        FeedForward::Dense { .. } => 1,
        FeedForward::Experts { experts, .. } => room.min(*experts),
    }
}

/// What was asked for, or the powers of two up to `most`, and `most`.
fn choices(asked: Option<u64>, most: u64) -> Vec<u64> {
    if let Some(asked) = asked {
        return vec![asked];
    }
    let mut all: Vec<u64> = std::iter::successors(Some(1_u64), |last| last.checked_mul(2))
        .take_while(|choice| *choice <= most)
        .collect();
    if all.last() != Some(&most) && most > 0 {
        all.push(most);
    }
    all
}

/// Bytes that a device sends for one step: tensor parallelism's four all-reduces a layer and
/// micro-batch, experts' tokens there and back in both passes, ZeRO's collectives of gradients and
/// weights, the pipeline's hand-over.
///
/// Sources: Megatron-LM (Shoeybi et al. 2019, arXiv 1909.08053), section 3; ZeRO (arXiv 1910.02054),
/// section 7: twice the parameters, three times with stage 3, whose gathers repeat for every micro-batch.
fn traffic(job: &Job<'_>, layout: &Layout) -> f64 {
    let shape = &job.model.shape;
    let hidden = 2.0 * float(job.sequence_tokens) * float(layout.micro_batch) * float(shape.hidden);
    let steps = float(layout.micro_batches);
    let ring = |ways: u64| float(ways.saturating_sub(1)) / float(ways.max(1));
    let layers = float(u64::from(shape.layers)) / float(layout.pipeline);
    let tensor = 4.0 * 2.0 * ring(layout.tensor) * hidden * layers * steps;
    let sent = match &shape.feed_forward {
        FeedForward::Dense { .. } => 0,
        FeedForward::Experts {
            experts_per_token, ..
        } => *experts_per_token,
    };
    let expert = 4.0 * float(sent) * ring(layout.expert) * hidden * layers * steps;
    let first = stages(job, layout).into_iter().next().unwrap_or(0..0);
    let weights = 2.0 * held(job, layout, &first).parameters.as_f64();
    let collectives = match layout.zero {
        Zero::Off | Zero::One | Zero::Two => 2.0,
        Zero::Three => 2.0 * steps + 1.0,
    };
    let data = collectives * weights * ring(layout.data);
    let pipeline = if layout.pipeline > 1 {
        2.0 * hidden * steps
    } else {
        0.0
    };
    tensor + expert + data + pipeline
}

/// Seconds of a step at the peak of arithmetic and link, or their proportion where either is unknown.
fn cost(job: &Job<'_>, bounds: &Bounds<'_>, (plan, traffic): (&Plan, f64)) -> f64 {
    let Some(flops) = &plan.flops else {
        return 1.0 + plan.bubble;
    };
    let gpu = bounds.device.and_then(|device| device.gpu.as_ref());
    let peak = gpu.and_then(|gpu| gpu.peak.as_ref()?.bf16_flops);
    let link = gpu.and_then(|gpu| gpu.link.as_ref()?.nvlink_bytes_per_second);
    let tokens = float(job.global_batch) * float(job.sequence_tokens) / float(bounds.devices);
    // Flash attention's own recomputation is part of the rates that were published with it.
    let flops = match plan.layout.recompute {
        Recompute::Off | Recompute::Selective => flops.model(),
        Recompute::Full => flops.hardware(),
    };
    let work = flops * tokens * (1.0 + plan.bubble);
    match (peak, link) {
        (Some(peak), Some(link)) => work / float(peak) + traffic / float(link),
        (Some(peak), None) => work / float(peak),
        (None, _) => work,
    }
}
