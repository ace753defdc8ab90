//! The speed model against published and own measurements.

#![expect(clippy::print_stdout, reason = "the report: the error of every group")]

#[expect(dead_code, reason = "tests/fit_speed.rs tells rows by their file")]
mod speed_rows;

use dsk::calc::load::{Load, Options, Split};
use dsk::calc::speed::{Prepared, Range, Speed, View, Workload, calibrated, speed};
use dsk::catalog::{Basis, Calibration, Catalog};
use dsk::units::{count, float, index, whole};
use speed_rows::{Row, Setup, question};

fn catalog() -> Catalog {
    Catalog::load(&[]).expect("the embedded catalog is sound")
}

fn ask(catalog: &Catalog, row: &Row) -> Speed {
    let setup = Setup::of(catalog, row);
    speed(&setup.load(row), &row.workload)
}

/// Ours and theirs.
#[derive(Default)]
struct Errors {
    shares: Vec<f64>,
    inside: u64,
}

impl Errors {
    fn add(&mut self, ours: Option<Range>, theirs: Option<f64>) {
        if let Some(theirs) = theirs {
            let ours = ours.expect("a figure");
            self.shares.push((ours.value / theirs - 1.0).abs());
            self.inside += u64::from(ours.low <= theirs && theirs <= ours.high);
        }
    }

    fn at(&self, quantile: f64) -> f64 {
        let mut sorted = self.shares.clone();
        sorted.sort_by(f64::total_cmp);
        let last = float(count(sorted.len()) - 1);
        sorted[index(whole((quantile * last).round()))]
    }

    fn coverage(&self) -> f64 {
        float(self.inside) / float(count(self.shares.len()))
    }

    fn report(&self, name: &str) {
        println!(
            "{name}: {} rows, median {:.3}, 90% {:.3}, worst {:.3}, in range {:.3}",
            self.shares.len(),
            self.at(0.5),
            self.at(0.9),
            self.at(1.0),
            self.coverage()
        );
    }
}

/// First token, output token and throughput of `rows`.
fn errors(name: &str, rows: &[Row]) -> [Errors; 3] {
    let catalog = catalog();
    let mut all = [Errors::default(), Errors::default(), Errors::default()];
    for row in rows {
        let ours = ask(&catalog, row);
        let [first, token, rate] = &mut all;
        first.add(ours.time_to_first_token, row.first);
        token.add(ours.time_per_output_token, row.token);
        rate.add(ours.throughput, row.throughput());
    }
    for (errors, figure) in all
        .iter()
        .zip(["first token", "output token", "throughput"])
    {
        if !errors.shares.is_empty() {
            errors.report(&format!("{name}, {figure}"));
        }
    }
    all
}

#[test]
fn closed_loops_are_near() {
    let rows = speed_rows::served();
    assert_eq!(rows.len(), 315);
    let [first, token, rate] = errors("served", &rows);
    for errors in [&token, &rate] {
        assert!(errors.at(0.5) <= 0.12 && errors.at(0.9) <= 0.35);
    }
    // The ranges are those of rows left out of the fit, so rows in the fit lie inside them more often.
    for errors in [&first, &token, &rate] {
        assert!((0.8..=0.9).contains(&errors.coverage()));
    }
}

/// An engine whose closed loops nobody measured is reckoned by conservation of work and an M/D/1 queue: held
/// against the loops of the engines that were measured, as if they had not been.
#[test]
fn closed_loops_of_unmeasured_engines_are_reckoned() {
    let catalog = catalog();
    let mut token = Errors::default();
    let mut rate = Errors::default();
    for row in speed_rows::served() {
        let setup = Setup::of(&catalog, &row);
        let load = setup.load(&row);
        let mut engine = load.engine.expect("an engine").clone();
        let constants = engine.speed.as_mut().expect("constants");
        constants.queue = None;
        let unmeasured = Load {
            engine: Some(&engine),
            ..load
        };
        let ours = speed(&unmeasured, &row.workload);
        assert_eq!(ours.basis, Basis::Assumed);
        token.add(ours.time_per_output_token, row.token);
        rate.add(ours.throughput, row.throughput());
    }
    token.report("reckoned, output token");
    rate.report("reckoned, throughput");
    assert!(token.at(0.5) <= 0.15 && rate.at(0.5) <= 0.20);
    assert!(token.coverage() >= 0.8);
}

#[test]
fn an_unmeasured_loop_conserves_work() {
    let catalog = catalog();
    let of = |view| {
        let workload = Workload {
            sequences: 8,
            view,
            ..Workload::one(1024, 1024)
        };
        let what = ["deepseek-coder-6.7b", "q4_k_m", "rtx-4090"];
        let row = question("llama.cpp", what, workload);
        let setup = Setup::of(&catalog, &row);
        let load = setup.load(&row);
        let mut engine = load.engine.expect("an engine").clone();
        engine.speed.as_mut().expect("constants").queue = None;
        let engine = Some(&engine);
        let answer = speed(&Load { engine, ..load }, &workload);
        let token = answer.time_per_output_token.expect("a figure").value;
        (
            answer.throughput.expect("a figure").value,
            token,
            answer.notes,
        )
    };
    let (together, step, _) = of(View::Static);
    let (served, token, notes) = of(View::Served { concurrency: 8 });
    assert!(
        (served / together - 1.0).abs() < 0.03,
        "{served} {together}"
    );
    assert!(token > step, "the others' prompts come between the tokens");
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("no closed loop of llama.cpp"))
    );
}

/// Up to 16 clients of a server with 16 places made the constants: in the fit, and nothing is left out.
#[test]
fn closed_loops_of_llama_cpp_on_an_h200_are_near() {
    let [first, token, rate] = errors("llama.cpp, H200, served", &speed_rows::llama_cpp_served());
    assert!(first.at(0.5) <= 0.18 && first.at(1.0) <= 0.50);
    assert!(token.at(0.5) <= 0.07 && token.at(1.0) <= 0.28);
    assert!(rate.at(0.5) <= 0.07 && rate.at(1.0) <= 0.19);
    for errors in [&first, &token, &rate] {
        assert!(errors.coverage() >= 0.8);
    }
}

/// However many clients wait, tokens come no faster than those of all that the cache holds midway.
#[test]
fn waiting_clients_bring_no_tokens() {
    let catalog = catalog();
    let rate = |concurrency| {
        let workload = Workload {
            view: View::Served { concurrency },
            ..Workload::one(1024, 1024)
        };
        let what = ["deepseek-coder-6.7b", "awq", "rtx-4090"];
        let answer = ask(&catalog, &question("vllm", what, workload));
        answer.throughput.expect("a figure").value
    };
    assert!(rate(64) > rate(16));
    assert!((rate(256) / rate(64) - 1.0).abs() < 1e-6);
}

/// One row lies beyond: V2-Lite with 32 sequences took 11.0 ms a token, with 64 and 128 of them 5.6 and 6.0.
///
/// With such weights equal prompts touch 6 of 64 experts and distinct ones 61 of 64 (tests/data/speed-routing.csv),
/// which makes 4.4 and 9.8 ms here: the prompts of that run seem to have differed, those of 8, 64 and 128
/// not, since these took less than reading all experts once. What they were is not recorded, so all count as equal.
#[test]
fn vllm_on_an_h200_is_near() {
    let rows = speed_rows::vllm_h200();
    let [first, token, _] = errors("vLLM, H200", &rows);
    assert!(first.at(0.5) <= 0.12);
    assert!(token.at(0.5) <= 0.08);
    let beyond: Vec<_> = rows
        .iter()
        .zip(&token.shares)
        .filter(|(_, share)| **share > 0.2)
        .map(|(row, _)| (row.model.as_str(), row.workload.sequences))
        .collect();
    assert_eq!(beyond, [("deepseek-v2-lite", 32)]);
    // The range is that of rows left out of the fit, so rows in the fit lie inside it more often.
    for errors in [&first, &token] {
        assert!(errors.coverage() >= 0.8);
    }
}

/// DeepSeek V3 and V3.1 on 8 MI300X with SGLang 0.5.7; the prompts and answers are half as long as their nominal lengths.
///
/// Source: `sgl-project/sgl-cookbook` `docs/autoregressive/DeepSeek` @7b5bd9c0. The derating comes from these rows.
#[test]
fn an_mi300x_is_slower_than_its_peaks() {
    let catalog = catalog();
    let mut errors = Errors::default();
    for (concurrency, input, output, milliseconds) in [
        (1, 500, 500, 23.84),
        (16, 500, 4000, 33.72),
        (16, 4000, 500, 53.65),
        (64, 4000, 500, 97.93),
        (100, 512, 512, 214.73),
    ] {
        let workload = Workload {
            sequences: concurrency,
            view: View::Served { concurrency },
            ..Workload::one(input, output)
        };
        let row = Row {
            devices: 8,
            split: EIGHT,
            ..question("sglang", ["deepseek-v3", "fp8-block", "mi300x"], workload)
        };
        let ours = ask(&catalog, &row).time_per_output_token;
        println!("MI300X, {concurrency} clients: {ours:?} against {milliseconds} ms");
        errors.add(ours, Some(milliseconds / 1000.0));
    }
    errors.report("MI300X, output token");
    assert!(errors.at(0.5) <= 0.2 && errors.inside >= 4);
}

#[test]
fn llama_cpp_on_an_h200_is_near() {
    let [prompt, token, _] = errors("llama.cpp, H200", &speed_rows::llama_cpp_h200());
    assert!(token.at(0.5) <= 0.06 && token.at(1.0) <= 0.15);
    assert!(prompt.at(0.5) <= 0.15);
    for errors in [&prompt, &token] {
        assert!(errors.coverage() >= 0.8);
    }
}

#[test]
fn llama_cpp_boards_are_near() {
    let [prompt, token, _] = errors("llama.cpp boards", &speed_rows::llama_cpp_boards());
    assert!(token.at(0.5) <= 0.07);
    for errors in [&prompt, &token] {
        assert!(errors.coverage() >= 0.75);
    }
}

/// Batches of two models on one device made what further sequences cost: in the fit, and nothing is left out.
#[test]
fn batches_of_llama_cpp_on_an_h200_are_near() {
    let [_, token, _] = errors("llama.cpp, H200, batches", &speed_rows::llama_cpp_batched());
    assert!(token.at(0.5) <= 0.04 && token.at(1.0) <= 0.16 && token.coverage() >= 0.8);
}

/// Two models on one device make no range: a batch of llama.cpp has one as much wider as batches of vLLM lie off what
/// its lone prompts say.
#[test]
fn a_batch_that_nobody_measured_has_a_wider_range() {
    let catalog = catalog();
    let width = |engine, format, sequences| {
        let workload = Workload {
            sequences,
            ..Workload::one(1024, 256)
        };
        let what = ["deepseek-coder-6.7b", format, "h200-sxm"];
        let answer = ask(&catalog, &question(engine, what, workload));
        let token = answer.time_per_output_token.expect("a figure");
        token.high / token.low
    };
    for engine in ["llama.cpp", "ollama"] {
        assert!(width(engine, "q4_k_m", 8) > 1.2 * width(engine, "q4_k_m", 1));
    }
    assert!((width("vllm", "bf16", 8) / width("vllm", "bf16", 1) - 1.0).abs() < 1e-9);
}

/// Radeon, Turing, Blackwell and M4, none of which is in the fit.
#[test]
fn devices_that_nobody_fitted_lie_in_the_range() {
    let rows = speed_rows::community();
    let catalog = catalog();
    for row in &rows {
        let ours = ask(&catalog, row).time_per_output_token.expect("a figure");
        let token = row.token.expect("a time");
        println!(
            "{} {}: {:+.3}",
            row.gpu,
            row.model,
            ours.value / token - 1.0
        );
    }
    let [_, token, _] = errors("community", &rows);
    assert!(token.at(0.5) <= 0.15 && token.coverage() >= 0.75);
}

#[test]
fn what_nobody_measured_has_no_figure_but_a_reason() {
    let catalog = catalog();
    for (engine, gpu, reason) in [
        (
            "vllm",
            "arc-b580",
            "no speed of vLLM was measured on a device like Intel Arc B580",
        ),
        (
            "transformers",
            "h200-sxm",
            "no speed of Transformers was measured",
        ),
    ] {
        let row = question(
            engine,
            ["deepseek-coder-6.7b", "bf16", gpu],
            Workload::one(512, 128),
        );
        let answer = ask(&catalog, &row);
        assert_eq!(answer.time_per_output_token, None);
        assert_eq!(answer.notes, [reason]);
    }
    let width = |gpu| {
        let row = question(
            "vllm",
            ["deepseek-coder-6.7b", "fp8", gpu],
            Workload::one(512, 128),
        );
        let answer = ask(&catalog, &row);
        let range = answer.time_per_output_token.expect("a figure");
        let said = answer
            .notes
            .iter()
            .any(|note| note.contains("not measured"));
        (range.high / range.low, said)
    };
    let (seen, unseen) = (width("h200-sxm"), width("rtx-4090"));
    assert!(unseen.0 > seen.0 && unseen.1 && !seen.1);
}

fn v3(split: Split, workload: Workload) -> Row {
    Row {
        devices: split.devices(),
        split,
        ..question("vllm", ["deepseek-v3", "fp8-block", "h200-sxm"], workload)
    }
}

fn token(catalog: &Catalog, row: &Row) -> f64 {
    ask(catalog, row)
        .time_per_output_token
        .expect("a figure")
        .value
}

const EIGHT: Split = Split {
    tensor: 8,
    ..Split::SINGLE
};

#[test]
fn more_work_never_takes_less_time() {
    let catalog = catalog();
    let mut last = 0.0;
    for sequences in [1, 2, 8, 64, 512] {
        let workload = Workload {
            sequences,
            ..Workload::one(1024, 256)
        };
        let token = token(&catalog, &v3(EIGHT, workload));
        assert!(token > last, "{sequences}");
        last = token;
    }
}

/// Two stages of one node: one stream gains nothing, a full batch no more than twice.
#[test]
fn a_pipeline_serves_more_but_answers_no_sooner() {
    let catalog = catalog();
    let staged = Split {
        pipeline: 2,
        ..EIGHT
    };
    let ratio = |sequences| {
        let workload = Workload {
            sequences,
            ..Workload::one(1024, 256)
        };
        token(&catalog, &v3(staged, workload)) / token(&catalog, &v3(EIGHT, workload))
    };
    assert!((ratio(1) - 1.0).abs() < 1e-9);
    assert!(ratio(256) > 0.5 && ratio(256) < 1.0);
}

/// Two replicas of a dense model need no link and serve twice as many.
#[test]
fn replicas_share_the_sequences() {
    let catalog = catalog();
    let rate = |data| {
        let split = Split {
            data,
            ..Split::SINGLE
        };
        let workload = Workload {
            sequences: 16 * data,
            ..Workload::one(512, 128)
        };
        let what = ["deepseek-coder-6.7b", "bf16", "h200-sxm"];
        let row = Row {
            devices: data,
            split,
            ..question("vllm", what, workload)
        };
        ask(&catalog, &row).throughput.expect("a figure").value
    };
    assert!((rate(2) / rate(1) - 2.0).abs() < 0.02);
}

/// Of unequal devices the slowest counts, whichever is named first; a faster one never slows it down.
#[test]
fn unequal_devices_have_no_order() {
    let catalog = catalog();
    let of = |engine, [model, format]: [&str; 2], gpus: [&str; 2]| {
        let row = Row {
            devices: 2,
            split: match engine {
                "llama.cpp" => Split {
                    pipeline: 2,
                    ..Split::SINGLE
                },
                _ => Split {
                    tensor: 2,
                    ..Split::SINGLE
                },
            },
            ..question(engine, [model, format, gpus[0]], Workload::one(1024, 256))
        };
        let mut setup = Setup::of(&catalog, &row);
        let other = Row {
            gpu: gpus[1].to_owned(),
            ..row.clone()
        };
        let second = Setup::of(&catalog, &other).hardware.devices.remove(0);
        setup.hardware.devices[1] = second;
        let answer = speed(&setup.load(&row), &row.workload);
        [answer.time_to_first_token, answer.time_per_output_token]
            .map(|range| range.expect("a figure").value)
    };
    for (engine, what) in [
        ("vllm", ["deepseek-v3", "fp8-block"]),
        ("llama.cpp", ["deepseek-coder-6.7b", "q4_k_m"]),
        ("llama.cpp", ["deepseek-moe-16b-chat", "q4_k_m"]),
    ] {
        let mixed = of(engine, what, ["rtx-4090", "rtx-3090"]);
        let turned = of(engine, what, ["rtx-3090", "rtx-4090"]);
        let slow = of(engine, what, ["rtx-3090", "rtx-3090"]);
        for (number, time) in mixed.iter().enumerate() {
            assert!(
                (time / turned[number] - 1.0).abs() < 1e-9,
                "{engine} {what:?}"
            );
            assert!(time / slow[number] < 1.0 + 1e-9, "{engine} {what:?}");
        }
    }
}

/// A lone prompt lives on one replica: the others bring it their share of the experts and nothing else.
#[test]
fn a_lone_prompt_is_no_faster_for_replicas() {
    let catalog = catalog();
    let of = |[model, format]: [&str; 2], data, (sequences, view)| {
        let split = Split {
            data,
            ..Split::SINGLE
        };
        let workload = Workload {
            sequences,
            view,
            ..Workload::one(1024, 256)
        };
        let row = Row {
            devices: data,
            split,
            ..question("vllm", [model, format, "h200-sxm"], workload)
        };
        let answer = ask(&catalog, &row);
        let first = answer.time_to_first_token.expect("a figure").value;
        (first, answer.time_per_output_token.expect("a figure").value)
    };
    let dense = ["deepseek-coder-6.7b", "bf16"];
    let served = View::Served { concurrency: 1 };
    for view in [View::Static, served] {
        let (alone, beside) = (of(dense, 1, (1, view)), of(dense, 8, (1, view)));
        assert!((alone.0 / beside.0 - 1.0).abs() < 1e-9, "{view:?}");
        assert!((alone.1 / beside.1 - 1.0).abs() < 1e-9, "{view:?}");
    }
    let v3 = ["deepseek-v3", "fp8-block"];
    let lone = of(v3, 8, (1, View::Static)).0;
    let eight = of(v3, 8, (8, View::Static)).0;
    let shared = ask(&catalog, &self::v3(EIGHT, Workload::one(1024, 256)));
    assert!(lone < eight, "eight prompts have eight times the experts");
    assert!(lone > shared.time_to_first_token.expect("a figure").value);
}

/// Sixteen devices are two nodes: their layers exchange over the slower link.
#[test]
fn beyond_a_node_the_slower_link_counts() {
    let catalog = catalog();
    let workload = Workload {
        sequences: 256,
        ..Workload::one(1024, 256)
    };
    let sixteen = Split {
        tensor: 16,
        ..Split::SINGLE
    };
    let one_node = token(&catalog, &v3(EIGHT, workload));
    let row = v3(sixteen, workload);
    let mut setup = Setup::of(&catalog, &row);
    let joined_by = |setup: &Setup| {
        let found = speed(&setup.load(&row), &workload);
        found.time_per_output_token.map(|range| range.value)
    };
    assert_eq!(joined_by(&setup), None, "the network is not known");
    setup.hardware.network = Some(50_000_000_000);
    let fast = joined_by(&setup).expect("a figure");
    setup.hardware.network = Some(12_500_000_000);
    let slow = joined_by(&setup).expect("a figure");
    assert!(one_node < fast && fast < slow);
}

#[test]
fn draft_layers_help_where_that_was_measured() {
    let catalog = catalog();
    let ask_for = |model: &str, sequences| {
        let workload = Workload {
            sequences,
            speculative: true,
            ..Workload::one(1024, 256)
        };
        let drafted = Row {
            model: model.to_owned(),
            ..v3(EIGHT, workload)
        };
        let plain = Workload {
            speculative: false,
            ..workload
        };
        let plain = ask(
            &catalog,
            &Row {
                workload: plain,
                ..drafted.clone()
            },
        );
        let ratio = |speed: &Speed| {
            Some(plain.time_per_output_token?.value / speed.time_per_output_token?.value)
        };
        ratio(&ask(&catalog, &drafted))
    };
    let near =
        |ratio: Option<f64>, value: f64| ratio.is_some_and(|ratio| (ratio - value).abs() < 1e-6);
    assert!(near(ask_for("deepseek-v3", 1), 1.84));
    assert!(near(ask_for("deepseek-r1", 256), 1.53));
    assert_eq!(ask_for("deepseek-v2", 1), None);
}

/// V3 in `Q4_K_M` with its experts in the memory of two Xeon Gold 6454S and the rest on an RTX 4090: 13.4 and 13.2 tokens/s.
///
/// Source: `kvcache-ai/ktransformers` `doc/en/DeepseekR1_V3_tutorial.md` @95009ea6; 2 x 8 channels of DDR5-4800.
#[test]
fn experts_in_host_memory_are_read_at_its_bandwidth() {
    let catalog = catalog();
    let workload = Workload::one(1930, 300);
    let row = question("llama.cpp", ["deepseek-v3", "q4_k_m", "rtx-4090"], workload);
    let mut setup = Setup::of(&catalog, &row);
    let options = Options {
        host_experts: 61,
        ..Options::default()
    };
    let ask = |setup: &Setup| {
        let load = Load {
            options,
            ..setup.load(&row)
        };
        speed(&load, &workload)
    };
    assert_eq!(ask(&setup).time_per_output_token, None);
    setup.hardware.host_bandwidth = Some(2 * 8 * 4_800_000_000 * 8);
    let known = ask(&setup);
    let range = known.time_per_output_token.expect("a figure");
    println!(
        "V3 with experts in host memory: {:.1} tokens/s",
        1.0 / range.value
    );
    assert!(range.low < 1.0 / 13.4 && 1.0 / 13.4 < range.high);
    assert!((range.value * 13.4 - 1.0).abs() < 0.25);
    assert_eq!(known.time_to_first_token, None);
}

#[test]
fn ollama_is_as_fast_as_what_it_runs_on() {
    let catalog = catalog();
    let of = |engine| {
        let what = ["deepseek-coder-6.7b", "q4_k_m", "rtx-4090"];
        token(&catalog, &question(engine, what, Workload::one(512, 128)))
    };
    assert!((of("ollama") / of("llama.cpp") - 1.0).abs() < 1e-12);
}

#[test]
fn a_processor_reads_at_the_bandwidth_of_its_channels() {
    let catalog = catalog();
    let row = question(
        "llama.cpp",
        ["deepseek-coder-6.7b", "q4_k_m", "epyc-9654"],
        Workload::one(512, 128),
    );
    let answer = ask(&catalog, &row);
    let range = answer.time_per_output_token.expect("a figure");
    // 4.0 GB at 460.8 GB/s take 8.7 ms at best, and 26.6 ms at the smallest share measured with a dense model.
    assert!(
        range.value > 0.0087 && range.high > 0.0266 && range.low < 0.015,
        "{range:?}"
    );
    assert_eq!(answer.time_to_first_token, None);
}

#[test]
fn layers_left_on_the_host_slow_every_token() {
    let catalog = catalog();
    let row = question(
        "llama.cpp",
        ["deepseek-coder-6.7b", "q4_k_m", "rtx-4090"],
        Workload::one(512, 128),
    );
    let mut setup = Setup::of(&catalog, &row);
    setup.hardware.host_bandwidth = Some(89_600_000_000);
    let mut last = 0.0;
    for held in [32, 24, 8, 0] {
        setup.options.gpu_layers = Some(held);
        let token = speed(&setup.load(&row), &row.workload).time_per_output_token;
        let token = token.expect("a figure").value;
        assert!(token > last, "{held}");
        last = token;
    }
}

#[test]
fn a_calibration_scales_what_it_was_measured_on() {
    let catalog = catalog();
    let row = question(
        "vllm",
        ["deepseek-coder-6.7b", "bf16", "h200-sxm"],
        Workload::one(512, 128),
    );
    let setup = Setup::of(&catalog, &row);
    let load = setup.load(&row);
    let mut here = Calibration {
        id: "here".to_owned(),
        engine: "vllm".to_owned(),
        gpu: "h200-sxm".to_owned(),
        model: Some("deepseek-coder-6.7b".to_owned()),
        format: None,
        devices: None,
        ram_bandwidth_bytes_per_second: None,
        output_token_scale: Some(2.0),
        first_token_scale: Some(0.5),
        output_token_range: None,
        first_token_range: None,
        rows: Some(3),
        date: Some("2026-11-24".to_owned()),
        source: "a test".to_owned(),
        levels: Vec::new(),
    };
    let plain = speed(&load, &row.workload);
    let scaled = calibrated(&load, &row.workload, std::slice::from_ref(&here));
    let ratio = |of: fn(&Speed) -> Option<Range>| {
        of(&scaled)
            .zip(of(&plain))
            .map(|(scaled, plain)| scaled.value / plain.value)
    };
    assert!(
        ratio(|speed| speed.time_per_output_token).is_some_and(|ratio| (ratio - 2.0).abs() < 1e-9)
    );
    assert!(
        ratio(|speed| speed.time_to_first_token).is_some_and(|ratio| (ratio - 0.5).abs() < 1e-9)
    );
    assert_eq!(
        (plain.basis, scaled.basis),
        (Basis::Modelled, Basis::Measured)
    );
    here.gpu = "b200".to_owned();
    assert_eq!(calibrated(&load, &row.workload, &[here]), plain);
}

#[test]
fn a_prepared_question_answers_like_a_lone_one() {
    let catalog = catalog();
    let workload = Workload {
        view: View::Served { concurrency: 64 },
        sequences: 64,
        ..Workload::one(1024, 256)
    };
    let row = v3(EIGHT, workload);
    let setup = Setup::of(&catalog, &row);
    let load = setup.load(&row);
    let prepared = Prepared::of(&load).expect("a question");
    let times = prepared
        .times((row.split, row.devices), &workload)
        .expect("a figure");
    let lone = ask(&catalog, &row).throughput.expect("a figure").value;
    assert!((times.throughput / lone - 1.0).abs() < 1e-12);
}
