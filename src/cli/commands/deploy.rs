//! `dsk deploy`.

use anyhow::{Context, Result, bail};

use super::super::{Exit, args, output};
use super::Session;
use super::memory::{asked, resolve};
use crate::calc::estimate::{Estimate, estimate};
use crate::catalog::{Catalog, Origin};
use crate::deploy::cluster::{Place, Rollout};
use crate::deploy::{Deployment, File, Question, Target, deploy as write, one_line};
use crate::render::{self, Output, Reply, document, report::Report};
use crate::request::{Asked, Request};

/// What runs a model, as a file of the target.
pub(in super::super) fn deploy(session: &Session<'_>, args: &args::Deploy) -> Result<Exit> {
    let target = Target::from(args.to);
    let (request, found) = plan(session.catalog, args, target)?;
    if found.fits == Some(false) {
        output::complain("error", &shortage(&request, &found));
        return Ok(Exit::NothingFits);
    }
    let words: Vec<String> = std::iter::once("dsk".to_owned())
        .chain(
            std::env::args_os()
                .skip(1)
                .map(|word| word.to_string_lossy().into_owned()),
        )
        .collect();
    let asked = one_line(&words);
    let question = Question {
        request: &request,
        estimate: &found,
        target,
        asked: &asked,
        path: (request.model.origin == Origin::File).then_some(args.load.model.as_str()),
        version: args.engine_version.as_ref(),
        host: &args.host,
        port: args.port,
        name: args.name.as_deref(),
        draft_tokens: args.mtp,
    };
    let place = Place {
        image: args.image.as_deref(),
        namespace: args.namespace.as_deref(),
        bare: args.no_monitoring,
    };
    let deployment = written(session.catalog, &question, place)?;
    print(session, &question, &deployment)?;
    for note in &deployment.notes {
        output::complain("note", note);
    }
    Ok(Exit::Answered)
}

/// The files of the target; a cluster's are documents until they are rendered.
fn written(catalog: &Catalog, question: &Question<'_>, place: Place<'_>) -> Result<Deployment> {
    if !question.target.is_cluster() {
        return Ok(write(question)?);
    }
    let rollout = Rollout::of(catalog, question, place)?;
    let (name, manifest) = rollout.manifest()?;
    Ok(Deployment {
        version: rollout.version.to_string(),
        files: vec![File {
            name: name.to_owned(),
            media_type: "application/yaml",
            text: render::manifest(&manifest)?,
        }],
        verify: rollout.verify(),
        notes: rollout.notes,
    })
}

fn print(session: &Session<'_>, question: &Question<'_>, deployment: &Deployment) -> Result<()> {
    match session.common.output() {
        Output::Table => {
            for file in &deployment.files {
                output::data(&file.text).context("cannot write the answer")?;
            }
            Ok(())
        }
        Output::Json | Output::Yaml | Output::Csv | Output::Markdown => {
            let mut report = Report::default();
            for file in &deployment.files {
                report.heading(&file.name);
                report.command(file.text.trim_end());
            }
            let reply = Reply {
                document: document::deploy(question, deployment)?,
                report,
            };
            session.answer(&reply, &[])
        }
    }
}

/// The plan for the target's engine; the best format that fits where none was named.
fn plan(catalog: &Catalog, args: &args::Deploy, target: Target) -> Result<(Request, Estimate)> {
    let mut question = asked(&args.load, None);
    question.engine = engine(question.engine, target)?;
    let request = resolve(catalog, &args.load, &question)?;
    let found = estimate(&request.load())?;
    if found.fits != Some(false) || question.format.is_some() {
        return Ok((request, found));
    }
    let Some(format) = fitting_format(catalog, &request)? else {
        return Ok((request, found));
    };
    let question = Asked {
        format: Some(format),
        ..question
    };
    let mut request = resolve(catalog, &args.load, &question)?;
    request.notes.push(format!(
        "{} does not fit in {}: {} is the best format that does",
        request.model.id, request.model.native, request.format.name
    ));
    let found = estimate(&request.load())?;
    Ok((request, found))
}

/// The engine that the target is for, which another one may not contradict.
fn engine(asked: Option<String>, target: Target) -> Result<Option<String>> {
    let Some(own) = target.engine() else {
        return Ok(asked);
    };
    match asked {
        Some(asked) if !asked.eq_ignore_ascii_case(own) => {
            bail!("`--to {own}` is run by {own}, not by `{asked}`")
        }
        Some(_) | None => Ok(Some(own.to_owned())),
    }
}

/// The format that `recommend` would choose for the model on this hardware.
fn fitting_format(catalog: &Catalog, request: &Request) -> Result<Option<String>> {
    let (Some(hardware), Some(engine)) = (&request.hardware, &request.engine) else {
        return Ok(None);
    };
    let asked = crate::recommend::Asked {
        context: Some(request.context.0),
        sequences: Some(request.sequences),
        engine: Some(engine.id.clone()),
        kv: Some(request.kv.name().to_owned()),
        ..crate::recommend::Asked::default()
    };
    let answer = crate::recommend::recommend(catalog, hardware, &asked)?;
    let release = |model: &crate::catalog::Model| {
        let weights = model.checkpoint.as_ref();
        weights.map(|weights| (weights.release.clone(), weights.matching))
    };
    let own = answer.ranked.into_iter().find(|candidate| {
        candidate.model.id == request.model.id
            || release(&candidate.model) == release(&request.model)
    });
    Ok(own.map(|candidate| candidate.format.id))
}

fn shortage(request: &Request, found: &Estimate) -> String {
    let engine = request
        .engine
        .as_ref()
        .map_or("", |engine| engine.name.as_str());
    format!(
        "{} in {} on {engine} with {} x {} tokens does not fit: {} bytes short ({}); `dsk memory` shows the parts, `dsk quantize` smaller formats",
        request.model.id,
        request.format.name,
        request.sequences,
        request.context,
        found.short_by.0,
        found.short_by
    )
}
