//! `dsk.memory.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::calc::estimate::{Estimate, file_bytes};
use crate::calc::memory::{Capacity, HostParts, Parts, Scope, Step};
use crate::calc::rule::Rule;
use crate::calc::tensors::parameters;
use crate::calc::vllm;
use crate::calc::what_if::WhatIf;
use crate::catalog::variant::Match;
use crate::catalog::{Allocator, Model};
use crate::deploy::Verification;
use crate::error::Result;
use crate::request::Request;
use crate::units::{Bytes, count};

/// Everything that `dsk memory` answers.
pub struct Answer<'a> {
    /// The question.
    pub request: &'a Request,
    /// Memory and fit.
    pub estimate: &'a Estimate,
    /// What else fits, when hardware was given.
    pub capacity: Option<Capacity>,
    /// The article's rule, when it was asked for.
    pub rule: Option<&'a Rule>,
    /// Whether formulas are wanted.
    pub explain: bool,
    /// How to check it on the engine, where there is one.
    pub verification: Option<Verification>,
    /// What the user should know.
    pub notes: &'a [String],
}

/// The document's name and version.
const SCHEMA: &str = "dsk.memory.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: ModelPart<'a>,
    request: RequestPart<'a>,
    #[serde(flatten)]
    memory: MemoryPart,
    file_bytes: Option<u64>,
    capacity: Option<CapacityPart>,
    available_bytes_per_gpu: Option<u64>,
    fits: Option<bool>,
    short_by_bytes: Option<u64>,
    basis: &'static str,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RulePart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Vec<StepPart<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<VerifyPart<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct VerifyPart<'a> {
    command: &'a str,
    look_at: &'a str,
}

/// A model in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct ModelPart<'a> {
    id: &'a str,
    name: &'a str,
    params: u64,
    main_params: u64,
    draft_params: u64,
    active_params: u64,
    basis: &'static str,
    window_tokens: u64,
    native_format: &'a str,
    checkpoint: CheckpointPart<'a>,
}

/// Weights that can be downloaded.
#[derive(Serialize, JsonSchema)]
pub(super) struct CheckpointPart<'a> {
    repo: Option<&'a str>,
    #[serde(rename = "match")]
    matching: &'static str,
}

/// Changes to the model that nobody made.
#[derive(Serialize, JsonSchema)]
pub(super) struct WhatIfPart {
    prune: Option<f64>,
    experts_per_token: Option<u64>,
}

/// A question about one model in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct RequestPart<'a> {
    format: &'a str,
    context_tokens: u64,
    sequences: u64,
    kv_format: &'static str,
    engine: Option<&'a str>,
    gpu: Option<Vec<String>>,
    gpus: Option<u64>,
    tensor: u64,
    pipeline: u64,
    data: u64,
    expert: u64,
    utilization: Option<f64>,
    what_if: Option<WhatIfPart>,
}

/// Memory in any document: the sums, the fullest device, the host.
#[derive(Serialize, JsonSchema)]
pub(super) struct MemoryPart {
    #[serde(flatten)]
    sum: PartsPart,
    per_gpu: PartsPart,
    host: HostPart,
}

#[derive(Serialize, JsonSchema)]
struct PartsPart {
    weights_bytes: u64,
    kv_cache_bytes: u64,
    compute_bytes: Option<u64>,
    runtime_bytes: Option<u64>,
    total_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct HostPart {
    weights_bytes: u64,
    kv_cache_bytes: u64,
    compute_bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct CapacityPart {
    kv_tokens: u64,
    sequences: u64,
    largest_context_tokens: u64,
}

#[derive(Serialize, JsonSchema)]
struct RulePart<'a> {
    formula: &'a str,
    weights_gib: f64,
    total_gib: f64,
    as_printed: f64,
}

#[derive(Serialize, JsonSchema)]
struct StepPart<'a> {
    part: &'a str,
    formula: &'a str,
    bytes: u64,
    basis: &'static str,
    source: &'a str,
}

/// The document of a memory answer.
///
/// # Errors
/// When it cannot be written.
pub fn memory(answer: &Answer<'_>) -> Result<Value> {
    let estimate = answer.estimate;
    super::value(&Document {
        schema: SCHEMA,
        model: ModelPart::of(&answer.request.model),
        request: RequestPart::of(answer.request),
        memory: MemoryPart::of(estimate),
        file_bytes: file_bytes(&answer.request.load()).map(|bytes| bytes.0),
        capacity: answer.capacity.map(|capacity| CapacityPart {
            kv_tokens: capacity.kv_tokens.0,
            sequences: capacity.sequences,
            largest_context_tokens: capacity.largest_context.0,
        }),
        available_bytes_per_gpu: estimate.available.map(|bytes| bytes.0),
        fits: estimate.fits,
        short_by_bytes: estimate.fits.map(|_| estimate.short_by.0),
        basis: estimate.memory.basis.word(),
        notes: answer.notes,
        rule: answer.rule.map(|rule| RulePart {
            formula: &rule.formula,
            weights_gib: rule.weights_gib,
            total_gib: rule.total_gib,
            as_printed: rule.as_printed,
        }),
        explain: answer
            .explain
            .then(|| estimate.memory.steps.iter().map(StepPart::of).collect()),
        verify: answer
            .verification
            .as_ref()
            .filter(|_| answer.explain)
            .map(|verification| VerifyPart {
                command: &verification.command,
                look_at: &verification.look_at,
            }),
    })
}

impl<'a> ModelPart<'a> {
    pub(super) fn of(model: &'a Model) -> Self {
        let counted = parameters(&model.shape);
        Self {
            id: &model.id,
            name: &model.name,
            params: counted.stored.0,
            main_params: counted.main.0,
            draft_params: counted.draft.0,
            active_params: counted.active.0,
            basis: model.basis.word(),
            window_tokens: model.shape.window_tokens,
            native_format: &model.native,
            checkpoint: CheckpointPart::of(model),
        }
    }
}

impl<'a> CheckpointPart<'a> {
    pub(super) fn of(model: &'a Model) -> Self {
        let weights = model.checkpoint.as_ref();
        Self {
            repo: weights.map(|weights| weights.repo.as_str()),
            matching: match weights.map(|weights| weights.matching) {
                Some(Match::Exact) => "exact",
                Some(Match::Nearest) => "nearest",
                None => "none",
            },
        }
    }
}

impl<'a> RequestPart<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let devices = request.hardware.as_ref().map(|hardware| &hardware.devices);
        Self {
            format: &request.format.id,
            context_tokens: request.context.0,
            sequences: request.sequences,
            kv_format: request.kv.name(),
            engine: request.engine.as_ref().map(|engine| engine.id.as_str()),
            gpu: devices.map(|devices| {
                let mut names: Vec<String> = devices
                    .iter()
                    .map(crate::calc::hardware::Device::id)
                    .collect();
                names.dedup();
                names
            }),
            gpus: devices.map(|devices| count(devices.len())),
            tensor: request.split.tensor,
            pipeline: request.split.pipeline,
            data: request.split.data,
            expert: request.split.expert,
            what_if: WhatIfPart::of(request.what_if),
            utilization: match request.engine.as_ref().map(|engine| engine.allocator) {
                Some(Allocator::Vllm) => Some(vllm::utilization(&request.load())),
                Some(Allocator::Sglang | Allocator::LlamaCpp | Allocator::Transformers) | None => {
                    request.options.utilization
                }
            },
        }
    }
}

impl WhatIfPart {
    pub(super) fn of(what_if: WhatIf) -> Option<Self> {
        (what_if != WhatIf::default()).then_some(Self {
            prune: what_if.prune,
            experts_per_token: what_if.experts_per_token,
        })
    }
}

impl MemoryPart {
    pub(super) fn of(estimate: &Estimate) -> Self {
        Self {
            sum: PartsPart::of(estimate.memory.sum(), estimate.memory.scope),
            per_gpu: PartsPart::of(estimate.memory.fullest(), estimate.memory.scope),
            host: HostPart::of(estimate.memory.host),
        }
    }
}

impl PartsPart {
    fn of(parts: Parts, scope: Scope) -> Self {
        let known = |bytes: Bytes| match scope {
            Scope::Engine => Some(bytes.0),
            Scope::Checkpoint => None,
        };
        Self {
            weights_bytes: parts.weights.0,
            kv_cache_bytes: parts.kv_cache.0,
            compute_bytes: known(parts.compute),
            runtime_bytes: known(parts.runtime),
            total_bytes: parts.total().0,
        }
    }
}

impl HostPart {
    fn of(host: HostParts) -> Self {
        Self {
            weights_bytes: host.weights.0,
            kv_cache_bytes: host.kv_cache.0,
            compute_bytes: host.compute.0,
        }
    }
}

impl<'a> StepPart<'a> {
    fn of(step: &'a Step) -> Self {
        Self {
            part: step.part,
            formula: &step.formula,
            bytes: step.bytes.0,
            basis: step.basis.word(),
            source: &step.source,
        }
    }
}
