//! `dsk plan` for people.

use super::{gib, started};
use crate::calc::hardware::Hardware;
use crate::calc::load::Split;
use crate::calc::speed::Range;
use crate::deploy::Start;
use crate::plan::{Answer, Place, Placement, Plan, Rejected, Wish};
use crate::render::report::{Align, Report, Table};
use crate::request::Request;
use crate::request::traffic::Seconds;

/// Rejected splits that the table names before it only counts them.
const REJECTIONS_SHOWN: usize = 4;

/// The report of a plan; `starts` stand beside its rows.
#[must_use]
pub fn plan(
    answer: &Answer,
    (request, wish, limit): (&Request, &Wish, usize),
    starts: &[Start],
) -> Report {
    let mut report = Report::default();
    report.heading(title(answer, request));
    report.text(asked(request, wish));
    if answer.plans.is_empty() {
        report.text("Nothing fits.");
        report.list(rejections(answer));
        return report;
    }
    report.table(table(answer, limit));
    report.text(legend(answer, wish, limit));
    if let (Some(best), Some(start)) = (answer.plans.first(), starts.first()) {
        report.heading(format!("Why {} first", split(best.request.split)));
        let mut why = best.why.clone();
        why.extend(cost(best));
        report.list(why);
        if !best.placement.is_empty() {
            report.heading("What lies where");
            report.table(placement(&best.placement));
        }
        report.heading("Run it");
        started(&mut report, start);
    }
    let rejected = rejections(answer);
    if !rejected.is_empty() {
        report.heading("Not taken");
        report.list(rejected);
    }
    report
}

fn title(answer: &Answer, request: &Request) -> String {
    let engine = request
        .engine
        .as_ref()
        .map_or_else(String::new, |engine| format!(", {}", engine.name));
    let format = answer
        .plans
        .first()
        .map_or(&request.format.name, |plan| &plan.request.format.name);
    let hardware = request
        .hardware
        .as_ref()
        .map_or_else(String::new, Hardware::summary);
    format!("{} in {format}{engine}, {hardware}", request.model.id)
}

fn asked(request: &Request, wish: &Wish) -> String {
    let clients = match wish.traffic.concurrency {
        Some(clients) => format!(", {clients} clients"),
        None if request.sequences > 1 => format!(", {} sequences", request.sequences),
        None => String::new(),
    };
    format!(
        "for {}: {} tokens in, {} out{clients}, a context of {}",
        wish.goal.word(),
        wish.traffic.input,
        wish.traffic.output,
        request.context
    )
}

fn table(answer: &Answer, limit: usize) -> Table {
    let mut table = Table::new(&[
        ("#", Align::Right),
        ("split", Align::Left),
        ("GiB each", Align::Right),
        ("KV tokens", Align::Right),
        ("TTFT", Align::Right),
        ("TPOT", Align::Right),
        ("at once", Align::Right),
        ("tokens/s", Align::Right),
    ]);
    for (plan, rank) in answer.plans.iter().zip(1..).take(limit) {
        table.rows.push(row(plan, rank));
    }
    table
}

fn row(plan: &Plan, rank: u64) -> Vec<String> {
    let time = |range: Option<Range>| {
        range.map_or_else(|| "-".to_owned(), |range| Seconds(range.value).to_string())
    };
    let held = plan
        .held
        .map_or_else(|| "-".to_owned(), |held| held.kv_tokens.to_string());
    let speed = &plan.alone.speed;
    vec![
        rank.to_string(),
        split(plan.request.split),
        gib(plan.estimate.memory.fullest().total()),
        held,
        time(speed.time_to_first_token),
        time(speed.time_per_output_token),
        plan.full.sequences.to_string(),
        plan.full
            .speed
            .throughput
            .map_or_else(|| "-".to_owned(), |rate| format!("{:.0}", rate.value)),
    ]
}

/// A split in the field's letters, parts of one left out: `TP4 DP2 EP8`.
pub(super) fn split(split: Split) -> String {
    let parts = [
        ("TP", split.tensor),
        ("PP", split.pipeline),
        ("DP", split.data),
        ("EP", split.expert),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter(|(_, part)| *part > 1)
        .map(|(name, part)| format!("{name}{part}"))
        .collect();
    if words.is_empty() {
        "one device".to_owned()
    } else {
        words.join(" ")
    }
}

fn legend(answer: &Answer, wish: &Wish, limit: usize) -> String {
    let mut parts =
        vec!["TP tensor, PP pipeline, DP data, EP expert parallel; TTFT and TPOT: one sequence on each replica; tokens/s: all at once".to_owned()];
    if wish.traffic.concurrency.is_some() {
        parts.push("sequences are clients that ask again when answered".to_owned());
    }
    let silent = answer
        .plans
        .iter()
        .take(limit)
        .find(|plan| plan.alone.speed.throughput.is_none());
    if let Some(reason) = silent.and_then(|plan| plan.alone.speed.notes.last()) {
        parts.push(format!("no speed: {reason}"));
    }
    let hidden = answer.plans.len().saturating_sub(limit);
    if hidden > 0 {
        parts.push(format!("{hidden} more with --limit"));
    }
    parts.join("; ")
}

fn cost(plan: &Plan) -> Option<String> {
    let Some(cost) = &plan.cost else {
        let known = plan.full.speed.throughput.is_some();
        return known.then(|| "cost not known: no sourced price of the device".to_owned());
    };
    Some(format!(
        "${:.2} a million output tokens at full load: ${:.2} an hour ({}, {})",
        cost.usd_per_million_output_tokens, cost.usd_per_hour, cost.price.kind, cost.price.date
    ))
}

fn placement(placed: &[Placement]) -> Table {
    let mut table = Table::new(&[
        ("where", Align::Left),
        ("layers", Align::Left),
        ("experts of", Align::Left),
        ("weights GiB", Align::Right),
        ("total GiB", Align::Right),
        ("what", Align::Left),
    ]);
    let run = |(start, end): (u32, u32)| {
        if start < end {
            format!("{start} to {}", end - 1)
        } else {
            "-".to_owned()
        }
    };
    for part in placed {
        let place = match &part.place {
            Place::Device { number, .. } => format!("GPU {number}"),
            Place::Host => "host".to_owned(),
        };
        table.row([
            place,
            run(part.layers),
            part.experts.map_or_else(|| "-".to_owned(), run),
            gib(part.weights),
            gib(part.total),
            part.what.clone(),
        ]);
    }
    table
}

fn rejections(answer: &Answer) -> Vec<String> {
    let line = |rejected: &Rejected| {
        format!(
            "{} in {}: {}",
            split(rejected.split),
            rejected.format,
            rejected.reason
        )
    };
    // What memory decides tells more than what the engine refuses.
    let mut rejected: Vec<&Rejected> = answer.rejected.iter().collect();
    rejected.sort_by_key(|rejected| (rejected.short_by.is_none(), rejected.short_by));
    let mut lines: Vec<String> = rejected
        .into_iter()
        .take(REJECTIONS_SHOWN)
        .map(line)
        .collect();
    let more = answer.rejected.len().saturating_sub(REJECTIONS_SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more (--json lists them all)"));
    }
    lines
}
