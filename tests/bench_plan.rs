//! The plan of `dsk bench`: commands that the tools accept.

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Tools {
    tool: Vec<Tool>,
}

/// What a tool accepts, as its own parser lists it.
#[derive(Deserialize)]
struct Tool {
    command: String,
    flags: Vec<String>,
}

fn tools() -> Vec<Tool> {
    let tools: Tools = toml::from_str(include_str!("data/bench-flags.toml")).expect("data");
    tools.tool
}

fn plan(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_dsk"))
        .env_clear()
        .arg("bench")
        .args(arguments)
        .arg("--json")
        .output()
        .expect("dsk runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice::<Value>(&output.stdout).expect("a document")["plan"].take()
}

/// Every command of a plan.
fn commands(plan: &Value) -> Vec<String> {
    let formats = plan["formats"].as_array().expect("formats");
    formats
        .iter()
        .flat_map(|format| {
            let single = [&format["serve"], &format["accuracy"]];
            let speed = format["speed"].as_array().expect("speed");
            single.into_iter().chain(speed).filter_map(Value::as_str)
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_flag_is_one_that_the_tool_has() {
    let tools = tools();
    let mut known = 0;
    for arguments in [
        ["6.7b", "--engine", "vllm"],
        ["v3", "--engine", "sglang"],
        ["13b", "--engine", "llama.cpp"],
        ["13b", "--engine", "ollama"],
        ["6.7b", "--engine", "transformers"],
    ] {
        for every in [&[][..], &["--all-formats"]] {
            for command in commands(&plan(&[&arguments[..], every].concat())) {
                let Some(tool) = tools.iter().find(|tool| command.contains(&tool.command)) else {
                    continue;
                };
                known += 1;
                let words = shlex::split(&command).expect("words of a shell");
                for word in words
                    .iter()
                    .filter(|word| word.starts_with('-') && word.parse::<f64>().is_err())
                {
                    let inside = word == "-m" && tool.command.starts_with("python");
                    assert!(
                        inside || tool.flags.contains(word),
                        "{}: `{word}`",
                        tool.command
                    );
                }
            }
        }
    }
    assert!(known > 40, "only {known} commands are of a known tool");
}

#[test]
fn commands_are_right_for_a_shell() {
    for engine in ["vllm", "sglang", "llama.cpp", "transformers"] {
        for command in commands(&plan(&["6.7b", "--engine", engine])) {
            let checked = Command::new("sh").args(["-n", "-c", &command]).status();
            assert!(checked.expect("sh runs").success(), "{command}");
        }
    }
}

#[test]
fn the_plan_stays_within_window_and_capacity() {
    let plan = plan(&[
        "6.7b",
        "--engine",
        "vllm",
        "--gpu",
        "a100-80gb",
        "--context",
        "8k",
    ]);
    let most = plan["concurrencies"]
        .as_array()
        .expect("clients")
        .iter()
        .filter_map(Value::as_u64)
        .max();
    let memory = Command::new(env!("CARGO_BIN_EXE_dsk"))
        .env_clear()
        .args([
            "memory",
            "6.7b",
            "--engine",
            "vllm",
            "--gpu",
            "a100-80gb",
            "--context",
            "8k",
            "--json",
        ])
        .output()
        .expect("dsk runs");
    let memory: Value = serde_json::from_slice(&memory.stdout).expect("a document");
    assert_eq!(most, memory["capacity"]["sequences"].as_u64());
    for length in plan["lengths"].as_array().expect("lengths") {
        let tokens =
            ["input_tokens", "output_tokens"].map(|key| length[key].as_u64().expect("tokens"));
        assert!(tokens.iter().sum::<u64>() <= 8192);
    }
    assert_eq!(plan["formats"][0]["format"], "bf16");
    assert!(
        plan["formats"]
            .as_array()
            .expect("formats")
            .iter()
            .any(|format| format["format"] == "fp8")
    );
}
