//! `dsk speed` for people.

use crate::calc::hardware::Hardware;
use crate::calc::speed::{Bound, Range};
use crate::catalog::Basis;
use crate::render::report::{Align, Column, Report, Table};
use crate::request::traffic::Seconds;
use crate::request::{Request, Traffic};
use crate::speed::{Answer, Point};

/// The report of a speed answer.
#[must_use]
pub fn speed(answer: &Answer, request: &Request, traffic: &Traffic) -> Report {
    let mut report = Report::default();
    report.heading(title(request));
    report.text(asked(traffic));
    if is_known(&answer.asked) {
        report.table(table(answer, traffic));
    }
    report.list(facts(answer, traffic));
    report
}

fn title(request: &Request) -> String {
    let engine = request
        .engine
        .as_ref()
        .map_or_else(String::new, |engine| format!(", {}", engine.name));
    let hardware = request.hardware.as_ref().map(Hardware::summary);
    let place = hardware.map_or_else(String::new, |hardware| format!(", {hardware}"));
    format!(
        "{} in {}{engine}{place}",
        request.model.id, request.format.name
    )
}

fn asked(traffic: &Traffic) -> String {
    let cached = if traffic.cached > 0 {
        format!(" after {} in the cache", traffic.cached)
    } else {
        String::new()
    };
    let clients = traffic.concurrency.map_or_else(String::new, |clients| {
        let word = if clients == 1 { "client" } else { "clients" };
        format!("; {clients} {word}, each asking again when answered")
    });
    format!(
        "{} tokens in{cached}, {} out{clients}",
        traffic.input, traffic.output
    )
}

/// What a load counts.
fn users(traffic: &Traffic) -> &'static str {
    if traffic.concurrency.is_some() {
        "clients"
    } else {
        "sequences"
    }
}

fn is_known(point: &Point) -> bool {
    let speed = &point.speed;
    speed.time_to_first_token.is_some() || speed.time_per_output_token.is_some()
}

/// One column a load: alone, as asked, and full; loads of as many sequences are one.
fn table(answer: &Answer, traffic: &Traffic) -> Table {
    let what = users(traffic);
    let mut points = vec![(&answer.alone, "alone".to_owned())];
    if answer.asked.sequences > 1 {
        points.push((&answer.asked, format!("{} {what}", answer.asked.sequences)));
    }
    if let Some(full) = &answer.full_load
        && full.sequences > 1
        && full.sequences != answer.asked.sequences
    {
        points.push((full, format!("full: {} {what}", full.sequences)));
    }
    let column = |title: &str, align| Column {
        title: title.to_owned(),
        align,
    };
    let mut table = Table {
        columns: vec![column("", Align::Left)],
        rows: Vec::new(),
    };
    for (_, name) in &points {
        table.columns.push(column(name, Align::Right));
    }
    let mut row = |name: &str, cell: &dyn Fn(&Point) -> Option<String>| {
        let values: Vec<Option<String>> = points.iter().map(|(point, _)| cell(point)).collect();
        if values.iter().any(Option::is_some) {
            let words = values
                .into_iter()
                .map(|value| value.unwrap_or_else(|| "?".to_owned()));
            table
                .rows
                .push(std::iter::once(name.to_owned()).chain(words).collect());
        }
    };
    row("first token", &|point| {
        point.speed.time_to_first_token.map(time)
    });
    row("per token", &|point| {
        point.speed.time_per_output_token.map(time)
    });
    row("tok/s each", &|point| point.each().map(number));
    row("tok/s in all", &|point| point.speed.throughput.map(rate));
    row("bound by", &|point| {
        point.speed.bound.map(Bound::word).map(str::to_owned)
    });
    table
}

fn facts(answer: &Answer, traffic: &Traffic) -> Vec<String> {
    let mut facts = Vec::new();
    facts.extend(summary(answer, traffic));
    if is_known(&answer.asked) {
        facts.push(format!(
            "in brackets between what 80% of measurements lie; how it is known: {}",
            answer.asked.speed.basis.word()
        ));
    } else if let Some(reason) = answer.notes.last() {
        facts.push(format!("speed not known: {reason}"));
    }
    if answer.estimate.fits == Some(false) {
        let short = answer.estimate.short_by;
        facts.push(format!(
            "DOES NOT FIT: short by {short} ({} bytes) per device",
            short.0
        ));
    }
    if let Some(tier) = &answer.tier {
        facts.push(format!(
            "the article's tier for this size: {} ms, accuracy {} ({})",
            tier.latency_ms,
            tier.accuracy,
            Basis::Claimed.word()
        ));
    }
    facts
}

/// Tokens per second alone and at full load.
fn summary(answer: &Answer, traffic: &Traffic) -> Option<String> {
    let alone = answer.alone.speed.throughput?.value;
    let full = answer.full_load.as_ref().and_then(|full| {
        let all = full.speed.throughput?.value;
        Some(format!(
            ", at full load {} tok/s with {} {}",
            number(all),
            full.sequences,
            users(traffic)
        ))
    });
    Some(format!(
        "alone {} tok/s{}",
        number(alone),
        full.unwrap_or_default()
    ))
}

fn time(range: Range) -> String {
    format!(
        "{} ({}-{})",
        Seconds(range.value),
        bare(range.low, range.value),
        bare(range.high, range.value)
    )
}

/// Seconds in the unit of `like`, without it.
fn bare(seconds: f64, like: f64) -> String {
    number(if like < 0.9995 {
        seconds * 1e3
    } else {
        seconds
    })
}

fn rate(range: Range) -> String {
    format!(
        "{} ({}-{})",
        number(range.value),
        number(range.low),
        number(range.high)
    )
}

/// Three digits, more only before the point.
pub(super) fn number(value: f64) -> String {
    let digits = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_keeps_the_unit_of_its_figure() {
        let range = Range {
            value: 0.95,
            low: 0.8,
            high: 1.2,
        };
        assert_eq!(time(range), "950 ms (800-1200)");
        assert_eq!(number(12.345), "12.3");
    }
}
