//! `dsk bench` for people.

use crate::bench::comparison::{error, throughput_error};
use crate::bench::level::Level;
use crate::bench::plan::{BenchPlan, ServedFor};
use crate::bench::record::Counted;
use crate::bench::run::{Compared, Length, Run};
use crate::bench::statistics::Summary;
use crate::calc::hardware::Hardware;
use crate::calc::speed::{Range, View};
use crate::render::document::BenchAnswer;
use crate::render::report::{Align, Report, Table};
use crate::request::Request;

/// The report of a benchmark.
#[must_use]
pub fn bench(answer: &BenchAnswer<'_>) -> Report {
    let mut report = Report::default();
    if let Some(plan) = answer.plan {
        planned(&mut report, (plan, &answer.request.model.id));
    }
    if let Some(run) = answer.run {
        measured(&mut report, (run, answer.request));
    }
    report
}

fn planned(report: &mut Report, (plan, model): (&BenchPlan, &str)) {
    report.text(format!("How to measure {model}, for a POSIX shell"));
    for (place, format) in plan.formats.iter().enumerate() {
        report.heading(if place == 0 {
            format!("{}: what the others are held against", format.name)
        } else {
            format.name.clone()
        });
        if let Some(make) = &format.make {
            report.command(make.clone());
        }
        let serve = format!("{} &", format.serve);
        match format.served_for {
            ServedFor::Both | ServedFor::Accuracy => {
                report.command(serve);
                report.command(format.accuracy.clone());
            }
            ServedFor::Speed => {
                report.command(format.accuracy.clone());
                report.command(serve);
            }
        }
        for speed in &format.speed {
            report.command(speed.clone());
        }
    }
    report.heading("How to read it");
    report.list(vec![
        "accuracy lost: the first format's `acc,none` of lambada_openai and piqa less a format's, in results/FORMAT/*/results_*.json".to_owned(),
        "a line that ends in & serves until it is stopped; wait until it listens, and stop it before the next format".to_owned(),
        "the same of a running server, beside what is predicted: dsk bench MODEL --url URL".to_owned(),
    ]);
}

fn measured(report: &mut Report, (run, request): (&Run, &Request)) {
    report.heading(format!("{} at {}", run.ask.model, run.url));
    report.text(format!(
        "{}, {} tokens in, {} out, no two prompts alike",
        run.ask.endpoint.word(),
        run.input_tokens,
        run.ask.output_tokens
    ));
    report.table(throughput(run));
    let latency = latency(run);
    if !latency.rows.is_empty() {
        report.heading("Latency in ms");
        report.table(latency);
    }
    let failures = failures(run);
    if !failures.is_empty() {
        report.heading("What failed");
        report.list(failures);
    }
    if !run.levels.is_empty() {
        report.heading("Predicted beside measured");
        report.text(predicted_for(request));
        report.table(predicted(run));
        report.list(unpredicted(run));
    }
    report.heading("How it was counted");
    report.list(remarks(run));
}

fn throughput(run: &Run) -> Table {
    let mut table = Table::new(&[
        ("clients", Align::Right),
        ("answered", Align::Right),
        ("failed", Align::Right),
        ("seconds", Align::Right),
        ("tokens in", Align::Right),
        ("out", Align::Right),
        ("requests/s", Align::Right),
        ("tokens/s", Align::Right),
        ("good/s", Align::Right),
    ]);
    let mean = |tokens: Option<f64>| tokens.map_or_else(unknown, |mean| format!("{mean:.1}"));
    for Compared { level, .. } in &run.levels {
        table.row([
            level.concurrency.to_string(),
            level.completed.to_string(),
            level.failed.to_string(),
            format!("{:.2}", level.duration),
            mean(level.mean_input()),
            mean(level.mean_output()),
            format!("{:.3}", level.requests_per_second),
            format!("{:.1}", level.output_tokens_per_second),
            level
                .goodput
                .map_or_else(unknown, |goodput| format!("{goodput:.3}")),
        ]);
    }
    table
}

fn latency(run: &Run) -> Table {
    let mut table = Table::new(&[
        ("clients", Align::Right),
        ("", Align::Left),
        ("mean", Align::Right),
        ("P50", Align::Right),
        ("P90", Align::Right),
        ("P99", Align::Right),
        ("max", Align::Right),
    ]);
    for Compared { level, .. } in &run.levels {
        for (name, summary) in latencies(level) {
            let Some(summary) = summary else { continue };
            let cells = [
                summary.mean,
                summary.p50,
                summary.p90,
                summary.p99,
                summary.most,
            ];
            let [mean, p50, p90, p99, most] = cells.map(milliseconds);
            let clients = level.concurrency.to_string();
            table.row([clients, name.to_owned(), mean, p50, p90, p99, most]);
        }
    }
    table
}

fn latencies(level: &Level) -> [(&'static str, Option<Summary>); 4] {
    [
        ("first token", level.first_token),
        ("per token", level.output_token),
        ("between chunks", level.gap),
        ("end to end", level.end_to_end),
    ]
}

/// What is predicted: the model, its format, the engine, the hardware.
fn predicted_for(request: &Request) -> String {
    let engine = request.engine.as_ref().map(|engine| engine.name.clone());
    let hardware = request.hardware.as_ref().map(Hardware::summary);
    let parts = [
        Some(format!("{} in {}", request.model.id, request.format.name)),
        engine,
        hardware,
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn predicted(run: &Run) -> Table {
    let mut table = Table::new(&[
        ("clients", Align::Right),
        ("", Align::Left),
        ("predicted", Align::Right),
        ("80% within", Align::Left),
        ("measured", Align::Right),
        ("error", Align::Right),
    ]);
    for Compared { level, prediction } in &run.levels {
        let speed = &prediction.speed;
        let mean = |summary: Option<Summary>| summary.map(|summary| summary.mean);
        let rows = [
            (
                "first token, ms",
                speed.time_to_first_token,
                mean(level.first_token),
            ),
            (
                "per token, ms",
                speed.time_per_output_token,
                mean(level.output_token),
            ),
        ];
        for (name, range, measured) in rows {
            let Some(range) = range else { continue };
            table.row([
                level.concurrency.to_string(),
                name.to_owned(),
                milliseconds(range.value),
                between(range, milliseconds),
                measured.map_or_else(unknown, milliseconds),
                percent(error(Some(range), measured)),
            ]);
        }
        if let Some(range) = speed.throughput {
            table.row([
                level.concurrency.to_string(),
                "tokens/s".to_owned(),
                rate(range.value),
                between(range, rate),
                rate(level.output_tokens_per_second),
                percent(throughput_error(prediction, level)),
            ]);
        }
    }
    table
}

/// Why there is no prediction, and which kind there is.
fn unpredicted(run: &Run) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for Compared { level, prediction } in &run.levels {
        let speed = &prediction.speed;
        if speed.time_per_output_token.is_none() {
            lines.extend(
                speed
                    .notes
                    .iter()
                    .map(|reason| format!("no prediction: {reason}")),
            );
        } else if prediction.view == View::Static && level.concurrency > 1 {
            lines.push(
                "predicted for one batch: what the prompts of other clients add to the time per token is not known here"
                    .to_owned(),
            );
        }
    }
    lines.dedup();
    lines
}

fn failures(run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    for Compared { level, .. } in &run.levels {
        for (number, message) in level.errors.values() {
            lines.push(format!(
                "{} clients, {number} times: {message}",
                level.concurrency
            ));
        }
    }
    lines
}

fn remarks(run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    if run.interrupted {
        let cut: u64 = run.levels.iter().map(|one| one.level.unfinished).sum();
        lines.push(format!(
            "stopped early: {cut} requests under way are not counted"
        ));
    }
    lines.extend(run.given_up.iter().cloned());
    let counted = run.levels.iter().filter_map(|one| one.level.counted);
    lines.push(match counted.max() {
        Some(Counted::Chunks) => "tokens out: the server sends no usage, so chunks were counted, which may hold more or less than a token".to_owned(),
        Some(Counted::Usage) => "tokens out: as the server counts them".to_owned(),
        None => "nothing was answered".to_owned(),
    });
    if run.length == Length::Assumed {
        lines.push("tokens in: not known, one a word was assumed".to_owned());
    }
    lines
}

fn unknown() -> String {
    "-".to_owned()
}

/// Seconds as milliseconds, with as many decimals as matter.
fn milliseconds(seconds: f64) -> String {
    let value = seconds * 1000.0;
    if value < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

fn rate(value: f64) -> String {
    format!("{value:.1}")
}

fn between(range: Range, written: fn(f64) -> String) -> String {
    format!("{} to {}", written(range.low), written(range.high))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(unknown, |share| format!("{:+.0}%", share * 100.0))
}
