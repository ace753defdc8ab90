//! `dsk memory` for people.

use super::gib;
use crate::calc::memory::{Parts, Scope};
use crate::catalog::Basis;
use crate::render::document::Answer;
use crate::render::report::{Align, Report, Table};
use crate::units::{Bytes, count};

/// The report of a memory answer.
#[must_use]
pub fn memory(answer: &Answer<'_>) -> Report {
    let mut report = Report::default();
    report.heading(title(answer));
    report.table(parts_table(answer));
    report.list(facts(answer));
    if let Some(rule) = answer.rule {
        report.heading("The article's rule");
        report.text(rule.formula.clone());
        report.text(format!(
            "corrected: the article divides billions of parameters by 1024, which gives {:.2} GB; dividing by 1024 fits millions",
            rule.as_printed
        ));
    }
    if answer.explain {
        report.heading("How each part is known");
        for step in &answer.estimate.memory.steps {
            report.list(vec![format!(
                "{}: {} = {} ({}; {})",
                step.part,
                step.formula,
                step.bytes,
                step.basis.word(),
                step.source
            )]);
        }
    }
    if let Some(verification) = answer.verification.as_ref().filter(|_| answer.explain) {
        report.heading("Check it on the engine");
        report.command(verification.command.replace(" && ", " &&\n  "));
        report.text(format!("and look at {}", verification.look_at));
    }
    report
}

fn title(answer: &Answer<'_>) -> String {
    let request = answer.request;
    let engine = request
        .engine
        .as_ref()
        .map_or("plain checkpoint", |engine| engine.name.as_str());
    let context = format!("{} x {} tokens", request.sequences, request.context);
    format!(
        "{} in {}, {engine}, {context}",
        request.model.id, request.format.name
    )
}

fn parts_table(answer: &Answer<'_>) -> Table {
    let memory = &answer.estimate.memory;
    let devices = count(memory.devices.len());
    let columns = [
        ("part", Align::Left),
        ("all GiB", Align::Right),
        ("fullest device GiB", Align::Right),
    ];
    let mut table = Table::new(if devices > 1 {
        &columns
    } else {
        &[("part", Align::Left), ("GiB", Align::Right)]
    });
    let (sum, fullest) = (memory.sum(), memory.fullest());
    let mut row = |name: &str, part: fn(Parts) -> Bytes| {
        let mut cells = vec![name.to_owned(), gib(part(sum))];
        if devices > 1 {
            cells.push(gib(part(fullest)));
        }
        table.rows.push(cells);
    };
    row("weights", |parts| parts.weights);
    row("KV cache", |parts| parts.kv_cache);
    if memory.scope == Scope::Engine {
        row("compute", |parts| parts.compute);
        row("runtime", |parts| parts.runtime);
    }
    row("total", Parts::total);
    if memory.host.total() > Bytes::ZERO {
        let mut cells = vec!["in host memory".to_owned(), gib(memory.host.total())];
        if devices > 1 {
            cells.push(String::new());
        }
        table.rows.push(cells);
    }
    table
}

fn facts(answer: &Answer<'_>) -> Vec<String> {
    let estimate = answer.estimate;
    let mut facts = Vec::new();
    if let (Some(fits), Some(available)) = (estimate.fits, estimate.available) {
        let known = estimate.available_basis.map_or("", Basis::word);
        let verdict = if fits {
            let spare = available - estimate.memory.fullest().total();
            format!("fits, {spare} to spare")
        } else {
            format!("does not fit: {} short", estimate.short_by)
        };
        facts.push(format!("{verdict}; {available} per device ({known})"));
    }
    if let Some(capacity) = answer.capacity {
        let window = answer.request.model.shape.window_tokens;
        let beyond = if capacity.largest_context.0 > window {
            format!(" (the model's window is {window})")
        } else {
            String::new()
        };
        facts.push(format!(
            "largest context {} tokens{beyond} at {}; at most {} of {} tokens",
            capacity.largest_context,
            sequences(answer.request.sequences),
            sequences(capacity.sequences),
            answer.request.context
        ));
    }
    facts.push(format!("how it is known: {}", estimate.memory.basis.word()));
    facts
}

/// `1 sequence`, `2 sequences`.
fn sequences(number: u64) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} sequence{plural}")
}
