//! What the rows of an answer say to run: it fits, it runs as printed, or there is none and the reason is said.

use std::process::{Command, Output};

use serde_json::Value;

fn dsk(arguments: &str) -> Output {
    let words = shlex::split(arguments).expect("words");
    Command::new(env!("CARGO_BIN_EXE_dsk"))
        .env_clear()
        .args(words)
        .output()
        .expect("dsk runs")
}

fn text(arguments: &str) -> (Option<i32>, String, String) {
    let output = dsk(arguments);
    let read = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        read(output.stdout),
        read(output.stderr),
    )
}

fn json(arguments: &str) -> Value {
    let output = dsk(&format!("{arguments} --json"));
    serde_json::from_slice(&output.stdout).expect("a document")
}

/// The rows of a plan or a recommendation.
fn rows(arguments: &str) -> Vec<Value> {
    let document = json(arguments);
    let rows = ["plans", "recommendations"].map(|key| document[key].as_array().cloned());
    rows.into_iter().flatten().next().expect("rows")
}

/// No weights of 13B exist; the release that is run in its place is larger, and is what must fit.
#[test]
fn what_is_started_must_fit() {
    let question = "13b --gpu rtx-5090 --bf16 --context 2048 --engine vllm";
    assert_eq!(text(&format!("memory {question}")).0, Some(0));
    let (code, written, said) = text(&format!("deploy {question} --to vllm"));
    assert_eq!((code, written.as_str()), (Some(3), ""));
    assert!(said.contains("deepseek-r1-distill-qwen-14b"), "{said}");
    let (code, found, _) = text(&format!("check {question}"));
    assert_eq!(code, Some(3), "{found}");
    assert!(found.contains("weights that can be had"), "{found}");
    let plans = rows(&format!("plan {question}"));
    assert!(plans[0]["command"].is_null());
    let note = plans[0]["command_note"].as_str().expect("why not");
    assert!(
        note.contains("deepseek-r1-distill-qwen-14b, which lacks"),
        "{note}"
    );
    // Left free, it takes another format, as it would for the release by its own name.
    let free = "--gpu rtx-5090 --context 2048 --to vllm";
    let (code, ours, _) = text(&format!("deploy 13b {free}"));
    let (_, theirs, _) = text(&format!("deploy r1-distill-qwen-14b {free} --name 13b"));
    assert_eq!(code, Some(0));
    let started = |script: &str| {
        let lines = script.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(started(&ours), started(&theirs));
}

/// As many sequences as the weights that are run hold, not as the article's shape would.
#[test]
fn sequences_are_those_of_the_weights_that_are_run() {
    for (variant, release) in [("175b", "deepseek-v2"), ("65b", "deepseek-llm-67b")] {
        let run = json(&format!("show {variant}"))["entry"]["checkpoint"]["model"].clone();
        let release = run.as_str().unwrap_or(release).to_owned();
        let most = |model: &str| {
            let (code, script, said) = text(&format!("deploy {model} --gpu 8xh200 --to vllm"));
            assert_eq!(code, Some(0), "{said}");
            let words = shlex::split(&script).expect("words");
            let place = words.iter().position(|word| word == "--max-num-seqs");
            words[place.expect("a limit") + 1].clone()
        };
        assert_eq!(most(variant), most(&release));
    }
}

/// Ollama's rows: a server with the plan's variables, a model with its context, from a file that exists.
#[test]
fn ollama_runs_as_printed() {
    let mut seen = 0;
    for row in rows("recommend --gpu 4090 --engine ollama --context 8k --kv q8_0 --sequences 2") {
        let command = row["command"].as_str().expect("a command");
        for part in [
            "OLLAMA_NUM_PARALLEL=2",
            "OLLAMA_KV_CACHE_TYPE=q8_0",
            "ollama serve",
            "PARAMETER num_ctx 8192",
            "ollama create",
            "ollama run",
        ] {
            assert!(command.contains(part), "{part}: {command}");
        }
        let checked = Command::new("sh").args(["-n", "-c", command]).status();
        assert!(checked.expect("sh runs").success(), "{command}");
        let (_, from) = command.split_once("FROM ").expect("weights");
        let from = from.split(['\'', '"']).next().expect("a name");
        match from.strip_prefix("hf.co/") {
            Some(hub) => {
                let (repo, mix) = hub.split_once(':').expect("a mix");
                assert!(repo.ends_with("-GGUF"), "{repo} holds no GGUF");
                assert!(
                    mix == "Q8_0" || mix.contains("_K"),
                    "no conversion has {mix}"
                );
            }
            None => assert!(command.contains(&format!("{} ", from.trim_start_matches("./")))),
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen} rows");
}

/// A user's own file is named as a file.
#[test]
fn ollama_takes_a_file() {
    let folder = std::env::temp_dir().join(format!("dsk-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("own.gguf");
    // The data has the head alone; the rest of the file is a hole.
    std::fs::copy("tests/data/gguf/llama.gguf", &file).expect("a copy");
    let open = std::fs::OpenOptions::new().write(true).open(&file);
    open.and_then(|open| open.set_len(1_579_895_328))
        .expect("a size");
    let name = file.to_str().expect("a name");
    let (code, shown, said) = text(&format!(
        "memory {name} --engine ollama --gpu 4090 --explain"
    ));
    std::fs::remove_dir_all(&folder).expect("removed");
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.contains(&format!("FROM {name}")), "{shown}");
    assert!(!shown.contains("hf.co/"), "{shown}");
}

/// Over several servers each runs a command of its own: the row writes the script that has them.
#[test]
fn several_servers_get_a_script() {
    for question in [
        "plan v3 --gpu 16xh100 --engine vllm",
        "plan v3 --gpu 16xh100 --engine sglang",
        "recommend --gpu 16xh100",
    ] {
        let rows = rows(question);
        let mut written = 0;
        for row in rows.iter().take(6) {
            let Some(command) = row["command"].as_str() else {
                continue;
            };
            let (deploy, run) = command.split_once(" > serve.sh && ").expect("a script");
            assert_eq!(run, "sh serve.sh \"$NODE\" \"$LEADER\"");
            let (code, script, said) = text(deploy.trim_start_matches("dsk "));
            assert_eq!(code, Some(0), "{deploy}: {said}");
            assert!(script.contains("leader=${2:?"), "{script}");
            written += 1;
        }
        assert!(written > 3, "{question}: {written}");
    }
    let plan = json("bench v3 --gpu 16xh100 --engine vllm");
    let first = &plan["plan"]["formats"][0];
    let serve = first["serve"].as_str().expect("a server");
    assert!(serve.contains("--name deepseek-ai/DeepSeek-V3"), "{serve}");
    let speed = first["speed"][0].as_str().expect("a measurement");
    assert!(
        speed.contains("--model deepseek-ai/DeepSeek-V3 "),
        "{speed}"
    );
}

/// A checkpoint in FP8 is quantized by nobody's command: another's is named, or there is none and it says so.
#[test]
fn a_quantized_checkpoint_is_not_quantized_again() {
    for (question, named) in [
        (
            "plan r1 --gpu 8xh100 --engine vllm --quant nvfp4",
            Some("nvidia/DeepSeek-R1-NVFP4"),
        ),
        (
            "plan v3 --gpu 8xh100 --engine vllm --quant awq",
            Some("cognitivecomputations/DeepSeek-V3-AWQ"),
        ),
        ("plan v3 --gpu 8xh100 --engine vllm --quant nvfp4", None),
        ("plan v3 --gpu 8xb200 --engine sglang --quant mxfp4", None),
    ] {
        for row in rows(question) {
            let note = row["command_note"].as_str().unwrap_or_default();
            match (named, row["command"].as_str()) {
                (Some(named), Some(command)) => {
                    assert!(command.contains(named), "{command}");
                    assert!(!command.contains("--quantization"), "{command}");
                    assert!(note.contains("may differ"), "{note}");
                }
                (None, None) => assert!(note.contains("16-bit weights only"), "{note}"),
                (_, command) => panic!("{question}: {command:?} {note}"),
            }
        }
    }
    for engine in ["vllm", "sglang"] {
        let plan = json(&format!(
            "bench r1 --gpu 8xh200 --engine {engine} --all-formats"
        ));
        for format in plan["plan"]["formats"].as_array().expect("formats") {
            let serve = format["serve"].as_str().expect("a server");
            assert!(!serve.contains("--quantization"), "{serve}");
            assert!(format["make"].is_null(), "{format}");
        }
    }
}

/// What cannot be run is null with a reason, never a comment that a shell takes for success.
#[test]
fn no_command_is_a_comment() {
    let mut none = 0;
    for question in [
        "recommend --gpu 4090 --limit 40",
        "recommend --gpu 4090 --engine transformers",
        "recommend --gpu 8xh200 --engine sglang",
        "recommend --gpu 8xmi300x",
        "plan v3 --gpu 8xh100 --engine vllm --quant nvfp4",
        "plan 13b --gpu 2x4090 --engine llama.cpp",
    ] {
        for row in rows(question) {
            if let Some(command) = row["command"].as_str() {
                assert!(!command.starts_with('#') && !command.is_empty());
            } else {
                none += 1;
                assert!(row["command_note"].is_string(), "{question}");
            }
        }
    }
    assert!(none > 0, "no row is without a command");
}
