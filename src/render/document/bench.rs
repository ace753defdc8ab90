//! `dsk.bench.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::bench::comparison::{Prediction, error, throughput_error};
use crate::bench::level::{Level, Targets};
use crate::bench::plan::BenchPlan;
use crate::bench::record::Counted;
use crate::bench::run::{Compared, Run};
use crate::bench::statistics::Summary;
use crate::calc::speed::{Range, View};
use crate::error::Result;
use crate::request::Request;

/// Everything that `dsk bench` answers.
pub struct BenchAnswer<'a> {
    /// The question.
    pub request: &'a Request,
    /// What to run; none when something was measured.
    pub plan: Option<&'a BenchPlan>,
    /// What was measured; none when only the plan was asked for.
    pub run: Option<&'a Run>,
    /// What the user should know.
    pub notes: &'a [String],
}

/// What `dsk bench` answers.
/// The document's name and version.
const SCHEMA: &str = "dsk.bench.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: BenchModelPart<'a>,
    request: BenchRequestPart<'a>,
    plan: Option<PlanPart<'a>>,
    run: Option<RunPart<'a>>,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct BenchModelPart<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct BenchRequestPart<'a> {
    format: &'a str,
    engine: Option<&'a str>,
    gpu: Option<Vec<String>>,
}

/// How to measure it.
#[derive(Serialize, JsonSchema)]
struct PlanPart<'a> {
    concurrencies: &'a [u64],
    lengths: Vec<LengthPart>,
    /// The one that the others are held against first.
    formats: Vec<FormatPart<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct LengthPart {
    input_tokens: u64,
    output_tokens: u64,
}

/// The commands of one format, for a POSIX shell, in order.
#[derive(Serialize, JsonSchema)]
struct FormatPart<'a> {
    format: &'a str,
    make: Option<&'a str>,
    /// Runs until it is stopped.
    serve: &'a str,
    /// Which measurements need it: both, accuracy or speed.
    served_for: &'static str,
    accuracy: &'a str,
    speed: &'a [String],
}

impl<'a> PlanPart<'a> {
    fn of(plan: &'a BenchPlan) -> Self {
        Self {
            concurrencies: &plan.concurrencies,
            lengths: plan
                .lengths
                .iter()
                .map(|(input, output)| LengthPart {
                    input_tokens: *input,
                    output_tokens: *output,
                })
                .collect(),
            formats: plan
                .formats
                .iter()
                .map(|format| FormatPart {
                    format: &format.format,
                    make: format.make.as_deref(),
                    serve: &format.serve,
                    served_for: format.served_for.word(),
                    accuracy: &format.accuracy,
                    speed: &format.speed,
                })
                .collect(),
        }
    }
}

/// A run against a server.
#[derive(Serialize, JsonSchema)]
struct RunPart<'a> {
    url: &'a str,
    served_model: &'a str,
    endpoint: &'static str,
    input_tokens: u64,
    output_tokens: u64,
    /// How the length of prompts is known: usage, tokenize or assumed.
    prompt_length: &'static str,
    /// Tokens that a word of the prompts took.
    tokens_per_word: f64,
    seed: u64,
    targets: TargetsPart,
    levels: Vec<LevelPart<'a>>,
    /// Whether it was stopped before its end.
    interrupted: bool,
    /// Why levels were cut short or left out: the server answered no more.
    given_up: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct TargetsPart {
    time_to_first_token_seconds: Option<f64>,
    time_per_output_token_seconds: Option<f64>,
    end_to_end_seconds: Option<f64>,
}

/// What was measured with so many clients.
#[derive(Serialize, JsonSchema)]
struct LevelPart<'a> {
    concurrency: u64,
    completed: u64,
    failed: u64,
    unfinished: u64,
    duration_seconds: f64,
    /// Of all prompts; null where the server did not count every one.
    input_tokens: Option<u64>,
    /// Of all answers.
    output_tokens: u64,
    /// Who counted the tokens of answers: usage (the server) or chunks (nobody else did).
    counted_by: Option<&'static str>,
    requests_per_second: f64,
    throughput_tokens_per_second: f64,
    /// Requests that kept every target; null without targets.
    goodput_requests_per_second: Option<f64>,
    time_to_first_token_seconds: Option<SummaryPart>,
    time_per_output_token_seconds: Option<SummaryPart>,
    /// Between chunks of an answer.
    inter_token_latency_seconds: Option<SummaryPart>,
    end_to_end_seconds: Option<SummaryPart>,
    errors: Vec<ErrorPart<'a>>,
    prediction: PredictionPart<'a>,
}

/// A set of figures.
#[derive(Serialize, JsonSchema)]
struct SummaryPart {
    count: u64,
    mean: f64,
    standard_deviation: f64,
    min: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

#[derive(Serialize, JsonSchema)]
struct ErrorPart<'a> {
    kind: &'a str,
    count: u64,
    /// What the first of them said.
    message: &'a str,
}

/// What was predicted for the same work.
#[derive(Serialize, JsonSchema)]
struct PredictionPart<'a> {
    /// served (clients in a loop) or static (all at once).
    view: &'static str,
    time_to_first_token_seconds: Option<PredictedPart>,
    time_per_output_token_seconds: Option<PredictedPart>,
    throughput_tokens_per_second: Option<PredictedPart>,
    bound: Option<&'static str>,
    basis: Option<&'static str>,
    /// What it rests on, or why there is none.
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct PredictedPart {
    value: f64,
    low: f64,
    high: f64,
    /// (predicted - measured) / measured, against the mean.
    relative_error: Option<f64>,
}

/// The document of a benchmark.
///
/// # Errors
/// When it cannot be written.
pub fn bench(answer: &BenchAnswer<'_>) -> Result<Value> {
    let request = answer.request;
    super::value(&Document {
        schema: SCHEMA,
        model: BenchModelPart {
            id: &request.model.id,
            name: &request.model.name,
        },
        request: BenchRequestPart {
            format: &request.format.id,
            engine: request.engine.as_ref().map(|engine| engine.id.as_str()),
            gpu: request.hardware.as_ref().map(|hardware| {
                let names = hardware.devices.iter().map(|device| device.name.clone());
                names.collect()
            }),
        },
        plan: answer.plan.map(PlanPart::of),
        run: answer.run.map(RunPart::of),
        notes: answer.notes,
    })
}

impl<'a> RunPart<'a> {
    fn of(run: &'a Run) -> Self {
        Self {
            url: &run.url,
            served_model: &run.ask.model,
            endpoint: run.ask.endpoint.word(),
            input_tokens: run.input_tokens,
            output_tokens: run.ask.output_tokens,
            prompt_length: run.length.word(),
            tokens_per_word: run.scale.tokens_per_word,
            seed: run.seed,
            targets: TargetsPart::of(&run.targets),
            levels: run.levels.iter().map(LevelPart::of).collect(),
            interrupted: run.interrupted,
            given_up: &run.given_up,
        }
    }
}

impl TargetsPart {
    fn of(targets: &Targets) -> Self {
        Self {
            time_to_first_token_seconds: targets.first_token,
            time_per_output_token_seconds: targets.output_token,
            end_to_end_seconds: targets.end_to_end,
        }
    }
}

impl<'a> LevelPart<'a> {
    fn of(compared: &'a Compared) -> Self {
        let level = &compared.level;
        Self {
            concurrency: level.concurrency,
            completed: level.completed,
            failed: level.failed,
            unfinished: level.unfinished,
            duration_seconds: level.duration,
            input_tokens: level.input_tokens.filter(|_| level.completed > 0),
            output_tokens: level.output_tokens,
            counted_by: level.counted.map(|counted| match counted {
                Counted::Usage => "usage",
                Counted::Chunks => "chunks",
            }),
            requests_per_second: level.requests_per_second,
            throughput_tokens_per_second: level.output_tokens_per_second,
            goodput_requests_per_second: level.goodput,
            time_to_first_token_seconds: level.first_token.map(SummaryPart::of),
            time_per_output_token_seconds: level.output_token.map(SummaryPart::of),
            inter_token_latency_seconds: level.gap.map(SummaryPart::of),
            end_to_end_seconds: level.end_to_end.map(SummaryPart::of),
            errors: errors(level),
            prediction: PredictionPart::of(&compared.prediction, level),
        }
    }
}

fn errors(level: &Level) -> Vec<ErrorPart<'_>> {
    let errors = level.errors.iter();
    errors
        .map(|(kind, (count, message))| ErrorPart {
            kind,
            count: *count,
            message,
        })
        .collect()
}

impl SummaryPart {
    fn of(summary: Summary) -> Self {
        Self {
            count: summary.count,
            mean: summary.mean,
            standard_deviation: summary.deviation,
            min: summary.least,
            p50: summary.p50,
            p90: summary.p90,
            p99: summary.p99,
            max: summary.most,
        }
    }
}

impl<'a> PredictionPart<'a> {
    fn of(prediction: &'a Prediction, level: &Level) -> Self {
        let speed = &prediction.speed;
        let against = |range: Option<Range>, measured: Option<Summary>| {
            PredictedPart::of(range, error(range, measured.map(|summary| summary.mean)))
        };
        Self {
            view: match prediction.view {
                View::Static => "static",
                View::Served { .. } => "served",
            },
            time_to_first_token_seconds: against(speed.time_to_first_token, level.first_token),
            time_per_output_token_seconds: against(speed.time_per_output_token, level.output_token),
            throughput_tokens_per_second: PredictedPart::of(
                speed.throughput,
                throughput_error(prediction, level),
            ),
            bound: speed.bound.map(crate::calc::speed::Bound::word),
            basis: speed.time_per_output_token.map(|_| speed.basis.word()),
            notes: &speed.notes,
        }
    }
}

impl PredictedPart {
    fn of(range: Option<Range>, relative_error: Option<f64>) -> Option<Self> {
        range.map(|range| Self {
            value: range.value,
            low: range.low,
            high: range.high,
            relative_error,
        })
    }
}
