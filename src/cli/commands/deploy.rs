//! `dsk deploy`.

use anyhow::{Context, Result, bail};

use super::super::{Exit, args, output};
use super::Session;
use super::memory::{asked, own_path, resolve};
use crate::calc::estimate::{Estimate, estimate};
use crate::catalog::Catalog;
use crate::deploy::cluster::{Place, Rollout};
use crate::deploy::{Deployment, File, Question, Target, deploy as write, one_line};
use crate::plan::{Goal, Rejected, Wish, choose};
use crate::render::{self, Output, Reply, document, report::Report};
use crate::request::Request;

/// What runs a model, as a file of the target.
pub(in super::super) fn deploy(session: &Session<'_>, args: &args::Deploy) -> Result<Exit> {
    let target = Target::from(args.to);
    let (request, found) = match plan(session.catalog, args, target)? {
        Ok(found) => found,
        Err(reason) => {
            output::complain("error", &reason);
            return Ok(Exit::NothingFits);
        }
    };
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
        path: own_path(&request, &args.load),
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

/// The plan for the target's engine: the split, the format and the sequences that `dsk plan` puts first.
///
/// Without hardware it is the question as it is; where nothing fits, why.
fn plan(
    catalog: &Catalog,
    args: &args::Deploy,
    target: Target,
) -> Result<std::result::Result<(Request, Estimate), String>> {
    let mut question = asked(&args.load, None);
    question.engine = engine(question.engine, target)?;
    let request = resolve(catalog, &args.load, &question)?;
    if request.hardware.is_none() {
        let found = estimate(&request.load())?;
        return Ok(Ok((request, found)));
    }
    let wish = Wish {
        split: question.split,
        any_format: question.format.is_none(),
        ..Wish::of(catalog, &request, Goal::Latency)?
    };
    let plan = match choose(catalog, &request, &wish)? {
        Ok(plan) => plan,
        Err(rejected) => return Ok(Err(shortage(&request, &rejected))),
    };
    let sequences = question.sequences.unwrap_or_else(|| plan.sequences());
    let mut chosen = Request {
        sequences,
        ..plan.request
    };
    if chosen.format.id != request.format.id {
        chosen.notes.push(format!(
            "{} in {} does not fit: {} is the best format that does",
            chosen.model.id,
            request.format.plain_name(),
            chosen.format.name
        ));
    }
    let found = estimate(&chosen.load())?;
    Ok(Ok((chosen, found)))
}

/// The engine of clusters, unless another one is asked for.
const ON_CLUSTERS: &str = "vllm";

/// The engine that the target is for, which another one may not contradict.
fn engine(asked: Option<String>, target: Target) -> Result<Option<String>> {
    let Some(own) = target.engine() else {
        // What suits a small device is an engine that no cluster's file is written for.
        return Ok(Some(asked.unwrap_or_else(|| ON_CLUSTERS.to_owned())));
    };
    match asked {
        Some(asked) if !asked.eq_ignore_ascii_case(own) => {
            bail!("`--to {own}` is run by {own}, not by `{asked}`")
        }
        Some(_) | None => Ok(Some(own.to_owned())),
    }
}

fn shortage(request: &Request, nearest: &Rejected) -> String {
    let engine = request
        .engine
        .as_ref()
        .map_or("", |engine| engine.name.as_str());
    let missing = match nearest.short_by {
        Some(bytes) => format!("does not fit: {} bytes short ({bytes})", bytes.0),
        None => format!("cannot be laid out: {}", nearest.reason),
    };
    format!(
        "{} in {} on {engine} with {} x {} tokens {missing}; `dsk plan` tells of every split, `dsk quantize` of smaller formats",
        request.model.id, nearest.format, request.sequences, request.context,
    )
}
