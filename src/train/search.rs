//! The layouts of a job on so many devices, best first.

use super::job::{Job, Layout, Offload, Recompute, Zero};
use super::plan::{Plan, plan};
use super::traffic::{Links, traffic};
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
    /// How fast they are joined.
    pub links: Links,
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
    let mut found: Vec<(Cost, Plan)> = layouts(job, bounds)
        .into_iter()
        .map(|layout| plan(job, &layout, usable))
        .filter(|plan| plan.faults.is_empty() && plan.fits != Some(false))
        .map(|plan| (Cost::of(job, bounds, &plan), plan))
        .collect();
    found.sort_by(|(one, first), (other, second)| {
        one.time
            .total_cmp(&other.time)
            .then(one.traffic.total_cmp(&other.traffic))
            .then(first.layout.zero.cmp(&second.layout.zero))
            .then(first.layout.recompute.cmp(&second.layout.recompute))
    });
    found.into_iter().map(|(_, plan)| plan).collect()
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
                sequence_parallel: tensor > 1
                    && (fixed.sequence_parallel || job.needs_sequence_parallel(tensor)),
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

/// What a layout costs.
struct Cost {
    /// Seconds of a step at the peak of arithmetic and links, or their proportion where the peak is not known.
    time: f64,
    /// Seconds of its traffic, or bytes where no link is known.
    traffic: f64,
}

impl Cost {
    fn of(job: &Job<'_>, bounds: &Bounds<'_>, plan: &Plan) -> Self {
        let sent = traffic(job, &plan.layout);
        let seconds = bounds.links.seconds(sent);
        Self {
            time: time(job, bounds, (plan, seconds.unwrap_or(0.0))),
            traffic: seconds.unwrap_or(sent.total()),
        }
    }
}

fn time(job: &Job<'_>, bounds: &Bounds<'_>, (plan, traffic): (&Plan, f64)) -> f64 {
    let Some(flops) = &plan.flops else {
        return 1.0 + plan.bubble;
    };
    let gpu = bounds.device.and_then(|device| device.gpu.as_ref());
    let peak = gpu.and_then(|gpu| gpu.peak.as_ref()?.bf16_flops);
    let tokens = float(job.global_batch) * float(job.sequence_tokens) / float(bounds.devices);
    // Flash attention's own recomputation is part of the rates that were published with it.
    let flops = match plan.layout.recompute {
        Recompute::Off | Recompute::Selective => flops.model(),
        Recompute::Full => flops.hardware(),
    };
    let work = flops * tokens * (1.0 + plan.bubble);
    match peak {
        Some(peak) => work / float(peak) + traffic,
        None => work,
    }
}
