//! `dsk plan`.

use anyhow::Result;

use super::super::args;
use super::super::{Exit, output};
use super::memory::{own_path, request};
use super::{Session, train};
use crate::deploy::{Launch, command};
use crate::plan::target::{Target, search};
use crate::plan::{Plan, Wish};
use crate::render::{Reply, document, view};
use crate::request::{Request, SpeedDemands, Traffic, check_load};
use crate::units::index;

/// How to lay a model over devices.
pub(in super::super) fn plan(session: &Session<'_>, args: &args::Plan) -> Result<Exit> {
    if args.train.train {
        return train::train(session, &args.load, &args.train);
    }
    let demands = demands(args);
    if demands.is_empty() {
        serve(session, args)
    } else {
        find(session, args, demands)
    }
}

/// For serving, on hardware that is named.
fn serve(session: &Session<'_>, args: &args::Plan) -> Result<Exit> {
    let (request, wish) = question(session, args)?;
    if request.hardware.is_none() {
        output::complain(
            "error",
            "name the hardware (--gpu NAME --gpus N), or what it must reach: --target 'ttft<500ms,tpot<30ms'",
        );
        return Ok(Exit::Usage);
    }
    let answer = crate::plan::plan(session.catalog, &request, &wish)?;
    let commands: Vec<String> = answer
        .plans
        .iter()
        .map(|plan| launched(plan, args))
        .collect();
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

/// For serving, on the cheapest hardware of the catalog that is fast enough.
fn find(session: &Session<'_>, args: &args::Plan, demands: SpeedDemands) -> Result<Exit> {
    let (mut request, wish) = question(session, args)?;
    if request.hardware.is_some() {
        anyhow::bail!("a target finds the hardware itself: leave out --gpu and --vram");
    }
    // Nobody waits for a place: what is offered answers all clients at once.
    request.sequences = request.sequences.max(wish.traffic.concurrency.unwrap_or(1));
    check_load(request.context, request.sequences)?;
    let target = Target {
        demands,
        fixed_engine: args.load.engine.engine.is_some(),
    };
    let answer = search(session.catalog, &request, (&wish, &target))?;
    let commands: Vec<String> = answer
        .offers
        .iter()
        .map(|offer| launched(&offer.plan, args))
        .collect();
    let reply = Reply {
        document: document::plan_target(&answer, (&request, &wish, &target), &commands)?,
        report: view::plan_target(
            &answer,
            (&request, &wish, &target, index(args.limit)),
            &commands,
        ),
    };
    session.answer(&reply, &answer.notes)?;
    Ok(if answer.offers.is_empty() {
        Exit::NothingFits
    } else {
        Exit::Answered
    })
}

fn demands(args: &args::Plan) -> SpeedDemands {
    let target = args.target.unwrap_or_default();
    SpeedDemands {
        first_token: target.first_token.or(args.max_ttft),
        output_token: target.output_token.or(args.max_tpot),
    }
}

/// The model and what is wanted, with a context that holds the traffic where none is asked for.
fn question(session: &Session<'_>, args: &args::Plan) -> Result<(Request, Wish)> {
    let defaults = &session.catalog.defaults()?.request;
    let mut asked = args.traffic.asked();
    let clients = args.target.and_then(|target| target.concurrency);
    asked.concurrency = asked.concurrency.or(clients);
    let traffic = asked.resolve(None, defaults, args.load.sequence.context);
    let context = traffic.context(defaults.context_tokens);
    let request = request(session.catalog, &args.load, Some(context))?;
    traffic.check(request.context)?;
    let wish = wish(args, traffic);
    let is_file = request.model.file.as_ref().is_some_and(|file| file.is_gguf);
    Ok((
        request,
        Wish {
            any_format: wish.any_format && !is_file,
            ..wish
        },
    ))
}

fn wish(args: &args::Plan, traffic: Traffic) -> Wish {
    Wish {
        goal: args.goal.into(),
        traffic,
        split: args.load.split.asked(),
        any_format: args.load.precision.name().is_none(),
    }
}

/// The command that starts a plan of the model that `args` name.
fn launched(plan: &Plan, args: &args::Plan) -> String {
    let path = own_path(&plan.request, &args.load);
    let Some(launch) = Launch::of(&plan.request) else {
        return String::new();
    };
    let line = command(&Launch {
        sequences: plan.sequences(),
        path,
        ..launch
    });
    line.unwrap_or_else(|error| format!("# {error}"))
}
