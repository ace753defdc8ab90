//! `dsk.speed.v1`, and the speed in other documents.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::{ModelPart, RequestPart};
use crate::calc::speed::{Bound, Range, Speed};
use crate::error::Result;
use crate::request::{Request, Traffic};
use crate::speed::{Answer, Point};

/// The document's name and version.
const SCHEMA: &str = "dsk.speed.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: ModelPart<'a>,
    request: QuestionPart<'a>,
    tier: Option<TierPart>,
    #[serde(flatten)]
    asked: FiguresPart,
    alone: PointPart,
    full_load: Option<PointPart>,
    fits: Option<bool>,
    short_by_bytes: Option<u64>,
    notes: &'a [String],
}

/// A question about one model and what it is to answer, in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct QuestionPart<'a> {
    #[serde(flatten)]
    load: RequestPart<'a>,
    #[serde(flatten)]
    traffic: TrafficPart,
}

/// Prompts and answers in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct TrafficPart {
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    concurrency: Option<u64>,
    speculative: bool,
}

/// The article's tier in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct TierPart {
    pub(super) latency_ms: u64,
    pub(super) accuracy: f64,
    pub(super) basis: &'static str,
}

/// A speed in any document.
#[derive(Serialize, JsonSchema)]
pub(super) struct FiguresPart {
    time_to_first_token_seconds: Option<RangePart>,
    time_per_output_token_seconds: Option<RangePart>,
    throughput_tokens_per_second: Option<RangePart>,
    bound: Option<&'static str>,
    basis: Option<&'static str>,
    source: Option<String>,
}

/// A speed with what it rests on, or why there is none.
#[derive(Serialize, JsonSchema)]
pub(super) struct SpeedPart<'a> {
    #[serde(flatten)]
    figures: FiguresPart,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct PointPart {
    sequences: u64,
    tokens_per_second_each: Option<f64>,
    #[serde(flatten)]
    figures: FiguresPart,
}

/// A figure, and between what 80% of measurements would lie.
#[derive(Serialize, JsonSchema)]
struct RangePart {
    value: f64,
    low: f64,
    high: f64,
}

/// The document of a speed answer.
///
/// # Errors
/// When it cannot be written.
pub fn speed(answer: &Answer, request: &Request, traffic: &Traffic) -> Result<Value> {
    super::value(&Document {
        schema: SCHEMA,
        model: ModelPart::of(&request.model),
        request: QuestionPart::of(request, traffic),
        tier: answer
            .tier
            .as_ref()
            .map(|tier| TierPart::of(tier.latency_ms, tier.accuracy)),
        asked: FiguresPart::of(&answer.asked.speed),
        alone: PointPart::of(&answer.alone),
        full_load: answer.full_load.as_ref().map(PointPart::of),
        fits: answer.estimate.fits,
        short_by_bytes: answer.estimate.fits.map(|_| answer.estimate.short_by.0),
        notes: &answer.notes,
    })
}

impl<'a> QuestionPart<'a> {
    pub(super) fn of(request: &'a Request, traffic: &Traffic) -> Self {
        Self {
            load: RequestPart::of(request),
            traffic: TrafficPart::of(traffic),
        }
    }
}

impl TrafficPart {
    pub(super) fn of(traffic: &Traffic) -> Self {
        Self {
            input_tokens: traffic.input,
            output_tokens: traffic.output,
            cached_tokens: traffic.cached,
            concurrency: traffic.concurrency,
            speculative: traffic.speculative,
        }
    }
}

impl TierPart {
    pub(super) fn of(latency_ms: u64, accuracy: f64) -> Self {
        Self {
            latency_ms,
            accuracy,
            basis: crate::catalog::Basis::Claimed.word(),
        }
    }
}

impl FiguresPart {
    pub(super) fn of(speed: &Speed) -> Self {
        let figures = [
            speed.time_to_first_token,
            speed.time_per_output_token,
            speed.throughput,
        ];
        let [first, token, throughput] = figures.map(|figure| figure.map(RangePart::of));
        let known = first.is_some() || token.is_some() || throughput.is_some();
        Self {
            time_to_first_token_seconds: first,
            time_per_output_token_seconds: token,
            throughput_tokens_per_second: throughput,
            bound: speed.bound.map(Bound::word),
            basis: known.then(|| speed.basis.word()),
            source: speed.source.clone().filter(|_| known),
        }
    }
}

impl<'a> SpeedPart<'a> {
    pub(super) fn of(speed: &'a Speed) -> Self {
        Self {
            figures: FiguresPart::of(speed),
            notes: &speed.notes,
        }
    }
}

impl PointPart {
    fn of(point: &Point) -> Self {
        Self {
            sequences: point.sequences,
            tokens_per_second_each: point.each(),
            figures: FiguresPart::of(&point.speed),
        }
    }
}

impl RangePart {
    fn of(range: Range) -> Self {
        Self {
            value: range.value,
            low: range.low,
            high: range.high,
        }
    }
}
