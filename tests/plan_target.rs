//! `dsk plan --target` offers one configuration: what is printed, run through the other commands, says the same.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Models and what is asked of the hardware: dense and mixture of experts, paged caches and llama.cpp's slots.
const QUESTIONS: [(&str, &str, &[&str]); 6] = [
    (
        "33b",
        "ttft<500ms,tpot<30ms,concurrency=64",
        &["--engine", "vllm"],
    ),
    (
        "33b",
        "tpot<40ms,concurrency=24",
        &[
            "--engine",
            "sglang",
            "--input",
            "2k",
            "--output-tokens",
            "300",
        ],
    ),
    (
        "r1-distill-qwen-14b",
        "ttft<2s,tpot<60ms,concurrency=200",
        &[],
    ),
    (
        "v3",
        "ttft<2s,tpot<40ms,concurrency=32",
        &["--engine", "vllm"],
    ),
    (
        "6.7b",
        "tpot<60ms,concurrency=4",
        &["--engine", "llama.cpp", "--quant", "q4_k_m"],
    ),
    (
        "6.7b",
        "ttft<1s,tpot<30ms",
        &["--engine", "vllm", "--context", "8k"],
    ),
];

fn run(words: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_dsk"))
        .args(words)
        .arg("--json")
        .env_clear()
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_str(&text);
    (
        output.status.code(),
        value.unwrap_or_else(|_| panic!("{words:?}: {errors}")),
    )
}

/// What follows a flag in a command line, or the number 1.
fn flag(command: &str, names: &[&str]) -> u64 {
    let words: Vec<&str> = command.split(' ').collect();
    let found = words.windows(2).find(|pair| names.contains(&pair[0]));
    found.map_or(1, |pair| pair[1].parse().expect("a number"))
}

#[test]
fn what_is_printed_is_what_was_calculated() {
    let mut held = 0;
    for (model, target, more) in QUESTIONS {
        let mut words = vec!["plan", model, "--target", target];
        words.extend(more);
        let (code, found) = run(&words);
        assert_eq!(code, Some(0), "{words:?}");
        let clients = found["request"]["concurrency"].as_u64();
        for offer in found["offers"].as_array().expect("offers").iter().take(4) {
            held += 1;
            check_offer((model, more), clients, offer);
        }
    }
    assert!(held >= 18, "{held} offers");
}

fn check_offer((model, more): (&str, &[&str]), clients: Option<u64>, offer: &Value) {
    let plan = &offer["plan"];
    let command = plan["command"].as_str().expect("a command");
    let part = |name: &str| plan["split"][name].as_u64().expect("a part").to_string();
    let gpu = format!(
        "{}x{}",
        offer["gpus"],
        offer["gpu"].as_str().expect("an id")
    );
    let each = flag(
        command,
        &["--max-model-len", "--context-length", "--ctx-size"],
    );
    let places = flag(
        command,
        &["--max-num-seqs", "--max-running-requests", "--parallel"],
    );
    let engine = offer["engine"].as_str().expect("an engine");
    // vLLM counts the sequences of one replica, llama.cpp the context of all.
    let data = plan["split"]["data"].as_u64().expect("a part");
    let shared = engine == "sglang" && command.contains("--enable-dp-attention");
    let places = if shared { places } else { places * data };
    let context = if engine == "llama.cpp" {
        each / places
    } else {
        each
    };
    if let Some(clients) = clients {
        assert!(
            (clients..clients + data).contains(&places),
            "{command}: {clients} clients"
        );
    }
    let (context, places) = (context.to_string(), clients.unwrap_or(places).to_string());
    let split = [
        part("tensor"),
        part("pipeline"),
        part("data"),
        part("expert"),
    ];
    let mut words = vec![model, "--gpu", &gpu, "--engine", engine];
    words.extend(["--quant", plan["format"].as_str().expect("a format")]);
    words.extend(["--context", &context, "--sequences", &places]);
    words.extend([
        "--tp", &split[0], "--pp", &split[1], "--dp", &split[2], "--ep", &split[3],
    ]);
    let asked = ["memory"].into_iter().chain(words.iter().copied());
    let (code, memory) = run(&asked.collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{command} fits");
    let Some(clients) = clients.map(|clients| clients.to_string()) else {
        return;
    };
    for key in [
        "weights_bytes",
        "kv_cache_bytes",
        "compute_bytes",
        "total_bytes",
    ] {
        assert_eq!(memory[key], plan[key], "{key} of {command}");
        assert_eq!(
            memory["per_gpu"][key], plan["per_gpu"][key],
            "{key} each of {command}"
        );
    }
    let mut asked = vec!["speed"];
    asked.extend(&words);
    asked.extend(["--concurrency", &clients]);
    asked.extend(more.iter().skip_while(|word| **word != "--input"));
    let (_, speed) = run(&asked);
    let full = &plan["speed"]["full_load"];
    for key in [
        "time_to_first_token_seconds",
        "time_per_output_token_seconds",
        "throughput_tokens_per_second",
    ] {
        assert_eq!(speed[key], full[key], "{key} of {command}");
    }
}

/// Nobody asked for a box of eight gaming cards or Macs: what is offered is what one server holds.
#[test]
fn no_more_devices_are_offered_than_a_server_holds() {
    let (_, found) = run(&[
        "plan",
        "r1-distill-llama-70b",
        "--target",
        "ttft<20s,tpot<200ms",
    ]);
    let (_, known) = run(&["list", "gpus"]);
    let text = known.to_string();
    assert!(text.contains("rtx-4090"));
    let mut seen = Vec::new();
    for offer in found["offers"].as_array().expect("offers") {
        let id = offer["gpu"].as_str().expect("an id");
        let (_, entry) = run(&["show", id]);
        let entry = entry.get("content").unwrap_or(&entry).to_string();
        let most = if entry.contains("\"gpus_per_node\"") {
            continue;
        } else if entry.contains("\"kind\":\"unified\"") {
            1
        } else if entry.contains("\"kind\":\"datacenter\"") {
            8
        } else {
            4
        };
        let count = offer["gpus"].as_u64().expect("a number");
        assert!(count <= most, "{count} x {id}");
        seen.push(most);
    }
    assert!(seen.contains(&1) && seen.contains(&4), "{seen:?}");
}

/// What was measured on a machine counts in the search as it does for a device that is named.
#[test]
fn the_search_counts_on_what_was_measured() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plan-target");
    let kind = folder.join("calibrations");
    std::fs::create_dir_all(&kind).expect("a folder");
    let text = "id = \"slow\"\nengine = \"vllm\"\ngpu = \"h100-sxm\"\ndevices = 1\noutput_token_scale = 3.0\n\
                first_token_scale = 3.0\nrows = 12\ndate = \"2026-11-24\"\nsource = \"a test\"\n";
    std::fs::write(kind.join("slow.toml"), text).expect("a file");
    let target = [
        "plan",
        "33b",
        "--engine",
        "vllm",
        "--target",
        "tpot<60ms,concurrency=64",
    ];
    let offered = |words: &[&str]| {
        let (_, found) = run(words);
        let offers = found["offers"].as_array().expect("offers").clone();
        let own = offers
            .iter()
            .find(|offer| offer["gpu"] == "h100-sxm")
            .cloned();
        own.map(|offer| offer["gpus"].as_u64().expect("a number"))
    };
    assert_eq!(offered(&target), Some(1));
    let mut measured = target.to_vec();
    let path = folder.to_str().expect("text").to_owned();
    measured.extend(["--catalog", &path]);
    assert_eq!(
        offered(&measured),
        Some(2),
        "one device was measured to be too slow"
    );
}
