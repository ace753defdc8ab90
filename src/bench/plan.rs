//! How to measure a model: the commands, in order.
//!
//! Checked against lm-evaluation-harness 0.4.13, vLLM 0.33.0 (`benchmarks/serve.py`), SGLang 0.5.23
//! (`benchmark/serving.py`), llama.cpp as in llama-cpp-python 0.3.36 (`common/arg.cpp`): see tests/data/bench-flags.toml.

use super::tools::{Served, accuracy, is_ollama, make, serve, speed};
use crate::calc::estimate::capacity;
use crate::catalog::format::Storage;
use crate::catalog::{Allocator, Catalog, Engine, Format, Origin};
use crate::deploy::{Launch, weights};
use crate::error::{Error, Result};
use crate::quantize::quantize;
use crate::request::{Request, resolve_format};
use crate::units::Tokens;

/// The most clients of a plan that names none.
const MOST_CLIENTS: u64 = 256;
/// Clients of a plan without hardware, whose capacity is not known.
const FEW_CLIENTS: u64 = 8;

/// What is asked of a plan.
#[derive(Debug, Clone, Default)]
pub struct PlanAsked {
    /// Clients at once; from the capacity when there are none.
    pub concurrencies: Vec<u64>,
    /// Tokens of each prompt; from the context when not given.
    pub input: Option<u64>,
    /// Tokens of each answer.
    pub output: u64,
    /// Which formats.
    pub formats: FormatsAsked,
    /// The file or folder of a model of the user's own.
    pub path: Option<String>,
}

/// Which formats a plan measures, beside the model's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FormatsAsked {
    /// The usual ones: of GGUF's mixes those that a general name stands for.
    #[default]
    Usual,
    /// The one of the request.
    Named,
    /// All that the engine runs.
    Every,
}

/// The plan.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchPlan {
    /// Clients at once.
    pub concurrencies: Vec<u64>,
    /// Tokens of prompt and answer.
    pub lengths: Vec<(u64, u64)>,
    /// The formats, the one that the others are held against first.
    pub formats: Vec<FormatPlan>,
}

/// One format's commands.
#[derive(Debug, Clone, PartialEq)]
pub struct FormatPlan {
    /// The format's id.
    pub format: String,
    /// Its name.
    pub name: String,
    /// What makes it, where it must be made.
    pub make: Option<String>,
    /// What serves it; runs until stopped.
    pub serve: String,
    /// Which of the measurements need it served.
    pub served_for: ServedFor,
    /// What measures the accuracy.
    pub accuracy: String,
    /// What measures the speed, a command for each length.
    pub speed: Vec<String>,
}

/// Which measurements ask a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedFor {
    /// Both.
    Both,
    /// The accuracy: the tool for speed loads the model itself.
    Accuracy,
    /// The speed: the tool for accuracy loads the model itself.
    Speed,
}

impl ServedFor {
    fn of(engine: &Engine) -> Self {
        match engine.allocator {
            Allocator::Vllm => Self::Both,
            Allocator::LlamaCpp if !is_ollama(engine) => Self::Accuracy,
            Allocator::Sglang | Allocator::LlamaCpp | Allocator::Transformers => Self::Speed,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Accuracy => "accuracy",
            Self::Speed => "speed",
        }
    }
}

/// The plan for `request`.
///
/// # Errors
/// When no engine is named, no command starts it that way, or the catalog is broken.
pub fn plan(catalog: &Catalog, request: &Request, asked: &PlanAsked) -> Result<BenchPlan> {
    let engine = request.engine.as_ref().ok_or_else(|| {
        Error::Unanswerable(
            "a plan needs the engine that is measured: --engine vllm, or --gpu NAME for the usual one"
                .to_owned(),
        )
    })?;
    let lengths = lengths(request, asked);
    let concurrencies = concurrencies(request, asked)?;
    let mut formats = Vec::new();
    for format in formats_of(catalog, request, (engine, asked.formats))? {
        let launch = Launch {
            path: asked.path.as_deref(),
            ..launch(request, (engine, &format), &concurrencies)
        };
        let served = Served {
            launch,
            weights: weights(&launch)?,
            lengths: &lengths,
            concurrencies: &concurrencies,
        };
        formats.push(FormatPlan {
            make: make(&served),
            serve: serve(&served)?,
            served_for: ServedFor::of(engine),
            accuracy: accuracy(&served),
            speed: speed(&served)?,
            format: format.id.clone(),
            name: format.name.clone(),
        });
    }
    Ok(BenchPlan {
        concurrencies,
        lengths,
        formats,
    })
}

fn launch<'a>(
    request: &'a Request,
    (engine, format): (&'a Engine, &'a Format),
    concurrencies: &[u64],
) -> Launch<'a> {
    Launch {
        model: &request.model,
        format,
        kv: request.kv,
        context: context(request),
        sequences: concurrencies.iter().copied().max().unwrap_or(1),
        engine,
        split: request.split,
        hardware: request.hardware.as_ref(),
        options: request.options,
        path: None,
        version: None,
        service: None,
    }
}

/// The context that is asked for, at most the model's window.
fn context(request: &Request) -> Tokens {
    request
        .context
        .min(Tokens(request.model.shape.window_tokens))
}

/// A short and a long prompt in the context; or the one that was asked for.
fn lengths(request: &Request, asked: &PlanAsked) -> Vec<(u64, u64)> {
    let room = context(request).0.saturating_sub(asked.output).max(1);
    let mut inputs = match asked.input {
        Some(input) => vec![input.min(room)],
        None => vec![(room / 8).max(1), room],
    };
    inputs.dedup();
    inputs
        .into_iter()
        .map(|input| (input, asked.output))
        .collect()
}

/// One client, as many as fit, and steps of four between.
fn concurrencies(request: &Request, asked: &PlanAsked) -> Result<Vec<u64>> {
    if !asked.concurrencies.is_empty() {
        return Ok(asked.concurrencies.clone());
    }
    let fit = capacity(&request.load())?.map(|capacity| capacity.sequences);
    let most = fit.unwrap_or(FEW_CLIENTS).clamp(1, MOST_CLIENTS);
    let mut steps: Vec<u64> = std::iter::successors(Some(1), |step| Some(step * 4))
        .take_while(|step| *step < most)
        .collect();
    steps.push(most);
    Ok(steps)
}

/// The model's own format on the engine, then the asked one, or the usual ones, or all.
fn formats_of(
    catalog: &Catalog,
    request: &Request,
    (engine, asked): (&Engine, FormatsAsked),
) -> Result<Vec<Format>> {
    let mut notes = Vec::new();
    let base = resolve_format(
        catalog,
        (&request.model, None),
        (Some(engine), request.hardware.as_ref()),
        &mut notes,
    )?;
    let mut formats = vec![base.clone()];
    if request.model.origin == Origin::File {
        return Ok(formats);
    }
    if asked == FormatsAsked::Named {
        formats.push(request.format.clone());
        formats.dedup_by(|one, other| one.id == other.id);
        return Ok(formats);
    }
    for row in quantize(catalog, &request.model)? {
        let format = row.format;
        // GGUF has dozens of mixes: the usual ones are those that a general name stands for.
        let general = !matches!(format.storage, Storage::Gguf { .. })
            || engine.formats.values().any(|id| *id == format.id);
        if format.engines.contains(&engine.id)
            && request.model.can_be_had(&format)
            && (general || asked == FormatsAsked::Every)
            && format.bits < base.bits
            && !formats.iter().any(|one| one.id == format.id)
            && request
                .hardware
                .as_ref()
                .is_none_or(|hardware| hardware.runs(engine, &format))
        {
            formats.push(format);
        }
    }
    Ok(formats)
}
