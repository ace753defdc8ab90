//! Training: how a job is laid out over devices, what it takes, and how long it lasts.

mod activations;
mod adapters;
mod deepspeed;
mod estimator;
mod flops;
mod job;
mod megatron;
mod plan;
mod search;
mod states;

pub use activations::{Kernels, Ledger, Widths};
pub use deepspeed::deepspeed;
pub use estimator::Estimate;
pub use flops::{Flops, Utilization, flops, seconds};
pub use job::{Framework, Job, Layout, Method, Offload, Recompute, Zero};
pub use megatron::megatron;
pub use plan::{Plan, Stage, bubble, plan};
pub use search::{Bounds, Fixed, search};

use crate::calc::hardware::Hardware;
use crate::catalog::defaults::ServerDefaults;
use crate::catalog::find::find;
use crate::catalog::{Basis, Catalog, Model};
use crate::error::{Error, Result};
use crate::units::{Bytes, Tokens, count};

/// The article's example of 3D parallelism: data, pipeline, tensor, micro-batch.
///
/// Source: DEEPSEEK参数量全解析 (2025-09-25), section 3.
const ARTICLE: (u64, u64, u64, u64) = (4, 2, 2, 8);
/// The most sequences of a step: far beyond any run, and small enough that no product overflows.
const MOST_SEQUENCES: u64 = 1 << 24;

/// A question about training, as asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Which weights are trained.
    pub method: Method,
    /// Rank of the adapters.
    pub rank: Option<u64>,
    /// Modules that get an adapter.
    pub targets: Vec<String>,
    /// Whose way is counted.
    pub framework: Framework,
    /// Tokens of a sequence.
    pub sequence_tokens: u64,
    /// Sequences of a step.
    pub global_batch: Option<u64>,
    /// Tokens to train on.
    pub tokens: Option<Tokens>,
    /// The share of the peak that the run reaches, where it is known.
    pub mfu: Option<f64>,
    /// Parts of the layout.
    pub fixed: Fixed,
}

/// Time for a number of tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Time {
    /// Tokens.
    pub tokens: Tokens,
    /// Seconds at the median utilisation.
    pub value: f64,
    /// Seconds at the highest.
    pub low: f64,
    /// Seconds at the lowest.
    pub high: f64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The layout that was asked for, or the best that was found.
    pub plan: Plan,
    /// Whether the layout was asked for.
    pub asked: bool,
    /// The same layout with other recomputation.
    pub recomputations: Vec<Plan>,
    /// The best layouts on the same devices and batch.
    pub better: Vec<Plan>,
    /// The article's example, where it makes so many devices.
    pub article: Option<Plan>,
    /// The share of the peak.
    pub utilization: Option<Utilization>,
    /// Dense BF16 peak of a device.
    pub peak: Option<u64>,
    /// Time for the tokens.
    pub time: Option<Time>,
    /// Where the bytes of a parameter are counted so.
    pub recipe_source: String,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The job that a question means.
///
/// # Errors
/// Impossible numbers, unknown modules, a model that has no text decoder to train.
pub fn job<'a>(
    catalog: &'a Catalog,
    (model, asked): (&'a Model, &'a Asked),
    hardware: &Hardware,
) -> Result<Job<'a>> {
    let training = catalog.training()?;
    let devices = count(hardware.devices.len()).max(1);
    let global_batch = asked
        .global_batch
        .unwrap_or(training.batch.sequences_per_device.saturating_mul(devices));
    if asked.sequence_tokens == 0 || global_batch == 0 || global_batch > MOST_SEQUENCES {
        return Err(Error::Unanswerable(format!(
            "a step must have 1 to {MOST_SEQUENCES} sequences of at least a token"
        )));
    }
    let job = Job {
        model,
        method: asked.method,
        rank: asked.rank.unwrap_or(training.lora.rank),
        targets: (!asked.targets.is_empty()).then_some(asked.targets.as_slice()),
        frozen: find(catalog.formats()?, "nf4")?,
        framework: asked.framework,
        recipe: match asked.framework {
            Framework::DeepSpeed => &training.recipe.deepspeed,
            Framework::Megatron => &training.recipe.megatron,
        },
        sequence_tokens: asked.sequence_tokens,
        global_batch,
        devices_per_node: devices_per_node(hardware, &catalog.defaults()?.server),
    };
    check_targets(&job)?;
    Ok(job)
}

fn check_targets(job: &Job<'_>) -> Result<()> {
    let mut known: Vec<&str> = states::trained(job)
        .iter()
        .filter_map(|tensor| adapters::module(tensor.role))
        .collect();
    known.sort_unstable();
    known.dedup();
    for target in job.targets.unwrap_or_default() {
        if !known.contains(&target.as_str()) {
            return Err(Error::Unanswerable(format!(
                "`{target}` is no linear module of {}; it has {}",
                job.model.id,
                known.join(", ")
            )));
        }
    }
    Ok(())
}

/// Devices of a server: many nodes are the rule here, so a box of any size is not taken for granted.
fn devices_per_node(hardware: &Hardware, defaults: &ServerDefaults) -> u64 {
    let first = hardware.devices.first();
    first.map_or(1, |device| device.usual_per_node(defaults))
}

/// How to train a model on the hardware.
///
/// # Errors
/// Impossible numbers, unknown modules, a broken catalog.
pub fn train(
    catalog: &Catalog,
    model: &Model,
    asked: &Asked,
    hardware: &Hardware,
) -> Result<Answer> {
    let job = job(catalog, (model, asked), hardware)?;
    let device = hardware.smallest();
    let bounds = Bounds {
        devices: count(hardware.devices.len()),
        device,
        fixed: asked.fixed,
    };
    let is_asked = asked.fixed.data.is_some()
        || asked.fixed.tensor.is_some()
        || asked.fixed.pipeline.is_some();
    let free = Fixed {
        offload: asked.fixed.offload,
        expert: asked.fixed.expert,
        ..Fixed::default()
    };
    let better = search(
        &job,
        &Bounds {
            fixed: free,
            ..bounds
        },
    );
    let own = search(&job, &bounds);
    let layout = match own.first() {
        Some(best) => best.layout,
        None => asked_layout(&job, &bounds)?,
    };
    let usable = search::available(device);
    let chosen = plan(&job, &layout, usable);
    let training = catalog.training()?;
    let utilization = match asked.mfu {
        Some(value) => Some(given(value)),
        None => device
            .and_then(|device| flops::published(training, model, (asked.sequence_tokens, device))),
    };
    let peak = device.and_then(|device| device.gpu.as_ref()?.peak.as_ref()?.bf16_flops);
    let time = time(&chosen, asked.tokens, (peak, utilization.as_ref()));
    let mut answer = Answer {
        asked: is_asked,
        recomputations: Recompute::ALL
            .into_iter()
            .map(|recompute| {
                plan(
                    &job,
                    &Layout {
                        recompute,
                        ..layout
                    },
                    usable,
                )
            })
            .collect(),
        better: better.into_iter().take(3).collect(),
        article: article(&job, bounds.devices, usable),
        utilization,
        peak,
        time,
        recipe_source: job.recipe.source.clone(),
        notes: Vec::new(),
        plan: chosen,
    };
    answer.notes = notes(&job, &answer, asked);
    Ok(answer)
}

/// What is used when nothing that was asked for fits: the layout with the least memory that it allows.
fn asked_layout(job: &Job<'_>, bounds: &Bounds<'_>) -> Result<Layout> {
    let fixed = &bounds.fixed;
    let tensor = fixed.tensor.unwrap_or(1).max(1);
    let pipeline = fixed.pipeline.unwrap_or(1).max(1);
    let rest = bounds.devices / tensor.saturating_mul(pipeline).max(1);
    let data = fixed.data.unwrap_or(rest.max(1)).max(1);
    if data.saturating_mul(tensor).saturating_mul(pipeline) != bounds.devices {
        return Err(Error::Unanswerable(format!(
            "tensor {tensor} x pipeline {pipeline} x data {data} is {} devices, but there are {}",
            data.saturating_mul(tensor).saturating_mul(pipeline),
            bounds.devices
        )));
    }
    let micro_batch = fixed.micro_batch.unwrap_or(1).max(1);
    let zero = fixed
        .zero
        .unwrap_or(if pipeline > 1 { Zero::One } else { Zero::Three });
    Ok(Layout {
        data,
        tensor,
        pipeline,
        expert: fixed.expert.unwrap_or(1),
        zero,
        micro_batch,
        micro_batches: job.global_batch.div_ceil(data.saturating_mul(micro_batch)),
        interleave: fixed.interleave.unwrap_or(1),
        recompute: fixed.recompute.unwrap_or(Recompute::Full),
        sequence_parallel: fixed.sequence_parallel,
        offload: fixed.offload.unwrap_or(Offload::Off),
    })
}

/// The article's example with the ZeRO and recomputation under which it fits, least first.
fn article(job: &Job<'_>, devices: u64, usable: Option<Bytes>) -> Option<Plan> {
    let (data, pipeline, tensor, micro_batch) = ARTICLE;
    if devices != data * pipeline * tensor {
        return None;
    }
    let of = |zero: Zero, recompute: Recompute| Layout {
        data,
        tensor,
        pipeline,
        expert: 1,
        zero,
        micro_batch,
        micro_batches: job.global_batch.div_ceil(data * micro_batch),
        interleave: 1,
        recompute,
        sequence_parallel: false,
        offload: Offload::Off,
    };
    let tries = [Zero::Off, Zero::One]
        .into_iter()
        .flat_map(|zero| Recompute::ALL.map(|recompute| of(zero, recompute)));
    let mut plans: Vec<Plan> = tries.map(|layout| plan(job, &layout, usable)).collect();
    let first = plans.iter().position(|plan| plan.fits == Some(true));
    let last = plans.len().checked_sub(1)?;
    Some(plans.swap_remove(first.unwrap_or(last)))
}

fn given(value: f64) -> Utilization {
    Utilization {
        value,
        low: value,
        high: value,
        runs: 0,
        basis: Basis::Assumed,
        sources: Vec::new(),
    }
}

fn time(
    plan: &Plan,
    tokens: Option<Tokens>,
    (peak, utilization): (Option<u64>, Option<&Utilization>),
) -> Option<Time> {
    let (tokens, peak, utilization) = (tokens?, peak?, utilization?);
    let flops = plan.flops.as_ref()?;
    let at = |share: f64| seconds(flops, tokens.0, (plan.layout.devices(), peak, share));
    Some(Time {
        tokens,
        value: at(utilization.value),
        low: at(utilization.high),
        high: at(utilization.low),
    })
}

fn notes(job: &Job<'_>, answer: &Answer, asked: &Asked) -> Vec<String> {
    let mut notes = Vec::new();
    let layout = &answer.plan.layout;
    if layout.global_batch() != job.global_batch {
        notes.push(format!(
            "a step has {} sequences: {} do not divide into micro-batches of {} on {} replicas",
            layout.global_batch(),
            job.global_batch,
            layout.micro_batch,
            layout.data
        ));
    }
    let shape = &job.model.shape;
    if shape.draft_layers > 0 || shape.vision.is_some() {
        notes.push(
            "draft layers and vision tower are left out: the text decoder is trained".to_owned(),
        );
    }
    if answer.plan.flops.is_none() {
        notes.push(format!(
            "how {} keeps activations in training is not published: they are left out, and time with them",
            shape.attention.summary()
        ));
    }
    if asked.sequence_tokens > shape.window_tokens {
        notes.push(format!(
            "{} tokens are beyond the window of {} ({} tokens): the memory is arithmetic",
            asked.sequence_tokens, job.model.id, shape.window_tokens
        ));
    }
    if let Some(missing) = missing_time(answer, asked) {
        notes.push(missing);
    }
    notes.push(
        "the CUDA context, NCCL's buffers and fragmentation are not counted: leave some GiB"
            .to_owned(),
    );
    notes
}

fn missing_time(answer: &Answer, asked: &Asked) -> Option<String> {
    asked.tokens?;
    match (answer.peak, &answer.utilization) {
        (None, _) => Some("no time: the device has no sourced BF16 peak".to_owned()),
        (Some(_), None) => Some(
            "no time: no utilisation was published for such a model on such a device; give one (--mfu 0.4)"
                .to_owned(),
        ),
        (Some(_), Some(_)) => None,
    }
}

/// Seconds of one step; none where time is not known.
#[must_use]
pub fn step_seconds(answer: &Answer, sequence_tokens: u64) -> Option<f64> {
    let flops = answer.plan.flops.as_ref()?;
    let (peak, utilization) = (answer.peak?, answer.utilization.as_ref()?);
    let layout = &answer.plan.layout;
    let tokens = layout.global_batch().saturating_mul(sequence_tokens);
    Some(seconds(
        flops,
        tokens,
        (layout.devices(), peak, utilization.value),
    ))
}
