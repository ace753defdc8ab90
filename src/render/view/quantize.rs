//! `dsk quantize` for people.

use super::gib;
use crate::catalog::Model;
use crate::quantize::Quantized;
use crate::render::report::{Align, Report, Table};

/// The report of a model's formats.
#[must_use]
pub fn quantize(model: &Model, rows: &[Quantized]) -> Report {
    let mut table = Table::new(&[
        ("format", Align::Left),
        ("GiB", Align::Right),
        ("bits/weight", Align::Right),
        ("smaller", Align::Right),
        ("loss %", Align::Right),
        ("engines", Align::Left),
        ("needs", Align::Left),
    ]);
    for row in rows {
        table.row([
            row.format.name.clone(),
            gib(row.weights),
            format!("{:.2}", row.bits_per_weight),
            format!("{:.1}x", row.times_smaller),
            row.format.known_loss().map_or_else(
                || "unknown".to_owned(),
                |loss| format!("{:.2}", loss * 100.0),
            ),
            row.format.engines.join(" "),
            row.format
                .least_capability()
                .map_or_else(String::new, |least| format!("CC {least}")),
        ]);
    }
    let mut report = Report::default();
    report.heading(format!("{} in every format", model.id));
    report.table(table);
    report.text("loss: share of the 16-bit score, as its source measured it; needs: NVIDIA compute capability; --json names the sources, the devices of each engine, and what computes natively");
    report.list(claims(rows));
    let commands: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.format.name, row.make.as_ref()?)))
        .collect();
    if !commands.is_empty() {
        report.heading("How to make it");
        report.list(commands);
    }
    report
}

fn claims(rows: &[Quantized]) -> Vec<String> {
    let claims = rows.iter().flat_map(|row| {
        row.format
            .claims
            .iter()
            .map(|claim| (&row.format.name, claim))
    });
    claims
        .filter_map(|(name, claim)| {
            Some(format!(
                "claimed by the article, not measured: {name} is {}x smaller and {}x faster than FP32 and loses under {}%",
                claim.times_smaller?,
                claim.times_faster?,
                claim.loss_below? * 100.0
            ))
        })
        .collect()
}
