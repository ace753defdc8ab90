//! `dsk plan`.

use anyhow::Result;

use super::super::Exit;
use super::super::args;
use super::{Session, train};
use super::memory::request;
use crate::calc::hardware::Hardware;
use crate::deploy::{Launch, command};
use crate::plan::{Plan, Wish};
use crate::render::{Reply, document, view};
use crate::request::{Request, SplitAsked, Traffic};
use crate::units::{Tokens, index};

/// How to lay a model over devices.
pub(in super::super) fn plan(session: &Session<'_>, args: &args::Plan) -> Result<Exit> {
    if args.train.train {
        return train::train(session, &args.load, &args.train);
    }
    serve(session, args)
}

/// For serving, on hardware that is named.
fn serve(session: &Session<'_>, args: &args::Plan) -> Result<Exit> {
    let traffic = traffic(session, args)?;
    let mut request = request(
        session.catalog,
        &args.load,
        Some(context(session, &traffic)?),
    )?;
    traffic.check(request.context)?;
    let wish = wish(args, traffic);
    request.explain = false;
    let answer = crate::plan::plan(session.catalog, &request, &wish)?;
    let commands: Vec<String> = answer.plans.iter().map(launched).collect();
    let reply = Reply {
        document: document::plan(&answer, (&request, &wish), &commands)?,
        report: view::plan(&answer, (&request, &wish, index(args.limit)), &commands),
    };
    session.answer(&reply, &answer.notes)?;
    Ok(if answer.plans.is_empty() {
        Exit::NothingFits
    } else {
        Exit::Answered
    })
}

/// A context that holds the traffic, where none is asked for.
fn context(session: &Session<'_>, traffic: &Traffic) -> Result<Tokens> {
    let usual = session.catalog.defaults()?.request.context_tokens;
    Ok(traffic.length().max(Tokens(usual)))
}

fn traffic(session: &Session<'_>, args: &args::Plan) -> Result<Traffic> {
    let defaults = &session.catalog.defaults()?.request;
    Ok(args
        .traffic
        .asked()
        .resolve(None, defaults, args.load.sequence.context))
}

fn wish(args: &args::Plan, traffic: Traffic) -> Wish {
    let split = &args.load.split;
    Wish {
        goal: args.goal.into(),
        traffic,
        split: SplitAsked {
            tensor: split.tp,
            pipeline: split.pp,
            data: split.dp,
            expert: split.ep,
        },
        network: args.network_gbps.map(|rate| rate * 1e9 / 8.0),
        any_format: args.load.precision.name().is_none(),
    }
}

/// The command that starts a plan.
fn launched(plan: &Plan) -> String {
    let request: &Request = &plan.request;
    let Some(engine) = &request.engine else {
        return String::new();
    };
    command(&Launch {
        model: &request.model,
        format: &request.format,
        kv: request.kv,
        context: request.context,
        sequences: plan.sequences(),
        engine,
        split: request.split,
        processor: request.hardware.as_ref().is_some_and(Hardware::is_cpu),
        options: request.options,
    })
}
