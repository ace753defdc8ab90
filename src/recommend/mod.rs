//! What to run on given hardware: candidates, demands, a ranking with reasons.

mod candidate;
mod misses;
mod nearest;
mod rank;
mod too_large;
mod why;

use std::cell::RefCell;

use crate::calc::accuracy::Accuracies;
use crate::calc::hardware::Hardware;
use crate::catalog::find::find;
use crate::catalog::gpu::GpuKind;
use crate::catalog::{Catalog, Engine, Format, KvFormat, Model, Origin, Scenario};
use crate::error::{Error, Result};
use crate::request::traffic::TooSlow;
use crate::request::{
    HardwareAsked, SpeedDemands, SplitAsked, Traffic, TrafficAsked, check_cache, check_engine,
    check_load, engine_for, resolve_format_alone,
};
use crate::units::{Bytes, Tokens};

pub use candidate::Candidate;
pub use nearest::{Change, Nearest};

/// The question, as asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The hardware.
    pub hardware: HardwareAsked,
    /// The scenario's name.
    pub scenario: Option<String>,
    /// Tokens that one sequence must hold.
    pub context: Option<u64>,
    /// Sequences at once.
    pub sequences: Option<u64>,
    /// The lowest accuracy that serves, in per cent.
    pub min_accuracy: Option<f64>,
    /// The longest latency of a tier that serves, in milliseconds.
    pub max_latency_ms: Option<u64>,
    /// Prompts, answers and clients.
    pub traffic: TrafficAsked,
    /// The longest times that serve.
    pub speed: SpeedDemands,
    /// The engine's name.
    pub engine: Option<String>,
    /// The weight format's name.
    pub format: Option<String>,
    /// The cache format's name.
    pub kv: Option<String>,
    /// Only models of this series.
    pub family: Option<String>,
    /// Only models whose licence contains this.
    pub licence: Option<String>,
    /// Only official releases.
    pub only_released: bool,
}

/// What a candidate must meet.
#[derive(Debug, Clone)]
pub struct Demands {
    /// The scenario, where one was named.
    pub scenario: Option<Scenario>,
    /// Tokens that one sequence must hold.
    pub context: Tokens,
    /// Sequences at once.
    pub sequences: u64,
    /// The lowest accuracy, in per cent.
    pub min_accuracy: Option<f64>,
    /// The longest latency of a tier, in milliseconds.
    pub max_latency_ms: Option<u64>,
    /// Prompts, answers and clients.
    pub traffic: Traffic,
    /// The longest times that serve.
    pub speed: SpeedDemands,
    /// How the cache is stored.
    pub kv: KvFormat,
}

/// A model that does not serve, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// The model.
    pub model: String,
    /// The format that came nearest.
    pub format: String,
    /// Why not.
    pub reason: String,
    /// What is missing on a device; none when memory is not the reason.
    pub short_by: Option<Bytes>,
    /// The times that are too long or not known.
    pub too_slow: Vec<TooSlow>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Recommendation {
    /// What it was asked for.
    pub hardware: Hardware,
    /// The engine that suits it.
    pub engine: Engine,
    /// What was demanded.
    pub demands: Demands,
    /// What serves, best first, one format a model.
    pub ranked: Vec<Candidate>,
    /// What does not.
    pub rejected: Vec<Rejection>,
    /// What would serve instead; empty when something serves.
    pub nearest: Vec<Nearest>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Answers the question on `hardware`.
///
/// # Errors
/// Unknown names, impossible numbers.
pub fn recommend(catalog: &Catalog, hardware: &Hardware, asked: &Asked) -> Result<Recommendation> {
    let engine = match &asked.engine {
        Some(name) => find(catalog.engines()?, name)?.clone(),
        None => engine_for(catalog, hardware, asked.format.as_deref())?,
    };
    let note = check_engine(catalog, Some(hardware), Some(&engine))?;
    let demands = demands(catalog, &engine, asked)?;
    let split = SplitAsked::default().resolve(Some(hardware), Some(&engine))?;
    let formats = formats(catalog, &engine, hardware, asked.format.as_deref())?;
    let models = models(catalog, asked)?;
    let mut ranked = Vec::new();
    let mut rejected = Vec::new();
    let space = candidate::Space {
        catalog,
        hardware,
        engine: &engine,
        formats: &formats,
        demands: &demands,
        accuracies: &Accuracies::of(catalog)?,
        split,
        common: RefCell::default(),
    };
    for model in &models {
        match candidate::best(&space, model)? {
            Ok(found) => ranked.push(found),
            Err(rejection) => rejected.extend(rejection),
        }
    }
    rank::sort(&mut ranked);
    rank::merge(&mut ranked);
    rank::sort_rejected(&mut rejected);
    let nearest = if ranked.is_empty() {
        nearest::nearest(&space, &models)?
    } else {
        Vec::new()
    };
    Ok(Recommendation {
        hardware: hardware.clone(),
        engine: engine.clone(),
        notes: notes(hardware).into_iter().chain(note).collect(),
        demands,
        ranked,
        rejected,
        nearest,
    })
}

fn notes(hardware: &Hardware) -> Vec<String> {
    let Some(device) = hardware.devices.first() else {
        return Vec::new();
    };
    match (&device.gpu, device.usable) {
        (None, Some(usable)) if device.kind != GpuKind::Cpu => vec![format!(
            "{} counts as GiB less what a driver takes: {} a program can use; name the card (--gpu) for its own figure",
            device.name, usable.bytes
        )],
        _ => Vec::new(),
    }
}

fn demands(catalog: &Catalog, engine: &Engine, asked: &Asked) -> Result<Demands> {
    let defaults = &catalog.defaults()?.request;
    let scenario = match &asked.scenario {
        Some(name) => Some(find(catalog.scenarios()?, name)?.clone()),
        None => None,
    };
    let of_scenario = scenario.as_ref();
    let usual = of_scenario.map_or(defaults.context_tokens, |scenario| scenario.context_tokens);
    let traffic = asked.traffic.resolve(of_scenario, defaults, asked.context);
    let context = asked
        .context
        .map_or(Tokens(usual).max(traffic.length()), Tokens);
    traffic.check(context)?;
    let demands = Demands {
        context,
        sequences: asked
            .sequences
            .or(traffic.concurrency)
            .or(of_scenario.map(|scenario| scenario.sequences))
            .unwrap_or(defaults.sequences),
        min_accuracy: asked
            .min_accuracy
            .or(of_scenario.and_then(|scenario| scenario.min_accuracy)),
        max_latency_ms: asked
            .max_latency_ms
            .or(of_scenario.and_then(|scenario| scenario.max_latency_ms)),
        traffic,
        speed: asked.speed,
        kv: check_cache(Some(engine), asked.kv.as_deref())?,
        scenario,
    };
    check_load(demands.context, demands.sequences)?;
    Ok(demands)
}

/// The formats to try: the one asked for, else those that the engine runs on this device
/// and that lose little, the least first.
fn formats(
    catalog: &Catalog,
    engine: &Engine,
    hardware: &Hardware,
    asked: Option<&str>,
) -> Result<Vec<Format>> {
    let all = catalog.formats()?;
    if let Some(name) = asked {
        return Ok(vec![
            resolve_format_alone(catalog, name, (engine, hardware))?.clone(),
        ]);
    }
    let most_loss = catalog.defaults()?.request.most_loss;
    let mut formats: Vec<Format> = all
        .iter()
        .filter(|format| format.engines.contains(&engine.id))
        .filter(|format| {
            format.only_native || format.known_loss().is_some_and(|loss| loss <= most_loss)
        })
        .filter(|format| hardware.format_refusal(engine, format).is_none())
        .cloned()
        .collect();
    let loss = |format: &Format| format.known_loss().unwrap_or_default();
    formats.sort_by(|one, two| loss(one).total_cmp(&loss(two)));
    Ok(formats)
}

fn models(catalog: &Catalog, asked: &Asked) -> Result<Vec<Model>> {
    let matches = |model: &Model| {
        let family = asked
            .family
            .as_ref()
            .is_none_or(|family| model.family.eq_ignore_ascii_case(family));
        let licence = asked.licence.as_ref().is_none_or(|wanted| {
            let licence = model.licence.as_deref().unwrap_or_default();
            licence.to_lowercase().contains(&wanted.to_lowercase())
        });
        family && licence && (!asked.only_released || model.origin == Origin::Release)
    };
    let models: Vec<Model> = catalog.models()?.into_iter().filter(matches).collect();
    if models.is_empty() {
        return Err(Error::Unanswerable(
            "no model of the catalog is of that family, licence and origin".to_owned(),
        ));
    }
    Ok(models)
}
