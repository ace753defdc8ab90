//! `dsk.recommend.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::{CheckpointPart, MemoryPart, ModelPart};
use super::speed::{SpeedPart, TierPart, TrafficPart};
use crate::calc::hardware::{Hardware, MemoryOf};
use crate::deploy::Start;
use crate::error::Result;
use crate::recommend::{Candidate, Change, Nearest, Recommendation, Rejection};
use crate::units::count;

/// The document's name and version.
const SCHEMA: &str = "dsk.recommend.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    request: RequestPart<'a>,
    hardware: HardwarePart<'a>,
    recommendations: Vec<Row<'a>>,
    rejected: Vec<RejectedPart<'a>>,
    nearest: Vec<NearestPart<'a>>,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct RequestPart<'a> {
    scenario: Option<&'a str>,
    context_tokens: u64,
    sequences: u64,
    kv_format: &'static str,
    engine: &'a str,
    min_accuracy: Option<f64>,
    max_latency_ms: Option<u64>,
    #[serde(flatten)]
    traffic: TrafficPart,
    max_time_to_first_token_seconds: Option<f64>,
    max_time_per_output_token_seconds: Option<f64>,
}

/// Hardware in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct HardwarePart<'a> {
    detected: bool,
    memory_of: Option<&'static str>,
    gpus: u64,
    devices: Vec<DevicePart<'a>>,
    host_bytes: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct DevicePart<'a> {
    id: String,
    name: &'a str,
    usable_bytes: Option<u64>,
    basis: Option<&'static str>,
    total_bytes: Option<u64>,
    free_bytes: Option<u64>,
    sockets: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Row<'a> {
    rank: u64,
    model: ModelPart<'a>,
    format: &'a str,
    engine: &'a str,
    memory: MemoryPart,
    speed: SpeedPart<'a>,
    accuracy: AccuracyPart,
    tier: TierPart,
    checkpoint: CheckpointPart<'a>,
    availability: &'static str,
    command: Option<&'a str>,
    /// What to know about the command, or why there is none.
    command_note: Option<&'a str>,
    why: &'a [String],
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct AccuracyPart {
    tier: f64,
    model: f64,
    expected: Option<f64>,
    loss: Option<f64>,
    basis: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct RejectedPart<'a> {
    model: &'a str,
    format: &'a str,
    reason: &'a str,
    short_by_bytes: Option<u64>,
    too_slow: Vec<TooSlowPart>,
}

#[derive(Serialize, JsonSchema)]
struct TooSlowPart {
    demand: &'static str,
    limit_seconds: f64,
    actual_seconds: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct NearestPart<'a> {
    model: &'a str,
    format: &'a str,
    change: &'static str,
    bytes: Option<u64>,
    context_tokens: Option<u64>,
    gpu: Option<&'a str>,
}

/// The document of a recommendation; `starts` stand beside its rows.
///
/// # Errors
/// When it cannot be written.
pub fn recommend(answer: &Recommendation, starts: &[Start]) -> Result<Value> {
    let demands = &answer.demands;
    let rows = answer.ranked.iter().zip(starts).zip(1..);
    super::value(&Document {
        schema: SCHEMA,
        request: RequestPart {
            scenario: demands
                .scenario
                .as_ref()
                .map(|scenario| scenario.id.as_str()),
            context_tokens: demands.context.0,
            sequences: demands.sequences,
            kv_format: demands.kv.name(),
            engine: &answer.engine.id,
            min_accuracy: demands.min_accuracy,
            max_latency_ms: demands.max_latency_ms,
            traffic: TrafficPart::of(&demands.traffic),
            max_time_to_first_token_seconds: demands.speed.first_token,
            max_time_per_output_token_seconds: demands.speed.output_token,
        },
        hardware: HardwarePart::of(&answer.hardware),
        recommendations: rows
            .map(|((candidate, start), rank)| row(answer, (candidate, start), rank))
            .collect(),
        rejected: answer.rejected.iter().map(RejectedPart::of).collect(),
        nearest: answer.nearest.iter().map(NearestPart::of).collect(),
        notes: &answer.notes,
    })
}

fn row<'a>(
    answer: &'a Recommendation,
    (candidate, start): (&'a Candidate, &'a Start),
    rank: u64,
) -> Row<'a> {
    Row {
        rank,
        model: ModelPart::of(&candidate.model),
        format: &candidate.format.id,
        engine: &answer.engine.id,
        memory: MemoryPart::of(&candidate.estimate),
        speed: SpeedPart::of(&candidate.speed),
        accuracy: AccuracyPart {
            tier: candidate.accuracy.tier,
            model: candidate.accuracy.model,
            expected: candidate.accuracy.expected,
            loss: candidate.accuracy.loss,
            basis: candidate.accuracy.basis.word(),
        },
        tier: TierPart::of(candidate.tier_latency_ms, candidate.accuracy.tier),
        checkpoint: CheckpointPart::of(&candidate.model),
        availability: candidate.availability.word(),
        command: start.command.as_deref(),
        command_note: start.note.as_deref(),
        why: &candidate.why,
        notes: &candidate.notes,
    }
}

impl<'a> HardwarePart<'a> {
    pub(super) fn of(hardware: &'a Hardware) -> Self {
        let of = hardware.measured_of();
        Self {
            detected: of.is_some(),
            memory_of: of.map(MemoryOf::word),
            gpus: count(hardware.devices.len()),
            devices: hardware
                .devices
                .iter()
                .map(|device| DevicePart {
                    id: device.id(),
                    name: &device.name,
                    usable_bytes: device.usable.map(|usable| usable.bytes.0),
                    basis: device.usable.map(|usable| usable.basis.word()),
                    total_bytes: device.measured.and_then(|measured| Some(measured.total?.0)),
                    free_bytes: device.measured.and_then(|measured| Some(measured.free?.0)),
                    sockets: device.measured.and_then(|measured| measured.sockets),
                })
                .collect(),
            host_bytes: hardware.host.map(|bytes| bytes.0),
        }
    }
}

impl<'a> RejectedPart<'a> {
    fn of(rejection: &'a Rejection) -> Self {
        Self {
            model: &rejection.model,
            format: &rejection.format,
            reason: &rejection.reason,
            short_by_bytes: rejection.short_by.map(|bytes| bytes.0),
            too_slow: rejection
                .too_slow
                .iter()
                .map(|slow| TooSlowPart {
                    demand: slow.time.demand(),
                    limit_seconds: slow.limit,
                    actual_seconds: slow.actual,
                })
                .collect(),
        }
    }
}

impl<'a> NearestPart<'a> {
    fn of(nearest: &'a Nearest) -> Self {
        let mut part = Self {
            model: &nearest.model,
            format: &nearest.format,
            change: "",
            bytes: None,
            context_tokens: None,
            gpu: None,
        };
        match &nearest.change {
            Change::MoreMemory(bytes) => {
                part.change = "more memory";
                part.bytes = Some(bytes.0);
            }
            Change::ShorterContext(tokens) => {
                part.change = "shorter context";
                part.context_tokens = Some(tokens.0);
            }
            Change::BiggerDevice(id, _) => {
                part.change = "bigger device";
                part.gpu = Some(id);
            }
            Change::SmallerFormat => part.change = "smaller format",
        }
        part
    }
}
