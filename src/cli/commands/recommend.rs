//! `dsk recommend`.

use std::io::IsTerminal;

use anyhow::Result;

use super::super::args;
use super::super::ask::{self, Answers};
use super::super::{Exit, machine, output};
use super::Session;
use super::memory::hardware;
use crate::calc::load::Options;
use crate::catalog::Catalog;
use crate::deploy::{Launch, Start, start};
use crate::recommend::{Asked, Recommendation};
use crate::render::{Reply, document, view};

/// What to run on given hardware; asks on a terminal when nothing was said.
pub(in super::super) fn recommend(session: &Session<'_>, args: &args::Recommend) -> Result<Exit> {
    let mut asked = asked(args);
    let mut repeat = None;
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if asked.hardware.is_empty() && !asks {
        asked.hardware.gpu = Some(machine::THIS.to_owned());
    }
    if asked.hardware.is_empty() {
        let Some(answers) = ask::ask(session.catalog)? else {
            return Ok(Exit::Usage);
        };
        repeat = Some(answers.command());
        apply(&mut asked, answers);
    }
    let Some(hardware) = machine::hardware(session.catalog, &asked.hardware)? else {
        return Ok(Exit::Usage);
    };
    let mut answer = crate::recommend::recommend(session.catalog, &hardware, &asked)?;
    answer.notes.extend(machine::found(&hardware));
    let starts = starts(session.catalog, &answer)?;
    let limit = crate::units::index(args.limit);
    let reply = Reply {
        document: document::recommend(&answer, &starts)?,
        report: view::recommend(&answer, &starts, limit),
    };
    session.answer(&reply, &answer.notes)?;
    if let Some(repeat) = repeat {
        output::complain("again", &repeat);
    }
    Ok(if answer.ranked.is_empty() {
        Exit::NothingFits
    } else {
        Exit::Answered
    })
}

fn asked(args: &args::Recommend) -> Asked {
    Asked {
        hardware: hardware(&args.hardware),
        scenario: args.scenario.clone(),
        context: args.sequence.context,
        sequences: args.sequence.sequences,
        min_accuracy: args.demands.min_accuracy,
        max_latency_ms: args.demands.max_latency,
        traffic: args.traffic.asked(),
        speed: args.demands.speed(),
        engine: args.engine.clone(),
        format: args.precision.name(),
        kv: args.sequence.kv.clone(),
        family: args.family.clone(),
        licence: args.license.clone(),
        only_released: args.only_released,
    }
}

/// What was answered fills what the command line left open.
fn apply(asked: &mut Asked, answers: Answers) {
    asked.hardware = answers.hardware;
    asked.scenario = asked.scenario.take().or(answers.scenario);
    asked.context = asked.context.or(answers.context);
    asked.max_latency_ms = asked.max_latency_ms.or(answers.max_latency_ms);
    asked.speed.output_token = asked.speed.output_token.or(answers.max_tpot);
    asked.speed.first_token = asked.speed.first_token.or(answers.max_ttft);
    asked.min_accuracy = asked.min_accuracy.or(answers.min_accuracy);
}

/// How each row is started; a row stays a row when nobody is known to make its weights.
fn starts(catalog: &Catalog, answer: &Recommendation) -> Result<Vec<Start>> {
    let starts = answer.ranked.iter().map(|candidate| {
        let launch = Launch {
            model: &candidate.model,
            path: None,
            format: &candidate.format,
            kv: answer.demands.kv,
            context: answer.demands.context,
            sequences: answer.demands.sequences,
            engine: &answer.engine,
            version: None,
            hardware: Some(&answer.hardware),
            split: candidate.split,
            options: Options::default(),
            service: None,
        };
        Ok(start(catalog, &launch)?)
    });
    starts.collect()
}
