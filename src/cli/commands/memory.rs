//! `dsk memory` and `dsk check`.

use std::path::Path;

use anyhow::Result;

use super::super::args;
use super::super::args::OnOff;
use super::super::model::model;
use super::super::{Exit, machine};
use super::Session;
use crate::calc::estimate::{capacity, estimate};
use crate::calc::hardware::MemoryOf;
use crate::calc::load::Options;
use crate::calc::plain::expanded_note;
use crate::calc::rule::rule;
use crate::calc::tensors::parameters;
use crate::catalog::{Catalog, Model, Origin};
use crate::check::{Check, CheckDemands};
use crate::deploy::{Launch, Verification, verify};
use crate::error::Error;
use crate::render::document::Answer;
use crate::render::{Reply, document, view};
use crate::request::{Asked, HardwareAsked, Request};
use crate::units::Tokens;

/// What a model takes.
pub(in super::super) fn memory(session: &Session<'_>, args: &args::Memory) -> Result<Exit> {
    let mut request = request(session.catalog, &args.load, None)?;
    request.explain = args.explain;
    let load = request.load();
    let found = estimate(&load)?;
    let rule = args.rule.then(|| {
        let cache = found.memory.sum().kv_cache;
        rule(millions(&request.model), request.format.bits, cache)
    });
    let mut notes = request.notes.clone();
    notes.extend(expanded_note(&load));
    notes.extend(found.memory.notes.iter().cloned());
    let verification = args
        .explain
        .then(|| verification(&request, &args.load))
        .flatten();
    let release = session.catalog.started(&request.model)?;
    if let (Some(release), Some(Ok(_))) = (release, &verification) {
        notes.push(format!(
            "the command starts {}, which has a size of its own: dsk memory {}",
            release.name, release.id
        ));
    }
    if let Some(Err(error)) = &verification {
        notes.push(format!("no command to check it: {error}"));
    }
    let answer = Answer {
        request: &request,
        estimate: &found,
        capacity: capacity(&load)?,
        rule: rule.as_ref(),
        explain: args.explain,
        verification: verification.and_then(crate::error::Result::ok),
        notes: &notes,
    };
    let reply = Reply {
        document: document::memory(&answer)?,
        report: view::memory(&answer),
    };
    session.answer(&reply, &notes)?;
    Ok(if found.fits == Some(false) {
        Exit::NothingFits
    } else {
        Exit::Answered
    })
}

/// How to check the answer on the engine; none without one.
fn verification(
    request: &Request,
    args: &args::Load,
) -> Option<crate::error::Result<Verification>> {
    let launch = Launch::of(request)?;
    Some(verify(&Launch {
        path: own_path(request, args),
        ..launch
    }))
}

/// The user's own file or folder, where the model of `request` is one.
pub(super) fn own_path<'a>(request: &Request, args: &'a args::Load) -> Option<&'a str> {
    loadable(&request.model, &args.model)
}

/// What an engine loads of the user's own `model` that was named by `path`: a GGUF file, else the folder of the
/// configuration; none where the model is one of the catalog.
pub(super) fn loadable<'a>(model: &Model, path: &'a str) -> Option<&'a str> {
    let file = match model.origin {
        Origin::File => Path::new(path),
        Origin::Variant | Origin::Release => return None,
    };
    if file.is_dir() || model.file.as_ref().is_some_and(|file| file.is_gguf) {
        return Some(path);
    }
    match file.parent()?.to_str()? {
        "" => Some("."),
        folder => Some(folder),
    }
}

/// Whether a model fits and meets demands.
pub(in super::super) fn check(session: &Session<'_>, args: &args::Check) -> Result<Exit> {
    let defaults = &session.catalog.defaults()?.request;
    let asked = args.load.sequence.context;
    let traffic = args.traffic.asked().resolve(None, defaults, asked);
    let usual = Tokens(defaults.context_tokens).max(traffic.length());
    let context = asked.map_or(usual, Tokens);
    traffic.check(context)?;
    let demands = CheckDemands {
        min_accuracy: args.demands.min_accuracy,
        max_latency_ms: args.demands.max_latency,
        speed: args.demands.speed(),
    };
    let check = match request(session.catalog, &args.load, Some(context)) {
        Ok(request) => crate::check::check(session.catalog, (&request, &traffic), demands)?,
        Err(error) => not_run(session.catalog, &args.load, error)?,
    };
    let reply = Reply {
        document: document::check(&check)?,
        report: view::check(&check),
    };
    session.answer(&reply, &check.notes)?;
    Ok(if check.failures.is_empty() {
        Exit::Answered
    } else {
        Exit::NothingFits
    })
}

/// The check of what does not run on the hardware at all; any other error as it is.
fn not_run(catalog: &Catalog, args: &args::Load, error: anyhow::Error) -> Result<Check> {
    let Some(Error::CannotRun {
        format,
        engine,
        reason,
    }) = error.downcast_ref::<Error>()
    else {
        return Err(error);
    };
    let (model, _) = model(catalog, &args.model)?;
    // Where the engine itself does not run, no format was chosen.
    let format = match (format.as_str(), args.precision.name()) {
        ("", Some(asked)) => asked,
        ("", None) => model.native.clone(),
        (chosen, _) => chosen.to_owned(),
    };
    Ok(Check::not_run(&model.id, (&format, engine), reason))
}

/// The size that the article's rule counts: the one in a variant's name, else the real one.
fn millions(model: &Model) -> f64 {
    let named = model.id.trim_end_matches('b').parse::<f64>().ok();
    match (model.origin, named) {
        (Origin::Variant, Some(billions)) => billions * 1000.0,
        _ => parameters(&model.shape).main.billions() * 1000.0,
    }
}

/// The question about one model, with `context` where the command line names none.
pub(super) fn request(
    catalog: &Catalog,
    args: &args::Load,
    context: Option<Tokens>,
) -> Result<Request> {
    resolve(catalog, args, &asked(args, context))
}

/// The question as asked, before any name is resolved.
pub(super) fn asked(args: &args::Load, context: Option<Tokens>) -> Asked {
    Asked {
        format: args.precision.name(),
        kv: args.sequence.kv.clone(),
        context: args.sequence.context.or(context.map(|tokens| tokens.0)),
        sequences: args.sequence.sequences,
        engine: args.engine.engine.clone(),
        split: args.split.asked(),
        options: Options {
            utilization: args.engine.utilization,
            batched_tokens: args.engine.batched_tokens,
            micro_batch: args.engine.ubatch,
            flash_attention: args
                .engine
                .flash_attention
                .map(|switch| switch == OnOff::On),
            gpu_layers: args.engine.gpu_layers,
            host_experts: args.engine.n_cpu_moe.unwrap_or(0),
            layer_split: args.engine.tensor_split,
            unified_cache: args.engine.kv_unified,
            legacy_file: args.engine.legacy_gguf,
            all_logits: args.engine.all_logits,
        },
        what_if: (&args.what_if).into(),
        explain: false,
    }
}

/// The question resolved for the model and hardware of `args`.
pub(super) fn resolve(catalog: &Catalog, args: &args::Load, asked: &Asked) -> Result<Request> {
    resolve_for(catalog, (args, asked), model(catalog, &args.model)?)
}

/// The question resolved for a model with what is to be said of its files, on the hardware of `args`.
pub(super) fn resolve_for(
    catalog: &Catalog,
    (args, asked): (&args::Load, &Asked),
    (model, file_notes): (Model, Vec<String>),
) -> Result<Request> {
    let hardware = machine::hardware(catalog, &hardware(&args.hardware))?;
    let found = hardware.as_ref().and_then(machine::found);
    let mut request = Request::resolve(catalog, model, hardware, asked)?;
    request.notes.extend(found);
    request.notes.extend(file_notes);
    Ok(request)
}

/// The hardware as asked; `--gpus` is a count, or names devices itself.
pub(super) fn hardware(args: &args::Hardware) -> HardwareAsked {
    let count = args
        .gpus
        .as_ref()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let listed = if count.is_none() {
        args.gpus.clone()
    } else {
        None
    };
    let gpu = match (&args.gpu, &listed) {
        (Some(first), Some(others)) => Some(format!("{first},{others}")),
        (first, others) => first.clone().or_else(|| others.clone()),
    };
    HardwareAsked {
        vram_gb: args.vram,
        gpu,
        listed,
        count,
        ram_gb: args.ram,
        ram_bandwidth_gb: args.ram_bandwidth,
        network_gbps: args.network_gbps,
        of: match args.of {
            None | Some(args::Of::Free) => MemoryOf::Free,
            Some(args::Of::Total) => MemoryOf::Total,
        },
    }
}
