//! `dsk bench`.

use anyhow::Result;

use super::super::{Exit, args};
use super::Session;
use super::memory::request;
use crate::bench::plan::{FormatsAsked, PlanAsked};
use crate::catalog::Origin;
use crate::render::document::BenchAnswer;
use crate::render::{Reply, document, view};
use crate::request::Request;

/// Tokens of each prompt and answer where nothing else is asked.
const INPUT: u64 = 512;
const OUTPUT: u64 = 128;

/// How to measure a model, or its measured speed.
pub(in super::super) fn bench(session: &Session<'_>, args: &args::Bench) -> Result<Exit> {
    let request = request(session.catalog, &args.load, None)?;
    let input = args.work.input.unwrap_or(INPUT);
    let output = args.work.output_tokens.unwrap_or(OUTPUT);
    match &args.server.url {
        Some(url) => run(session, args, (&request, url), (input, output)),
        None => plan(session, args, (&request, output)),
    }
}

/// The commands that measure it.
fn plan(
    session: &Session<'_>,
    args: &args::Bench,
    (request, output): (&Request, u64),
) -> Result<Exit> {
    let asked = PlanAsked {
        concurrencies: args.work.concurrency.clone(),
        input: args.work.input,
        output,
        formats: match (args.work.all_formats, args.load.precision.name()) {
            (true, _) => FormatsAsked::Every,
            (false, Some(_)) => FormatsAsked::Named,
            (false, None) => FormatsAsked::Usual,
        },
        path: (request.model.origin == Origin::File).then(|| args.load.model.clone()),
    };
    let release = request.started(session.catalog)?;
    let run = release.as_ref().unwrap_or(request);
    let plan = crate::bench::plan::plan(session.catalog, run, &asked)?;
    let mut notes = request.notes.clone();
    notes.extend(release.as_ref().map(|release| {
        format!(
            "no weights of exactly {} exist: these commands run {}",
            request.model.id, release.model.id
        )
    }));
    let answer = BenchAnswer {
        request,
        plan: Some(&plan),
        run: None,
        notes: &notes,
    };
    let reply = Reply {
        document: document::bench(&answer)?,
        report: view::bench(&answer),
    };
    session.answer(&reply, &notes)?;
    Ok(Exit::Answered)
}

#[cfg(not(feature = "bench"))]
fn run(
    _session: &Session<'_>,
    _args: &args::Bench,
    _question: (&Request, &str),
    _tokens: (u64, u64),
) -> Result<Exit> {
    anyhow::bail!("this dsk was built without its HTTP client (feature `bench`)")
}

#[cfg(feature = "bench")]
use live::run;

#[cfg(feature = "bench")]
mod live {
    use anyhow::{Context, Result, bail};

    use super::super::super::args::{self, EndpointName};
    use super::super::super::bench::save::Book;
    use super::super::super::bench::{Measured, Plan, Target};
    use super::super::super::{Exit, bench};
    use super::super::Session;
    use crate::bench::comparison::predict;
    use crate::bench::level::Targets;
    use crate::bench::run::{Compared, Run};
    use crate::bench::wire::Endpoint;
    use crate::calc::speed::calibrations;
    use crate::render::document::BenchAnswer;
    use crate::render::{Reply, document, view};
    use crate::request::Request;
    use crate::units::float;

    /// Measures a server, and holds the prediction against it.
    pub(super) fn run(
        session: &Session<'_>,
        args: &args::Bench,
        (request, url): (&Request, &str),
        (input, output): (u64, u64),
    ) -> Result<Exit> {
        let plan = plan(args, url, (input, output))?;
        let book = args.server.save.as_ref();
        let book = book.map(|folder| Book::open(request, folder)).transpose()?;
        let measured = bench::run(&plan)?;
        let mut notes = request.notes.clone();
        notes.extend(measured.notes.iter().cloned());
        let run = held_against((request, &plan), measured);
        let saved = book.map(|book| book.add(request, &run));
        if let Some(Ok(saved)) = &saved {
            notes.extend(saved.iter().cloned());
        }
        let answer = BenchAnswer {
            request,
            plan: None,
            run: Some(&run),
            notes: &notes,
        };
        let reply = Reply {
            document: document::bench(&answer)?,
            report: view::bench(&answer),
        };
        session.answer(&reply, &notes)?;
        // What was measured is printed first, whether or not it could be kept or was all that was asked for.
        saved.transpose()?;
        if run.interrupted {
            return Ok(Exit::Interrupted);
        }
        if !run.given_up.is_empty() {
            bail!("the server answered no more: {}", run.given_up.join("; "));
        }
        if run.is_empty() {
            bail!("no request was answered");
        }
        Ok(Exit::Answered)
    }

    fn plan(args: &args::Bench, url: &str, (input, output): (u64, u64)) -> Result<Plan> {
        let key = args.server.api_key_env.as_ref().map(|name| {
            std::env::var(name)
                .with_context(|| format!("--api-key-env: `{name}` holds no key in the environment"))
        });
        let seconds = |milliseconds: Option<u64>| milliseconds.map(|time| float(time) / 1000.0);
        let concurrencies = if args.work.concurrency.is_empty() {
            vec![1]
        } else {
            args.work.concurrency.clone()
        };
        Ok(Plan {
            target: Target::parse(url, key.transpose()?)?,
            concurrencies,
            input_tokens: input,
            output_tokens: output,
            requests: args.work.requests,
            duration: args.work.duration,
            warmup: args.work.warmup,
            timeout: args.server.timeout,
            endpoint: args.server.endpoint.map(|name| match name {
                EndpointName::Completions => Endpoint::Completions,
                EndpointName::Chat => Endpoint::Chat,
            }),
            served_name: args.server.served_name.clone(),
            seed: args.work.seed,
            targets: Targets {
                first_token: seconds(args.targets.max_ttft),
                output_token: seconds(args.targets.max_tpot),
                end_to_end: seconds(args.targets.max_e2e),
            },
        })
    }

    fn held_against((request, plan): (&Request, &Plan), measured: Measured) -> Run {
        let load = request.load();
        let calibrations = calibrations(&load);
        let tokens = (plan.input_tokens, plan.output_tokens);
        let levels = measured
            .levels
            .into_iter()
            .map(|level| Compared {
                prediction: predict(&load, &level, (tokens, calibrations)),
                level,
            })
            .collect();
        Run {
            url: plan.target.base.clone(),
            ask: measured.probed.ask,
            input_tokens: plan.input_tokens,
            scale: measured.probed.scale,
            length: measured.probed.length,
            seed: measured.seed,
            targets: plan.targets,
            levels,
            interrupted: measured.interrupted,
            given_up: measured.given_up,
        }
    }
}
