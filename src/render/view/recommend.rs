//! `dsk recommend` for people.

use super::speed::number;
use super::{gib, started};
use crate::calc::availability::Availability;
use crate::deploy::Start;
use crate::recommend::{Candidate, Change, Nearest, Recommendation};
use crate::render::report::{Align, Report, Table};

/// Rejected models that the table names before it only counts them.
const REJECTIONS_SHOWN: usize = 3;

/// The report of a recommendation; `starts` stand beside its rows.
#[must_use]
pub fn recommend(answer: &Recommendation, starts: &[Start], limit: usize) -> Report {
    let mut report = Report::default();
    report.heading(title(answer));
    if answer.ranked.is_empty() {
        let rejected = &answer.rejected;
        let fits = rejected
            .iter()
            .any(|rejection| !rejection.too_slow.is_empty())
            || rejected
                .iter()
                .all(|rejection| rejection.short_by.is_none());
        report.text(if fits {
            "Nothing meets what is asked for."
        } else {
            "Nothing fits."
        });
        report.list(answer.nearest.iter().map(nearest).collect());
        report.list(rejections(answer));
        return report;
    }
    report.table(table(answer, limit));
    report.text(legend(answer, limit));
    if let (Some(best), Some(start)) = (answer.ranked.first(), starts.first()) {
        report.heading(format!("Why {} first", best.model.id));
        report.list(best.why.clone());
        report.heading("Run it");
        started(&mut report, start);
    }
    let rejected = rejections(answer);
    if !rejected.is_empty() {
        report.heading("Not recommended");
        report.list(rejected);
    }
    report
}

fn title(answer: &Recommendation) -> String {
    let hardware = answer.hardware.summary();
    let demands = &answer.demands;
    format!(
        "{hardware}, {}, {} x {} tokens",
        answer.engine.name, demands.sequences, demands.context
    )
}

fn table(answer: &Recommendation, limit: usize) -> Table {
    let mut table = Table::new(&[
        ("#", Align::Right),
        ("model", Align::Left),
        ("format", Align::Left),
        ("weights", Align::Right),
        ("cache", Align::Right),
        ("total", Align::Right),
        ("tok/s", Align::Right),
        ("accuracy", Align::Right),
    ]);
    for (candidate, rank) in answer.ranked.iter().zip(1..).take(limit) {
        table.rows.push(row(candidate, rank));
    }
    table
}

fn row(candidate: &Candidate, rank: u64) -> Vec<String> {
    let parts = candidate.estimate.memory.fullest();
    vec![
        rank.to_string(),
        name(candidate),
        candidate.format.name.clone(),
        gib(parts.weights),
        gib(parts.kv_cache),
        gib(parts.total()),
        candidate
            .speed
            .throughput
            .map_or_else(|| "?".to_owned(), |rate| number(rate.value)),
        candidate
            .accuracy
            .expected
            .map_or_else(|| "?".to_owned(), |expected| format!("{expected:.1}")),
    ]
}

fn nearest(nearest: &Nearest) -> String {
    let what = format!("{} in {}", nearest.model, nearest.format);
    match &nearest.change {
        Change::MoreMemory(bytes) => format!("{what} would fit with {bytes} more per device"),
        Change::ShorterContext(tokens) => {
            format!("{what} would fit with a context of {tokens} tokens")
        }
        Change::BiggerDevice(id, name) => format!("{what} would fit on a {name} (--gpu {id})"),
        Change::SmallerFormat => {
            format!(
                "{what} would fit; what that format costs in accuracy, nobody published (--quant {})",
                nearest.format
            )
        }
    }
}

fn rejections(answer: &Recommendation) -> Vec<String> {
    let mut lines: Vec<String> = answer
        .rejected
        .iter()
        .take(REJECTIONS_SHOWN)
        .map(|rejection| format!("{}: {}", rejection.model, rejection.reason))
        .collect();
    let more = answer.rejected.len().saturating_sub(REJECTIONS_SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more (--json lists them all)"));
    }
    lines
}

/// An id without the vendor's name, which every row would repeat; names are found without it too.
fn name(candidate: &Candidate) -> String {
    let id = &candidate.model.id;
    let short = id.strip_prefix("deepseek-").unwrap_or(id);
    match candidate.availability {
        Availability::Ready => short.to_owned(),
        Availability::Made => format!("{short} +"),
        Availability::Paper => format!("{short} *"),
    }
}

/// What the columns and marks mean.
fn legend(answer: &Recommendation, limit: usize) -> String {
    let shown = |wanted: Availability| {
        let mut rows = answer.ranked.iter().take(limit);
        rows.any(|candidate| candidate.availability == wanted)
    };
    let mut mark = String::new();
    if shown(Availability::Made) {
        mark.push_str("; + nobody is known to publish it in that format: the command makes it");
    }
    if shown(Availability::Paper) {
        mark.push_str("; * exists only in the article: the command runs the nearest weights");
    }
    let hidden = answer.ranked.len().saturating_sub(limit);
    let more = if hidden > 0 {
        format!("; {hidden} more with --limit")
    } else {
        String::new()
    };
    let speed = speed_legend(answer, limit);
    format!("{speed}accuracy is per cent on the article's scale{mark}{more}")
}

/// What the tokens per second count, or why none is known.
fn speed_legend(answer: &Recommendation, limit: usize) -> String {
    let traffic = &answer.demands.traffic;
    let speeds = || {
        let shown = answer.ranked.iter().take(limit);
        shown.map(|candidate| &candidate.speed)
    };
    let unknown = speeds().find(|speed| speed.throughput.is_none());
    if speeds().any(|speed| speed.throughput.is_some()) {
        let clients = traffic.concurrency.map_or_else(String::new, |clients| {
            format!(", all of {clients} clients in a closed loop")
        });
        let gap = if unknown.is_some() {
            ", ? where nobody measured it"
        } else {
            ""
        };
        let all = match (traffic.concurrency, answer.demands.sequences) {
            (None, 1) | (Some(_), _) => "",
            (None, _) => "all sequences, ",
        };
        return format!(
            "tok/s: {all}{} tokens in and {} out{clients}{gap}; ",
            traffic.input, traffic.output
        );
    }
    let reason = unknown.and_then(|speed| speed.notes.last());
    reason.map_or_else(String::new, |reason| {
        format!("tok/s: not known, {reason}; ")
    })
}
