//! `dsk plan --train` for people.

use super::gib;
use crate::render::document::TrainAnswer;
use crate::render::report::{Align, Report, Table};
use crate::train::{Answer, Method, Plan, Stage, step_seconds};
use crate::units::float;

/// The report of a training plan.
#[must_use]
pub fn train(shown: &TrainAnswer<'_>) -> Report {
    let answer = shown.answer;
    let plan = &answer.plan;
    let mut report = Report::default();
    report.heading(format!(
        "Training {} on {}",
        shown.model.id,
        shown.hardware.summary()
    ));
    report.text(format!(
        "{} in {}'s way, {} tokens a sequence: {}",
        method(shown),
        shown.asked.framework.name(),
        shown.asked.sequence_tokens,
        plan.layout.summary()
    ));
    report.table(stages(plan));
    let mut lines = vec![verdict(plan)];
    lines.extend(plan.faults.iter().cloned());
    lines.extend(host(plan));
    lines.push(bubble(plan));
    report.list(lines);
    report.heading("Recomputation");
    report.table(recomputations(answer));
    report.text("selective: the core of attention, which flash attention does by itself");
    report.heading("Arithmetic and time");
    report.list(arithmetic(shown));
    if let Some(article) = &answer.article {
        report.heading("The article's example (data 4, pipeline 2, tensor 2, micro-batch 8)");
        report.list(judged(article, answer));
    }
    report.heading("Best on the same devices and batch");
    if answer.better.is_empty() {
        report
            .text("none fits: more devices, a smaller batch, --method lora or --offload optimizer");
    }
    report.table(better(answer));
    if !answer.better.is_empty() {
        report.text("by arithmetic with recomputation and bubble, and by traffic: over NVLink or PCI Express within a server, over the network between servers");
    }
    report
}

fn method(shown: &TrainAnswer<'_>) -> String {
    let trained = shown.answer.plan.trainable;
    match shown.asked.method {
        Method::Full => format!("all {:.2}B parameters", trained.billions()),
        Method::Lora => format!("LoRA, {:.1}M parameters", trained.as_f64() / 1e6),
        Method::Qlora => format!("QLoRA, {:.1}M parameters", trained.as_f64() / 1e6),
    }
}

fn stages(plan: &Plan) -> Table {
    let mut table = Table::new(&[
        ("layers", Align::Left),
        ("weights", Align::Right),
        ("gradients", Align::Right),
        ("optimizer", Align::Right),
        ("activations", Align::Right),
        ("GiB a device", Align::Right),
    ]);
    for stage in &plan.stages {
        table.row([
            format!("{} to {}", stage.layers.start + 1, stage.layers.end),
            gib(stage.weights),
            gib(stage.gradients),
            gib(stage.optimizer),
            stage.activations.map_or_else(|| "unknown".to_owned(), gib),
            gib(stage.total()),
        ]);
    }
    table
}

fn verdict(plan: &Plan) -> String {
    let need = plan
        .fullest()
        .map_or_else(|| "0.00".to_owned(), |stage| gib(stage.total()));
    match (plan.fits, plan.available) {
        (Some(true), Some(available)) => format!("fits: {need} of {} GiB a device", gib(available)),
        (Some(false), Some(available)) => format!(
            "does not fit: {need} of {} GiB a device, {} GiB too much",
            gib(available),
            gib(plan.short_by)
        ),
        (_, Some(available)) => format!(
            "whether it fits is not known: {need} of {} GiB a device without activations",
            gib(available)
        ),
        (_, None) => "whether it fits is not known: the device's memory is not".to_owned(),
    }
}

fn host(plan: &Plan) -> Option<String> {
    plan.host_per_node.map(|bytes| {
        format!(
            "host memory of each server, loading included: {} GiB",
            gib(bytes)
        )
    })
}

fn bubble(plan: &Plan) -> String {
    let layout = &plan.layout;
    if layout.pipeline == 1 {
        return format!(
            "no pipeline, no bubble; a step has {} sequences",
            layout.global_batch()
        );
    }
    format!(
        "pipeline bubble: (p - 1)/(v m) = {:.1}% of the busy time, {:.1}% of the step, of {} sequences",
        100.0 * plan.bubble,
        100.0 * plan.bubble / (1.0 + plan.bubble),
        layout.global_batch()
    )
}

fn recomputations(answer: &Answer) -> Table {
    let mut table = Table::new(&[
        ("recomputed", Align::Left),
        ("activations", Align::Right),
        ("GiB a device", Align::Right),
        ("hardware FLOPs", Align::Right),
        ("fits", Align::Left),
    ]);
    for plan in &answer.recomputations {
        let Some(stage) = plan.fullest() else {
            continue;
        };
        let flops = plan.flops.map_or_else(
            || "unknown".to_owned(),
            |flops| format!("x {:.2}", flops.hardware() / flops.model()),
        );
        table.row([
            plan.layout.recompute.word().to_owned(),
            stage.activations.map_or_else(|| "unknown".to_owned(), gib),
            gib(stage.total()),
            flops,
            fits(plan).to_owned(),
        ]);
    }
    table
}

fn fits(plan: &Plan) -> &'static str {
    match plan.fits {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

fn arithmetic(shown: &TrainAnswer<'_>) -> Vec<String> {
    let answer = shown.answer;
    let mut lines = Vec::new();
    if let Some(flops) = answer.plan.flops {
        lines.push(format!(
            "model FLOPs a token: {:.1}e9, of which attention {:.1}e9 at this length; hardware {:.1}e9",
            flops.model() / 1e9,
            flops.attention / 1e9,
            flops.hardware() / 1e9
        ));
    }
    if let Some(found) = &answer.utilization {
        let whence = match found.runs {
            0 => "as given".to_owned(),
            1 => "the one published run, which has no range".to_owned(),
            more => format!("{more} published runs nearest in size and length"),
        };
        let range = found.range.map_or_else(String::new, |(low, high)| {
            format!("{:.0} to {:.0}%; ", 100.0 * low, 100.0 * high)
        });
        lines.push(format!(
            "model FLOPs utilisation: {:.0}% ({range}{whence}; {})",
            100.0 * found.value,
            found.basis.word()
        ));
    }
    lines.push(
        "the article's 90% \"GPU utilisation\" is another figure: nvidia-smi counts the time in which any kernel runs (NVML, nvmlUtilization_t), MFU the model's arithmetic over the peak; 56% is the highest of Megatron's table (1T on 512 A100), so 90% busy is usual and 90% MFU unheard of"
            .to_owned(),
    );
    if let Some(seconds) = step_seconds(answer, shown.asked.sequence_tokens) {
        lines.push(format!("a step: {}", duration(seconds)));
    }
    if let Some(time) = answer.time {
        let range = time.range.map_or_else(String::new, |(low, high)| {
            format!(" ({} to {})", duration(low), duration(high))
        });
        lines.push(format!(
            "{} tokens: {}{range}",
            corpus(time.tokens.0),
            duration(time.value)
        ));
    }
    lines
}

/// A number of tokens as `--tokens` takes it, in powers of 1000.
fn corpus(tokens: u64) -> String {
    let units = [("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)];
    let number = float(tokens);
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| number >= *size)
        .unwrap_or(("", 1.0));
    let digits = format!("{:.3}", number / size);
    format!(
        "{}{unit}",
        digits.trim_end_matches('0').trim_end_matches('.')
    )
}

/// A time as people say it.
fn duration(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.1} min", seconds / 60.0)
    } else if seconds < 172_800.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else {
        format!("{:.1} days", seconds / 86400.0)
    }
}

fn judged(article: &Plan, answer: &Answer) -> Vec<String> {
    let mut lines = vec![article.layout.summary(), verdict(article)];
    let states = article.stages.iter().map(Stage::states).max();
    if let (Some(states), Some(available)) = (states, article.available)
        && states > available
    {
        lines.push(format!(
            "its model states alone are {} GiB a device: a pipeline allows ZeRO 0 and 1 only, and no recomputation helps",
            gib(states)
        ));
    }
    lines.push(bubble(article));
    lines.extend(article.faults.iter().cloned());
    lines.push(match (article.fits, answer.better.first()) {
        (Some(false), Some(best)) => format!("instead: {}", best.layout.summary()),
        (Some(false), None) => "nothing fits on these devices without offloading".to_owned(),
        (_, Some(best)) if best.layout == article.layout => "nothing better was found".to_owned(),
        (_, Some(best)) => format!(
            "better: {} ({} GiB, bubble {:.1}%)",
            best.layout.summary(),
            best.fullest()
                .map_or_else(|| "0".to_owned(), |stage| gib(stage.total())),
            100.0 * best.bubble
        ),
        (_, None) => "nothing better was found".to_owned(),
    });
    lines
}

fn better(answer: &Answer) -> Table {
    let mut table = Table::new(&[
        ("data", Align::Right),
        ("tensor", Align::Right),
        ("pipeline", Align::Right),
        ("expert", Align::Right),
        ("micro-batch", Align::Right),
        ("ZeRO", Align::Right),
        ("recomputed", Align::Left),
        ("bubble", Align::Right),
        ("GiB", Align::Right),
    ]);
    for plan in &answer.better {
        let layout = &plan.layout;
        table.row([
            layout.data.to_string(),
            layout.tensor.to_string(),
            layout.pipeline.to_string(),
            layout.expert.to_string(),
            format!("{} x {}", layout.micro_batch, layout.micro_batches),
            layout.zero.number().to_string(),
            layout.recompute.word().to_owned(),
            format!("{:.1}%", 100.0 * plan.bubble),
            plan.fullest()
                .map_or_else(String::new, |stage| gib(stage.total())),
        ]);
    }
    table
}
