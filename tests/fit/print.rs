//! The `[speed]` table of a catalog entry.

use dsk::catalog::engine_speed::{EngineSpeed, Factor, Kernel, ModelClass};

use super::constants::tables;

/// Ranges by figure: first token, output token, throughput.
pub(crate) struct Ranges {
    pub(crate) alone: [Option<[f64; 2]>; 3],
    pub(crate) served: [Option<[f64; 2]>; 3],
    pub(crate) unseen: [Option<[f64; 2]>; 3],
}

fn class(class: ModelClass) -> &'static str {
    match class {
        ModelClass::Dense => "dense",
        ModelClass::Experts => "experts",
    }
}

fn kernel(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Fp16 => "fp16",
        Kernel::Unpacked => "unpacked",
        Kernel::Fp8 => "fp8",
        Kernel::Fp8Block => "fp8-block",
        Kernel::Fp4 => "fp4",
        Kernel::Int8 => "int8",
        Kernel::Q8 => "q8",
        Kernel::Blocks => "blocks",
    }
}

/// What something was measured on, as keys.
pub(crate) fn key((on, of, by): (&str, ModelClass, Kernel)) -> String {
    format!(
        "on = [\"{on}\"], class = \"{}\", kernel = \"{}\"",
        class(of),
        kernel(by)
    )
}

/// Four digits.
fn number(value: f64) -> String {
    let digits = format!("{value:.3e}");
    let value: f64 = digits.parse().expect("a number");
    format!("{value:?}")
}

fn factor(factor: &Factor) -> String {
    let mut keys = Vec::new();
    if !factor.on.is_empty() {
        keys.push(format!("on = {:?}", factor.on));
    }
    keys.extend(factor.class.map(|of| format!("class = \"{}\"", class(of))));
    keys.extend(
        factor
            .kernel
            .map(|by| format!("kernel = \"{}\"", kernel(by))),
    );
    if factor.narrow_cache {
        keys.push("narrow_cache = true".to_owned());
    }
    keys.push(format!("value = {}", number(factor.value)));
    format!("    {{ {} }},", keys.join(", "))
}

pub(crate) fn spread(name: &str, ranges: [Option<[f64; 2]>; 3]) {
    let words: Vec<String> = ["first_token", "output_token", "throughput"]
        .iter()
        .zip(ranges)
        .filter_map(|(name, range)| {
            range.map(|[low, high]| format!("{name} = [{low:.3}, {high:.3}]"))
        })
        .collect();
    println!("{name} = {{ {} }}", words.join(", "));
}

pub(crate) fn toml(speed: &mut EngineSpeed, measured: &[(String, u64)], ranges: &Ranges) {
    println!("--- toml");
    for (name, value) in [
        ("step_seconds", speed.step_seconds),
        ("sequence_seconds", speed.sequence_seconds),
        ("prefill_seconds", speed.prefill_seconds),
        ("tensor_layer_seconds", speed.tensor_layer_seconds),
        ("link_efficiency", speed.link_efficiency),
        ("narrow_layer_seconds", speed.narrow_layer_seconds),
        ("experts_layer_seconds", speed.experts_layer_seconds),
        ("hop_seconds", speed.hop_seconds),
        ("prefill_hop_seconds", speed.prefill_hop_seconds),
    ] {
        println!("{name} = {}", number(value));
    }
    for (name, table) in tables(speed) {
        let rows: Vec<String> = table.iter().map(factor).collect();
        if !rows.is_empty() {
            println!("{name} = [\n{}\n]", rows.join("\n"));
        }
    }
    let rows: Vec<String> = measured
        .iter()
        .map(|(key, rows)| format!("    {{ {key}, rows = {rows} }},"))
        .collect();
    println!("measured = [\n{}\n]", rows.join("\n"));
    if let Some(queue) = &speed.queue {
        println!("[speed.queue]");
        for (name, value) in [
            ("base_seconds", queue.base_seconds),
            ("prefills", queue.prefills),
            ("steps", queue.steps),
            ("burst", queue.burst),
            ("stream_seconds", queue.stream_seconds),
            ("wait", queue.wait),
        ] {
            println!("{name} = {}", number(value));
        }
    }
    println!("[speed.ranges]");
    spread("static", ranges.alone);
    spread("served", ranges.served);
    spread("unseen", ranges.unseen);
    println!("--- end");
}
