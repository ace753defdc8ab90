//! `dsk.train.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::{ModelPart, WhatIfPart};
use crate::calc::hardware::{Device, Hardware};
use crate::calc::what_if::WhatIf;
use crate::catalog::Model;
use crate::error::Result;
use crate::train::{Answer, Asked, Layout, Plan, Stage, step_seconds};
use crate::units::count;

/// Everything that `dsk plan --train` answers.
#[derive(Clone, Copy)]
pub struct TrainAnswer<'a> {
    /// The model.
    pub model: &'a Model,
    /// What was changed about it.
    pub what_if: WhatIf,
    /// The question.
    pub asked: &'a Asked,
    /// The hardware.
    pub hardware: &'a Hardware,
    /// The answer.
    pub answer: &'a Answer,
}

/// The document's name and version.
const SCHEMA: &str = "dsk.train.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: ModelPart<'a>,
    #[serde(flatten)]
    answer: AnswerPart<'a>,
}

/// The document without the model, which every document describes alike.
#[derive(Serialize, JsonSchema)]
struct AnswerPart<'a> {
    request: RequestPart<'a>,
    trainable_params: u64,
    plan: PlanPart,
    recomputation: Vec<RecomputationPart>,
    better: Vec<PlanPart>,
    article: Option<PlanPart>,
    utilization: Option<UtilizationPart<'a>>,
    article_gpu_utilization: f64,
    peak_flops_per_second: Option<u64>,
    step_seconds: Option<f64>,
    tokens: Option<u64>,
    time_seconds: Option<RangePart>,
    basis: &'static str,
    source: &'a str,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct RequestPart<'a> {
    method: &'static str,
    rank: Option<u64>,
    target_modules: &'a [String],
    framework: &'static str,
    sequence_tokens: u64,
    global_batch: Option<u64>,
    tokens: Option<u64>,
    mfu: Option<f64>,
    gpu: Vec<String>,
    gpus: u64,
    what_if: Option<WhatIfPart>,
}

#[derive(Serialize, JsonSchema)]
struct PlanPart {
    data: u64,
    tensor: u64,
    pipeline: u64,
    expert: u64,
    zero: u64,
    micro_batch: u64,
    gradient_accumulation: u64,
    global_batch: u64,
    recompute: &'static str,
    sequence_parallel: bool,
    interleave: u64,
    offload: &'static str,
    per_gpu: Option<PartsPart>,
    stages: Vec<StagePart>,
    host_bytes_per_node: Option<u64>,
    available_bytes_per_gpu: Option<u64>,
    fits: Option<bool>,
    short_by_bytes: Option<u64>,
    pipeline_bubble: f64,
    model_flops_per_token: Option<f64>,
    hardware_flops_per_token: Option<f64>,
    faults: Vec<String>,
}

/// Memory of a device.
#[derive(Serialize, JsonSchema)]
struct PartsPart {
    weights_bytes: u64,
    gradients_bytes: u64,
    optimizer_bytes: u64,
    activations_bytes: Option<u64>,
    total_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct StagePart {
    first_layer: u32,
    layers: u64,
    micro_batches_in_flight: u64,
    #[serde(flatten)]
    parts: PartsPart,
}

#[derive(Serialize, JsonSchema)]
struct RecomputationPart {
    recompute: &'static str,
    activations_bytes: Option<u64>,
    total_bytes: Option<u64>,
    fits: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct UtilizationPart<'a> {
    mfu: RangePart,
    runs: u64,
    basis: &'static str,
    sources: &'a [String],
}

/// A figure, and its range where more than one run was published.
#[derive(Serialize, JsonSchema)]
struct RangePart {
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl RangePart {
    fn of(value: f64, range: Option<(f64, f64)>) -> Self {
        let (low, high) = range.unzip();
        Self { value, low, high }
    }
}

/// The article's "GPU utilisation".
const ARTICLE_UTILIZATION: f64 = 0.9;

/// The document of a training plan.
///
/// # Errors
/// When it cannot be written.
pub fn train(shown: &TrainAnswer<'_>) -> Result<Value> {
    super::value(&Document {
        schema: SCHEMA,
        model: ModelPart::of(shown.model),
        answer: AnswerPart::of(shown),
    })
}

impl<'a> AnswerPart<'a> {
    fn of(shown: &TrainAnswer<'a>) -> Self {
        let answer = shown.answer;
        Self {
            request: RequestPart::of(shown),
            trainable_params: answer.plan.trainable.0,
            plan: PlanPart::of(&answer.plan),
            recomputation: answer
                .recomputations
                .iter()
                .map(RecomputationPart::of)
                .collect(),
            better: answer.better.iter().map(PlanPart::of).collect(),
            article: answer.article.as_ref().map(PlanPart::of),
            utilization: answer.utilization.as_ref().map(|found| UtilizationPart {
                mfu: RangePart::of(found.value, found.range),
                runs: count(found.runs),
                basis: found.basis.word(),
                sources: &found.sources,
            }),
            article_gpu_utilization: ARTICLE_UTILIZATION,
            peak_flops_per_second: answer.peak,
            step_seconds: step_seconds(answer, shown.asked.sequence_tokens),
            tokens: shown.asked.tokens.map(|tokens| tokens.0),
            time_seconds: answer
                .time
                .map(|time| RangePart::of(time.value, time.range)),
            basis: answer.plan.basis.word(),
            source: &answer.recipe_source,
            notes: &answer.notes,
        }
    }
}

impl<'a> RequestPart<'a> {
    fn of(shown: &TrainAnswer<'a>) -> Self {
        let asked = shown.asked;
        let mut names: Vec<String> = shown.hardware.devices.iter().map(Device::id).collect();
        names.dedup();
        Self {
            method: asked.method.word(),
            rank: asked.rank,
            target_modules: &asked.targets,
            framework: asked.framework.word(),
            sequence_tokens: asked.sequence_tokens,
            global_batch: asked.global_batch,
            tokens: asked.tokens.map(|tokens| tokens.0),
            mfu: asked.mfu,
            gpu: names,
            gpus: count(shown.hardware.devices.len()),
            what_if: WhatIfPart::of(shown.what_if),
        }
    }
}

impl PlanPart {
    fn of(plan: &Plan) -> Self {
        let Layout {
            data,
            tensor,
            pipeline,
            expert,
            zero,
            micro_batch,
            micro_batches,
            interleave,
            recompute,
            sequence_parallel,
            offload,
        } = plan.layout;
        Self {
            data,
            tensor,
            pipeline,
            expert,
            zero: zero.number(),
            micro_batch,
            gradient_accumulation: micro_batches,
            global_batch: plan.layout.global_batch(),
            recompute: recompute.word(),
            sequence_parallel,
            interleave,
            offload: offload.word(),
            per_gpu: plan.fullest().map(PartsPart::of),
            stages: plan.stages.iter().map(StagePart::of).collect(),
            host_bytes_per_node: plan.host_per_node.map(|bytes| bytes.0),
            available_bytes_per_gpu: plan.available.map(|bytes| bytes.0),
            fits: plan.fits,
            short_by_bytes: plan.available.map(|_| plan.short_by.0),
            pipeline_bubble: plan.bubble,
            model_flops_per_token: plan.flops.map(|flops| flops.model()),
            hardware_flops_per_token: plan.flops.map(|flops| flops.hardware()),
            faults: plan.faults.clone(),
        }
    }
}

impl PartsPart {
    fn of(stage: &Stage) -> Self {
        Self {
            weights_bytes: stage.weights.0,
            gradients_bytes: stage.gradients.0,
            optimizer_bytes: stage.optimizer.0,
            activations_bytes: stage.activations.map(|bytes| bytes.0),
            total_bytes: stage.total().0,
        }
    }
}

impl StagePart {
    fn of(stage: &Stage) -> Self {
        Self {
            first_layer: stage.layers.start,
            layers: count(stage.layers.len()),
            micro_batches_in_flight: stage.in_flight,
            parts: PartsPart::of(stage),
        }
    }
}

impl RecomputationPart {
    fn of(plan: &Plan) -> Self {
        let fullest = plan.fullest();
        Self {
            recompute: plan.layout.recompute.word(),
            activations_bytes: fullest.and_then(|stage| Some(stage.activations?.0)),
            total_bytes: fullest.map(|stage| stage.total().0),
            fits: plan.fits,
        }
    }
}
