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
            let single = [&format["make"], &format["serve"], &format["accuracy"]];
            let speed = format["speed"].as_array().expect("speed");
            single.into_iter().chain(speed).filter_map(Value::as_str)
        })
        .map(str::to_owned)
        .collect()
}

/// Programs whose flags are not listed anywhere here, and that `make` and Ollama's commands are written with.
const OTHERS: [&str; 17] = [
    "python -c",
    "python convert_hf_to_gguf.py",
    "hf download",
    "llama-quantize",
    "llama-imatrix",
    "test -s",
    "transformers serve",
    "ollama serve",
    "ollama create",
    "printf",
    "until curl",
    "do sleep",
    "do dsk bench",
    "done",
    "server=$!",
    "kill $server",
    "curl",
];

/// The commands of one line of a shell, without the loop around them and the variables before them.
fn parts(line: &str) -> Vec<String> {
    let apart = line.replace(" && ", "\u{1}").replace("; ", "\u{1}");
    apart
        .replace(" & server", "\u{1}server")
        .split('\u{1}')
        .filter(|part| !part.starts_with("for clients in "))
        .map(|part| {
            let words = part.split(' ');
            let assigned = |word: &&str| {
                word.split_once('=').is_some_and(|(name, _)| {
                    name.chars()
                        .all(|letter| letter.is_ascii_uppercase() || letter == '_')
                })
            };
            let kept: Vec<&str> = words.skip_while(assigned).collect();
            kept.join(" ")
        })
        .collect()
}

/// The flags that an engine's own parser accepts.
fn server_flags(data: &str) -> Vec<String> {
    data.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('|').next())
        .flat_map(|names| names.split(','))
        .map(str::to_owned)
        .collect()
}

/// What is accepted by all that has a parser here.
fn all_tools() -> Vec<Tool> {
    let mut tools = tools();
    for (command, data) in [
        (
            "vllm serve",
            include_str!("data/engine-flags/vllm-0.32.0.txt"),
        ),
        (
            "python -m sglang.launch_server",
            include_str!("data/engine-flags/sglang-0.5.23.txt"),
        ),
    ] {
        tools.push(Tool {
            command: command.to_owned(),
            flags: server_flags(data),
        });
    }
    tools
}

#[test]
fn every_flag_is_one_that_the_tool_has() {
    let tools = all_tools();
    let mut used = vec![0; tools.len()];
    for arguments in [
        ["6.7b", "--engine", "vllm"],
        ["v3", "--engine", "sglang"],
        ["13b", "--engine", "llama.cpp"],
        ["13b", "--engine", "ollama"],
        ["6.7b", "--engine", "transformers"],
    ] {
        for every in [&[][..], &["--all-formats"]] {
            for line in commands(&plan(&[&arguments[..], every].concat())) {
                // A line of Python has its own signs between commands.
                let parts = if line.starts_with("python -c") {
                    vec![line]
                } else {
                    parts(&line)
                };
                for command in parts {
                    let place = tools
                        .iter()
                        .position(|tool| command.contains(&tool.command));
                    let Some(place) = place else {
                        let known = OTHERS.iter().any(|other| command.starts_with(other));
                        assert!(known, "nobody knows the flags of: {command}");
                        continue;
                    };
                    used[place] += 1;
                    has_flags(&command, &tools[place]);
                }
            }
        }
    }
    for (tool, used) in tools.iter().zip(used) {
        assert!(used > 0, "no plan uses {}", tool.command);
    }
}

fn has_flags(command: &str, tool: &Tool) {
    let words = shlex::split(command).expect("words of a shell");
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

/// This program's own flags, which stand in the commands of engines without a benchmark.
#[test]
fn its_own_flags_exist() {
    let help = Command::new(env!("CARGO_BIN_EXE_dsk"))
        .env_clear()
        .args(["bench", "--help"])
        .output()
        .expect("dsk runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let mut checked = 0;
    for engine in ["ollama", "transformers"] {
        for line in commands(&plan(&["6.7b", "--engine", engine])) {
            let own = parts(&line).into_iter();
            for command in own.filter(|part| part.starts_with("do dsk bench")) {
                checked += 1;
                for flag in command.split(' ').filter(|word| word.starts_with("--")) {
                    assert!(
                        help.contains(&format!(" {flag} ")) || help.contains(flag),
                        "{flag}"
                    );
                }
            }
        }
    }
    assert!(checked > 4, "{checked}");
}

/// The word after `flag`.
fn after<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    let place = words.iter().position(|word| word == flag)?;
    words.get(place + 1).map(String::as_str)
}

/// What a command of `make` leaves: the last literal of a line of Python, or the file that a converter writes.
fn written(make: &str) -> String {
    let last = if make.starts_with("python -c") {
        make
    } else {
        make.rsplit(" && ").next().expect("a command")
    };
    let words = shlex::split(last).expect("words of a shell");
    if last.starts_with("python -c") {
        let literals: Vec<&str> = words[2].split('\'').collect();
        return literals[literals.len() - 2].to_owned();
    }
    after(&words, "--outfile").map_or_else(|| words[words.len() - 2].clone(), str::to_owned)
}

/// What a command reads, wherever each tool names it.
fn read(command: &str) -> Option<String> {
    let words = shlex::split(command).expect("words of a shell");
    if words.starts_with(&["vllm".to_owned(), "serve".to_owned()]) {
        return words.get(2).cloned();
    }
    for flag in ["--model-path", "-m", "--served-name", "--model"] {
        let value = after(&words, flag)
            .filter(|value| !value.contains("llama_cpp") && !value.starts_with("sglang"));
        if command.contains("lm_eval") {
            break;
        }
        if let Some(value) = value {
            return Some(value.to_owned());
        }
    }
    let from = words.iter().find_map(|word| word.strip_prefix("FROM ./"));
    let asked = words.iter().find_map(|word| {
        let rest = word
            .strip_prefix("model=")
            .or(word.strip_prefix("pretrained="))?;
        rest.split(',').next()
    });
    from.or(asked).map(str::to_owned)
}

/// What is made is what is served, what is asked for and what is measured: every format of every engine.
#[test]
fn one_name_goes_through_a_format() {
    let mut counts = std::collections::BTreeMap::new();
    for engine in ["vllm", "sglang", "llama.cpp", "ollama", "transformers"] {
        let plan = plan(&["6.7b", "--engine", engine, "--all-formats"]);
        for format in plan["formats"].as_array().expect("formats") {
            let text = |key: &str| format[key].as_str().map(str::to_owned);
            let place = match text("make") {
                Some(make) => {
                    *counts.entry(engine).or_insert(0) += 1;
                    written(&make)
                }
                None => "deepseek-ai/deepseek-coder-6.7b-instruct".to_owned(),
            };
            let serve = text("serve").expect("a server");
            let speed = format["speed"].as_array().expect("speed");
            let speed = speed.iter().filter_map(Value::as_str).map(str::to_owned);
            let all = [serve, text("accuracy").expect("accuracy")];
            let mut readers = 0;
            for command in all.into_iter().chain(speed) {
                let command = command.split(" & server").next().expect("a command");
                let command = command.rsplit("; do ").next().expect("a command");
                let command = command.trim_end_matches("; done");
                let Some(name) = read(command) else { continue };
                if name.starts_with("dsk-") {
                    continue;
                }
                assert_eq!(name, place, "{engine}: {command}");
                readers += 1;
            }
            assert!(readers >= 2, "{engine} {format}");
        }
    }
    // INT8, INT4, GPTQ, AWQ, NF4, NVFP4; Transformers has bitsandbytes' INT8 in place of INT4 and NVFP4.
    assert_eq!(counts["vllm"], 6);
    assert_eq!(counts["sglang"], 6);
    assert_eq!(counts["transformers"], 5);
    assert!(
        counts["llama.cpp"] > 25 && counts["ollama"] > 25,
        "{counts:?}"
    );
}

/// SGLang is told the same quantization by the server's command and by the accuracy tool.
#[test]
fn sglang_is_told_one_quantization() {
    let plan = plan(&["6.7b", "--engine", "sglang", "--all-formats"]);
    let mut told = Vec::new();
    for format in plan["formats"].as_array().expect("formats") {
        let serve = shlex::split(format["serve"].as_str().expect("a server")).expect("words");
        let accuracy = format["accuracy"].as_str().expect("accuracy");
        let asked = accuracy
            .split_once("quantization=")
            .map(|(_, rest)| rest.split(['\'', ',', ' ']).next().expect("a word"));
        assert_eq!(after(&serve, "--quantization"), asked, "{accuracy}");
        told.extend(asked.map(str::to_owned));
    }
    assert_eq!(told, ["fp8", "mxfp4"]);
}

/// Ollama itself is measured, by the name under which the file was put into it.
#[test]
fn ollama_is_what_is_measured() {
    let plan = plan(&["6.7b", "--engine", "ollama", "--context", "8k"]);
    for format in plan["formats"].as_array().expect("formats") {
        let serve = format["serve"].as_str().expect("a server");
        assert!(serve.contains("ollama serve"), "{serve}");
        let speed: Vec<&str> = format["speed"]
            .as_array()
            .expect("speed")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(speed[0].contains("PARAMETER num_ctx 8192"), "{}", speed[0]);
        let name = shlex::split(speed[0]).expect("words");
        let name = after(&name, "create").expect("a name");
        for loop_ in &speed[1..] {
            assert!(loop_.contains("--url http://localhost:11434/v1"), "{loop_}");
            assert!(loop_.contains(&format!("--served-name {name} ")), "{loop_}");
        }
    }
}

#[test]
fn commands_are_right_for_a_shell() {
    for engine in ["vllm", "sglang", "llama.cpp", "ollama", "transformers"] {
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
