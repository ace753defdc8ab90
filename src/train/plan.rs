//! One layout, checked: memory of every stage, bubble, what is illegal about it.

use std::ops::Range;

use super::activations::{Widths, head};
use super::estimator::Estimate;
use super::flops::{Flops, flops};
use super::job::{Framework, Job, Layout, Method, Offload, Recompute, Zero};
use super::states::{Held, held, largest, states, trained};
use crate::calc::load::Split;
use crate::catalog::Basis;
use crate::catalog::shape::{Architecture, Attention, FeedForward};
use crate::units::{Bytes, Parameters, count, float};

/// Memory of a device on one pipeline stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its decoder layers.
    pub layers: Range<u32>,
    /// Micro-batches whose activations it keeps at once.
    pub in_flight: u64,
    /// Weights, with what ZeRO 3 gathers.
    pub weights: Bytes,
    /// Gradients.
    pub gradients: Bytes,
    /// Optimizer states.
    pub optimizer: Bytes,
    /// Activations; none where the attention's are not published.
    pub activations: Option<Bytes>,
    /// What it leaves to the host.
    pub host: Bytes,
}

impl Stage {
    /// Weights, gradients and optimizer states.
    #[must_use]
    pub fn states(&self) -> Bytes {
        self.weights + self.gradients + self.optimizer
    }

    /// All parts that are known.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.states() + self.activations.unwrap_or(Bytes::ZERO)
    }
}

/// A layout with its memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The layout.
    pub layout: Layout,
    /// The stages, first to last.
    pub stages: Vec<Stage>,
    /// Parameters that are trained, on all devices of a replica.
    pub trainable: Parameters,
    /// Host memory of each server.
    pub host_per_node: Option<Bytes>,
    /// What a program can use of a device.
    pub available: Option<Bytes>,
    /// Whether it fits.
    pub fits: Option<bool>,
    /// Bytes that the fullest device is short of.
    pub short_by: Bytes,
    /// Idle time over busy time.
    pub bubble: f64,
    /// Arithmetic of one token; none where attention's is not published.
    pub flops: Option<Flops>,
    /// Why the framework or the shape does not allow it.
    pub faults: Vec<String>,
    /// How the memory is known.
    pub basis: Basis,
}

impl Plan {
    /// The stage whose devices hold most.
    #[must_use]
    pub fn fullest(&self) -> Option<&Stage> {
        self.stages.iter().max_by_key(|stage| stage.total())
    }
}

/// Checks a layout on devices with `available` bytes.
#[must_use]
pub fn plan(job: &Job<'_>, layout: &Layout, available: Option<Bytes>) -> Plan {
    let ranges = stages(job, layout);
    let mut checked = Vec::with_capacity(ranges.len());
    for (index, layers) in ranges.iter().enumerate() {
        let held = held(job, layout, layers);
        checked.push(stage(job, layout, (count(index), layers, &held)));
    }
    let fullest = checked.iter().map(Stage::total).max();
    let known = checked.iter().all(|stage| stage.activations.is_some());
    let fits = match (available, fullest) {
        (Some(available), Some(need)) if need > available => Some(false),
        (Some(_), Some(_)) if known => Some(true),
        _ => None,
    };
    Plan {
        layout: *layout,
        trainable: trainable(job, layout),
        host_per_node: host(job, layout, &checked),
        available,
        fits,
        short_by: match (available, fullest) {
            (Some(available), Some(need)) => need - available,
            _ => Bytes::ZERO,
        },
        bubble: bubble(layout),
        flops: flops(&job.model.shape, job.sequence_tokens, layout.recompute),
        faults: faults(job, layout),
        stages: checked,
        basis: job.model.basis.and(Basis::Modelled),
    }
}

/// Parameters that are trained, counted on one undivided device.
fn trainable(job: &Job<'_>, layout: &Layout) -> Parameters {
    let whole = Layout {
        data: 1,
        tensor: 1,
        pipeline: 1,
        expert: 1,
        ..*layout
    };
    let held = held(job, &whole, &(0..job.model.shape.layers));
    held.shared.trained + held.experts.trained
}

pub(super) fn stages(job: &Job<'_>, layout: &Layout) -> Vec<Range<u32>> {
    let split = Split {
        pipeline: layout.pipeline,
        ..Split::SINGLE
    };
    split.stages(job.model.shape.layers)
}

fn stage(
    job: &Job<'_>,
    layout: &Layout,
    (index, layers, held): (u64, &Range<u32>, &Held),
) -> Stage {
    let states = states(job, layout, held);
    let in_flight = layout
        .pipeline
        .saturating_sub(index)
        .min(layout.micro_batches)
        .max(1);
    Stage {
        layers: layers.clone(),
        in_flight,
        weights: states.weights,
        gradients: states.gradients,
        optimizer: states.optimizer,
        activations: activations(job, layout, (layers, in_flight)),
        host: states.host,
    }
}

/// Activations of a stage: those of every micro-batch in flight, the layer that is being
/// calculated again, and the head.
fn activations(
    job: &Job<'_>,
    layout: &Layout,
    (layers, in_flight): (&Range<u32>, u64),
) -> Option<Bytes> {
    let tokens = job.sequence_tokens.saturating_mul(layout.micro_batch);
    let sequence = job.sequence_tokens;
    let working = Layout {
        recompute: Recompute::Selective,
        ..*layout
    };
    let (mut kept, mut largest) = (Bytes::ZERO, Bytes::ZERO);
    for layer in layers.clone() {
        let ledger = Widths::of(job, layer)?.ledger();
        kept += ledger.bytes(layout, (tokens, sequence));
        largest = largest.max(ledger.bytes(&working, (tokens, sequence)));
    }
    let mut sum = interleaved(kept * in_flight, layout);
    if layout.recompute == Recompute::Full {
        sum += largest;
    }
    if layers.end >= job.model.shape.layers {
        sum += head(job, layout);
    }
    Some(sum)
}

/// Interleaving keeps (p - 1)/(p v) more on the first stage: section 4.2.3 of the paper.
fn interleaved(kept: Bytes, layout: &Layout) -> Bytes {
    if layout.interleave <= 1 || layout.pipeline <= 1 {
        return kept;
    }
    let more = (kept * (layout.pipeline - 1)).share(layout.pipeline * layout.interleave);
    kept + more
}

/// Idle time over busy time: (p - 1)/(v m).
///
/// Source: Narayanan et al. 2021 (arXiv 2104.04473), section 2.2.
#[must_use]
pub fn bubble(layout: &Layout) -> f64 {
    let slots = layout
        .interleave
        .max(1)
        .saturating_mul(layout.micro_batches);
    float(layout.pipeline.saturating_sub(1)) / float(slots.max(1))
}

/// Host memory of a server: DeepSpeed's own estimate where it has one, else what is offloaded.
fn host(job: &Job<'_>, layout: &Layout, stages: &[Stage]) -> Option<Bytes> {
    let per_node = job.devices_per_node.min(layout.devices()).max(1);
    let single = layout.tensor == 1 && layout.pipeline == 1 && layout.expert == 1;
    if job.framework == Framework::DeepSpeed && job.method == Method::Full && single {
        let all = trained(job);
        let estimate = Estimate {
            total: all
                .iter()
                .map(crate::calc::tensors::Tensor::parameters)
                .sum(),
            largest: largest(&all, |tensor| (tensor.each(), tensor.copies)),
            devices_per_node: per_node,
            nodes: layout.devices().div_ceil(per_node),
            zero_init: true,
        };
        return Some(estimate.host(layout.zero, layout.offload));
    }
    match layout.offload {
        Offload::Off => None,
        Offload::Optimizer | Offload::All => stages.iter().map(|stage| stage.host * per_node).max(),
    }
}

/// What the shape or the framework does not allow.
fn faults(job: &Job<'_>, layout: &Layout) -> Vec<String> {
    let mut faults = Vec::new();
    shape_faults(job, layout, &mut faults);
    framework_faults(job, layout, &mut faults);
    faults
}

fn shape_faults(job: &Job<'_>, layout: &Layout, faults: &mut Vec<String>) {
    let shape = &job.model.shape;
    let heads = shape.attention.heads();
    let ways = layout.tensor;
    if !heads.is_multiple_of(ways) {
        faults.push(format!("tensor {ways} does not divide {heads} heads"));
    }
    if let Attention::Grouped { kv_heads, .. } = &shape.attention
        && !kv_heads.is_multiple_of(ways)
    {
        faults.push(format!(
            "tensor {ways} does not divide {kv_heads} key-value heads"
        ));
    }
    if layout.pipeline > u64::from(shape.layers) {
        let layers = shape.layers;
        faults.push(format!("{} stages for {layers} layers", layout.pipeline));
    }
    faults.extend(expert_fault(&shape.feed_forward, layout));
}

/// Sources: DeepSpeed 0.19.8 `runtime/pipe/engine.py`; Megatron-LM d98e8a64 `megatron/training/arguments.py`
/// and `core/pipeline_parallel/schedules.py`.
fn framework_faults(job: &Job<'_>, layout: &Layout, faults: &mut Vec<String>) {
    let megatron = job.framework == Framework::Megatron;
    let pieces = layout.pipeline.saturating_mul(layout.interleave);
    let layers = job.model.shape.layers;
    if megatron && !u64::from(layers).is_multiple_of(pieces) {
        faults.push(format!(
            "{pieces} pieces of the pipeline do not divide {layers} layers"
        ));
    }
    if megatron && job.method != Method::Full {
        faults.push("Megatron-LM trains all weights: use DeepSpeed for adapters".to_owned());
    }
    if layout.pipeline > 1 && layout.zero >= Zero::Two {
        faults.push(format!(
            "ZeRO {} divides gradients, which a pipeline keeps until its last micro-batch: use ZeRO 1",
            layout.zero.number()
        ));
    }
    if layout.offload == Offload::All && layout.zero != Zero::Three {
        faults.push("weights go to the host with ZeRO 3 only".to_owned());
    }
    if layout.offload != Offload::Off && layout.zero == Zero::Off {
        faults.push("the optimizer goes to the host with ZeRO 1 to 3 only".to_owned());
    }
    if layout.interleave > 1 && (layout.pipeline == 1 || !megatron) {
        faults.push("interleaving needs a pipeline, and Megatron".to_owned());
    }
    if layout.interleave > 1 && !layout.micro_batches.is_multiple_of(layout.pipeline) {
        faults.push(format!(
            "interleaving needs micro-batches in multiples of {}, not {}",
            layout.pipeline, layout.micro_batches
        ));
    }
    if layout.sequence_parallel && (layout.tensor == 1 || !megatron) {
        faults.push("sequence parallelism needs tensor parallelism, and Megatron".to_owned());
    }
    faults.extend(tensor_fault(job, layout));
    faults.extend(preset_fault(job, layout));
}

/// Experts that `DeepSpeed` does not find by itself.
///
/// Source: `deepseek_v2` and `deepseek_v3` are the presets in DeepSpeed 0.19.8 `module_inject/auto_ep_presets`.
fn preset_fault(job: &Job<'_>, layout: &Layout) -> Option<String> {
    if layout.expert <= 1 || job.framework != Framework::DeepSpeed {
        return None;
    }
    match job.model.shape.architecture {
        Architecture::DeepseekV2 | Architecture::DeepseekV3 => None,
        Architecture::Llama
        | Architecture::Qwen2
        | Architecture::Qwen3
        | Architecture::Deepseek
        | Architecture::DeepseekV32
        | Architecture::DeepseekV4
        | Architecture::DeepseekV41
        | Architecture::DeepseekVlV2 => Some(
            "DeepSpeed's expert parallelism knows the experts of DeepSeek-V2 and V3 only"
                .to_owned(),
        ),
    }
}

/// Tensor parallelism that a framework does not have for the model.
///
/// Sources: DeepSpeed 0.19.8 `module_inject/tp_plan_converter.py`, which refuses a plan with `moe_tp_experts`, and
/// Transformers 5.24 `configuration_deepseek_v2.py` and `configuration_deepseek_v3.py`, whose plans have it;
/// Megatron-LM d98e8a64 `megatron/core/transformer/moe/moe_layer.py`.
fn tensor_fault(job: &Job<'_>, layout: &Layout) -> Option<String> {
    if layout.tensor <= 1 || !job.has_experts() {
        return None;
    }
    match job.framework {
        Framework::DeepSpeed => Some(
            "DeepSpeed refuses Transformers' tensor plan for routed experts: use expert parallelism without tensor parallelism, or Megatron"
                .to_owned(),
        ),
        Framework::Megatron if !layout.sequence_parallel => Some(
            "Megatron-LM trains experts under tensor parallelism with sequence parallelism only"
                .to_owned(),
        ),
        Framework::Megatron => None,
    }
}

fn expert_fault(feed_forward: &FeedForward, layout: &Layout) -> Option<String> {
    if layout.expert <= 1 {
        return None;
    }
    let room = layout.data.saturating_mul(layout.tensor);
    match feed_forward {
        FeedForward::Dense { .. } => Some("a dense model has no experts to divide".to_owned()),
        FeedForward::Experts { experts, .. } if !experts.is_multiple_of(layout.expert) => Some(
            format!("expert {} does not divide {experts} experts", layout.expert),
        ),
        FeedForward::Experts { .. } if !room.is_multiple_of(layout.expert) => Some(format!(
            "expert {} does not divide data {} x tensor {}",
            layout.expert, layout.data, layout.tensor
        )),
        FeedForward::Experts { .. } => None,
    }
}
