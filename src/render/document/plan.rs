//! `dsk.plan.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::{MemoryPart, ModelPart};
use super::recommend::HardwarePart;
use super::speed::{QuestionPart, SpeedPart};
use crate::calc::load::Split;
use crate::deploy::Start;
use crate::error::Result;
use crate::plan::{Answer, Cost, Figures, Held, Place, Placement, Plan, Rejected, Wish};
use crate::request::Request;

/// The document's name and version.
const SCHEMA: &str = "dsk.plan.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: ModelPart<'a>,
    request: AskedPart<'a>,
    hardware: HardwarePart<'a>,
    goal: &'static str,
    plans: Vec<PlanPart<'a>>,
    rejected: Vec<RejectedPart<'a>>,
    placement: Vec<PlacementPart<'a>>,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct AskedPart<'a> {
    #[serde(flatten)]
    question: QuestionPart<'a>,
    network_bytes_per_second: Option<u64>,
}

/// A split in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct SplitPart {
    tensor: u64,
    pipeline: u64,
    data: u64,
    expert: u64,
}

/// A plan in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct PlanPart<'a> {
    rank: u64,
    format: &'a str,
    split: SplitPart,
    nodes: u64,
    fits: Option<bool>,
    #[serde(flatten)]
    memory: MemoryPart,
    available_bytes_per_gpu: Option<u64>,
    basis: &'static str,
    capacity: Option<CapacityPart>,
    speed: SpeedsPart<'a>,
    cost: Option<CostPart<'a>>,
    gpu_layers: Option<u32>,
    host_expert_layers: u32,
    tensor_split: Option<Vec<u32>>,
    why: &'a [String],
    command: Option<&'a str>,
    /// What to know about the command, or why there is none.
    command_note: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct CapacityPart {
    kv_tokens: u64,
    sequences: u64,
    sequences_at_once: u64,
}

#[derive(Serialize, JsonSchema)]
struct SpeedsPart<'a> {
    alone: FiguresPart<'a>,
    full_load: FiguresPart<'a>,
}

#[derive(Serialize, JsonSchema)]
struct FiguresPart<'a> {
    sequences: u64,
    #[serde(flatten)]
    speed: SpeedPart<'a>,
}

/// What a plan costs, in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct CostPart<'a> {
    usd_per_hour: f64,
    usd_per_million_output_tokens: f64,
    price_kind: &'a str,
    price_date: &'a str,
    price_source: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct RejectedPart<'a> {
    split: SplitPart,
    format: &'a str,
    reason: &'a str,
    source: Option<&'a str>,
    short_by_bytes: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct PlacementPart<'a> {
    device: String,
    name: &'a str,
    layers: RunPart,
    what: &'a str,
    experts: Option<RunPart>,
    weights_bytes: u64,
    total_bytes: u64,
}

/// Layers from the first to before `end`.
#[derive(Serialize, JsonSchema)]
struct RunPart {
    start: u32,
    end: u32,
}

/// The document of a plan; `starts` stand beside its rows.
///
/// # Errors
/// When it cannot be written.
pub fn plan(
    answer: &Answer,
    (request, wish): (&Request, &Wish),
    starts: &[Start],
) -> Result<Value> {
    let hardware = request
        .hardware
        .as_ref()
        .ok_or_else(|| crate::error::Error::Unanswerable("a plan needs hardware".to_owned()))?;
    let rows = answer.plans.iter().zip(starts).zip(1..);
    let first = answer.plans.first().map(|plan| plan.placement.as_slice());
    super::value(&Document {
        schema: SCHEMA,
        model: ModelPart::of(&request.model),
        request: AskedPart {
            question: QuestionPart::of(request, &wish.traffic),
            network_bytes_per_second: request.hardware.as_ref().and_then(|found| found.network),
        },
        hardware: HardwarePart::of(hardware),
        goal: answer.goal.word(),
        plans: rows
            .map(|((plan, start), rank)| PlanPart::of(plan, start, rank))
            .collect(),
        rejected: answer.rejected.iter().map(RejectedPart::of).collect(),
        placement: first
            .unwrap_or_default()
            .iter()
            .map(PlacementPart::of)
            .collect(),
        notes: &answer.notes,
    })
}

impl<'a> PlanPart<'a> {
    pub(super) fn of(plan: &'a Plan, start: &'a Start, rank: u64) -> Self {
        let estimate = &plan.estimate;
        Self {
            rank,
            format: &plan.request.format.id,
            split: SplitPart::of(plan.request.split),
            nodes: plan.nodes,
            fits: estimate.fits,
            memory: MemoryPart::of(estimate),
            available_bytes_per_gpu: estimate.available.map(|bytes| bytes.0),
            basis: estimate.memory.basis.word(),
            capacity: plan.held.map(CapacityPart::of),
            speed: SpeedsPart {
                alone: FiguresPart::of(&plan.alone),
                full_load: FiguresPart::of(&plan.full),
            },
            cost: plan.cost.as_ref().map(CostPart::of),
            gpu_layers: plan.request.options.gpu_layers,
            host_expert_layers: plan.request.options.host_experts,
            tensor_split: plan
                .request
                .options
                .layer_split
                .map(|split| split.parts().to_vec()),
            why: &plan.why,
            command: start.command.as_deref(),
            command_note: start.note.as_deref(),
        }
    }
}

impl SplitPart {
    pub(super) fn of(split: Split) -> Self {
        Self {
            tensor: split.tensor,
            pipeline: split.pipeline,
            data: split.data,
            expert: split.expert,
        }
    }
}

impl CapacityPart {
    fn of(held: Held) -> Self {
        Self {
            kv_tokens: held.kv_tokens.0,
            sequences: held.sequences,
            sequences_at_once: held.at_once,
        }
    }
}

impl<'a> FiguresPart<'a> {
    fn of(figures: &'a Figures) -> Self {
        Self {
            sequences: figures.sequences,
            speed: SpeedPart::of(&figures.speed),
        }
    }
}

impl<'a> CostPart<'a> {
    pub(super) fn of(cost: &'a Cost) -> Self {
        Self {
            usd_per_hour: cost.usd_per_hour,
            usd_per_million_output_tokens: cost.usd_per_million_output_tokens,
            price_kind: &cost.price.kind,
            price_date: &cost.price.date,
            price_source: &cost.price.source,
        }
    }
}

impl<'a> RejectedPart<'a> {
    fn of(rejected: &'a Rejected) -> Self {
        Self {
            split: SplitPart::of(rejected.split),
            format: &rejected.format,
            reason: &rejected.reason,
            source: rejected.source,
            short_by_bytes: rejected.short_by.map(|bytes| bytes.0),
        }
    }
}

impl<'a> PlacementPart<'a> {
    fn of(placed: &'a Placement) -> Self {
        let run = |(start, end): (u32, u32)| RunPart { start, end };
        let (device, name) = match &placed.place {
            Place::Device { number, name } => (number.to_string(), name.as_str()),
            Place::Host => ("host".to_owned(), "host memory"),
        };
        Self {
            device,
            name,
            layers: run(placed.layers),
            what: &placed.what,
            experts: placed.experts.map(run),
            weights_bytes: placed.weights.0,
            total_bytes: placed.total.0,
        }
    }
}
