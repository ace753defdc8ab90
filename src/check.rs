//! Does it fit, and does it meet what was asked? For continuous integration.

use std::fmt;

use crate::calc::accuracy::Accuracies;
use crate::calc::estimate::{Estimate, capacity, estimate};
use crate::calc::load::Load;
use crate::calc::tensors::parameters;
use crate::calc::tier::tier;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::request::traffic::TooSlow;
use crate::request::{Request, SpeedDemands, Traffic};
use crate::units::Bytes;

/// The demand on accuracy, with its unit.
const ACCURACY: &str = "accuracy in per cent";

/// What a check asks for beside the fit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CheckDemands {
    /// The lowest accuracy after the format's loss, in per cent.
    pub min_accuracy: Option<f64>,
    /// The longest latency of a tier, in milliseconds.
    pub max_latency_ms: Option<u64>,
    /// The longest times that serve.
    pub speed: SpeedDemands,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The model.
    pub model: String,
    /// The format.
    pub format: String,
    /// The engine.
    pub engine: Option<String>,
    /// What is not met; empty when all is well.
    pub failures: Vec<Failure>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A demand that is not met.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The demand.
    pub demand: &'static str,
    /// By how much it is missed.
    pub missed: Missed,
}

/// By how much a demand is missed.
#[derive(Debug, Clone, PartialEq)]
pub enum Missed {
    /// Memory of a device.
    Memory {
        /// What is there.
        limit: Bytes,
        /// What it takes.
        actual: Bytes,
        /// What is missing on the device that lacks most.
        short_by: Bytes,
        /// What would help.
        hint: Option<String>,
    },
    /// A time, in seconds.
    Time(TooSlow),
    /// A window that is shorter than the context asked for, in tokens.
    Window {
        /// The window.
        limit: u64,
        /// What was asked for.
        actual: u64,
    },
    /// What the engine is not known to do, and why.
    NotRun(String),
    /// Anything else, in the demand's own unit.
    Number {
        /// What was asked for.
        limit: f64,
        /// What it would be; none where that is not known.
        actual: Option<f64>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let demand = self.demand;
        match &self.missed {
            Missed::Memory {
                limit,
                actual,
                short_by,
                hint,
            } => {
                write!(
                    out,
                    "{demand}: needs {actual}, {limit} there: short by {short_by} ({} bytes)",
                    short_by.0
                )?;
                hint.iter().try_for_each(|hint| write!(out, "; {hint}"))
            }
            Missed::Time(slow) => write!(out, "{slow}"),
            Missed::Number {
                limit,
                actual: Some(actual),
            } => write!(out, "{demand}: {actual} where {limit} is asked for"),
            Missed::Number {
                limit,
                actual: None,
            } => write!(out, "{demand}: not known, {limit} is asked for"),
            Missed::Window { limit, actual } => {
                write!(out, "{demand}: {actual} asked for, the window is {limit}")
            }
            Missed::NotRun(reason) => write!(out, "{demand}: {reason}"),
        }
    }
}

/// Checks the request against its hardware and the demands, its times under `traffic`.
///
/// # Errors
/// When there is no hardware or nothing to hold the request against.
pub fn check(
    catalog: &Catalog,
    (request, traffic): (&Request, &Traffic),
    demands: CheckDemands,
) -> Result<Check> {
    let load = request.load();
    let found = estimate(&load)?;
    if found.fits.is_none() {
        return Err(Error::Unanswerable(
            "name the hardware to check against: --vram GB or --gpu NAME (with --ram GB for a processor)".to_owned(),
        ));
    }
    let mut failures = Vec::new();
    failures.extend(shortage(&load, &found, "memory per device")?);
    let started = request.started(catalog)?;
    if let Some(started) = &started {
        let load = started.load();
        let demand = "memory per device of the weights that can be had";
        failures.extend(shortage(&load, &estimate(&load)?, demand)?);
    }
    check_tier(catalog, request, demands, &mut failures)?;
    let mut notes: Vec<String> = request.notes.clone();
    notes.extend(found.memory.notes.iter().cloned());
    notes.extend(started.map(|started| {
        format!(
            "no weights of exactly {} exist: {}, which is run in its place, must fit as well",
            request.model.id, started.model.id
        )
    }));
    if !demands.speed.is_empty() {
        let sequences = traffic.concurrency.unwrap_or(request.sequences);
        let speed = traffic.speed(&load, sequences);
        let missed = demands.speed.missed(&speed);
        // Why a time is not known stands in the failure already.
        if missed.iter().all(|slow| slow.unknown.is_none()) {
            notes.extend(speed.notes);
        }
        failures.extend(missed.into_iter().map(|slow| Failure {
            demand: slow.time.demand(),
            missed: Missed::Time(slow),
        }));
    }
    if request.context.0 > request.model.shape.window_tokens {
        failures.push(Failure {
            demand: "context within the model's window, in tokens",
            missed: Missed::Window {
                limit: request.model.shape.window_tokens,
                actual: request.context.0,
            },
        });
    }
    Ok(Check {
        model: request.model.id.clone(),
        format: request.format.id.clone(),
        engine: request.engine.as_ref().map(|engine| engine.id.clone()),
        failures,
        notes,
    })
}

/// What is missing on a device, where something is.
fn shortage(load: &Load<'_>, found: &Estimate, demand: &'static str) -> Result<Option<Failure>> {
    let (Some(false), Some(available)) = (found.fits, found.available) else {
        return Ok(None);
    };
    let longest = capacity(load)?.map_or(0, |capacity| capacity.largest_context.0);
    let hint = (longest > 0).then(|| format!("a context of {longest} tokens would fit"));
    Ok(Some(Failure {
        demand,
        missed: Missed::Memory {
            limit: available,
            actual: found.memory.fullest().total(),
            short_by: found.short_by,
            hint,
        },
    }))
}

impl Check {
    /// The outcome where nothing can be calculated: what is asked for does not run there.
    #[must_use]
    pub fn not_run(model: &str, (format, engine): (&str, &str), reason: &str) -> Self {
        Self {
            model: model.to_owned(),
            format: format.to_owned(),
            engine: Some(engine.to_owned()),
            failures: vec![Failure {
                demand: "runs on the hardware",
                missed: Missed::NotRun(reason.to_owned()),
            }],
            notes: Vec::new(),
        }
    }
}

fn check_tier(
    catalog: &Catalog,
    request: &Request,
    demands: CheckDemands,
    failures: &mut Vec<Failure>,
) -> Result<()> {
    let tiers = &catalog.defaults()?.tiers;
    let Some(tier) = tier(tiers, parameters(&request.model.shape).main) else {
        return Ok(());
    };
    let mut number = |demand, limit: f64, actual: Option<f64>| {
        failures.push(Failure {
            demand,
            missed: Missed::Number { limit, actual },
        });
    };
    if let Some(limit) = demands.min_accuracy {
        let format = (&request.format, request.engine.as_ref());
        let accuracies = Accuracies::of(catalog)?;
        let found = accuracies.expected(&request.model, format, tier.accuracy);
        match found.expected {
            Some(expected) if expected < limit => number(ACCURACY, limit, Some(expected)),
            Some(_) => {}
            None => number(ACCURACY, limit, None),
        }
    }
    if let Some(limit) = demands
        .max_latency_ms
        .filter(|limit| tier.latency_ms > *limit)
    {
        number(
            "latency of the tier in ms",
            crate::units::float(limit),
            Some(crate::units::float(tier.latency_ms)),
        );
    }
    Ok(())
}
