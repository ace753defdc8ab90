//! What runs where: one answer for one question, whichever command is asked, and the facts behind it.

use std::process::{Command, Output};

use dsk::calc::hardware::{Device, Hardware};
use dsk::catalog::find::find;
use dsk::catalog::{Catalog, Engine, Entry, Format};
use dsk::error::Error;
use dsk::recommend::recommend;
use dsk::request::{Asked, HardwareAsked, Request};

const DEVICES: [&str; 10] = [
    "v100-32",
    "p40",
    "8xa100-80gb",
    "8xl40s",
    "8xh200",
    "8xb200",
    "8xmi250x",
    "8xmi300x",
    "gaudi3",
    "8xascend-910b",
];
const FORMATS: [&str; 4] = ["fp8", "int8", "nvfp4", "bf16"];
const MODELS: [&str; 4] = ["6.7b", "r1", "v3.2", "v4-flash"];

fn hardware(catalog: &Catalog, name: &str) -> Hardware {
    let asked = HardwareAsked {
        gpu: Some(name.to_owned()),
        ..HardwareAsked::default()
    };
    let found = asked.resolve(catalog).expect("a device");
    found.expect("a device")
}

/// Why a question cannot be answered by running it; none where it runs.
fn refusal<T>(answer: dsk::error::Result<T>) -> Option<String> {
    match answer {
        Ok(_) => None,
        Err(Error::CannotRun { reason, .. }) => Some(reason),
        Err(other) => panic!("{other}"),
    }
}

/// What every command resolves and what `recommend` tells of the same model, format, engine and device.
#[test]
fn recommend_and_the_other_commands_agree() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut refused = 0;
    let mut runs = 0;
    for device in DEVICES {
        let hardware = hardware(&catalog, device);
        for engine in ["vllm", "sglang"] {
            for format in FORMATS {
                let asked = dsk::recommend::Asked {
                    engine: Some(engine.to_owned()),
                    format: Some(format.to_owned()),
                    ..dsk::recommend::Asked::default()
                };
                let all = recommend(&catalog, &hardware, &asked);
                for name in MODELS {
                    let model = catalog.model(name).expect("a model");
                    let id = model.id.clone();
                    // Where a checkpoint of as many bits satisfies the name, the other question is about that one.
                    let native = find(catalog.formats().expect("formats"), &model.native);
                    if native.is_ok_and(|native| native.bits <= 8) && format == "fp8" {
                        continue;
                    }
                    let asked = Asked {
                        engine: Some(engine.to_owned()),
                        format: Some(format.to_owned()),
                        ..Asked::default()
                    };
                    let one = refusal(Request::resolve(
                        &catalog,
                        model,
                        Some(hardware.clone()),
                        &asked,
                    ));
                    let told = match &all {
                        Err(Error::CannotRun { reason, .. }) => Some(reason.clone()),
                        Err(other) => panic!("{other}"),
                        Ok(all) => all
                            .rejected
                            .iter()
                            .find(|rejection| rejection.model == id)
                            .map(|rejection| rejection.reason.clone())
                            .filter(|reason| reason.contains("not known to run")),
                    };
                    assert_eq!(one, told, "{id} in {format} on {engine}, {device}");
                    if one.is_some() {
                        refused += 1;
                    } else {
                        runs += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 50 && runs > 50, "{refused} refused, {runs} run");
}

fn dsk(words: &str) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_dsk"))
        .args(words.split(' '))
        .env_remove("DSK_CATALOG")
        .output();
    output.expect("the program")
}

/// The same words and the same exit code from every command.
#[test]
fn every_command_gives_the_same_reason() {
    let cases = [
        (
            "v4-flash",
            "8xl40s",
            "vllm",
            "",
            "vLLM is not known to run DeepSeek-V4 on",
        ),
        (
            "6.7b",
            "v100-32",
            "vllm",
            " --fp8",
            "vLLM is not known to run `fp8` on",
        ),
        ("6.7b", "p100", "vllm", "", "vLLM is not known to run on"),
        (
            "6.7b",
            "v100-32",
            "sglang",
            "",
            "SGLang is not known to run on",
        ),
        (
            "6.7b",
            "gaudi3",
            "llama.cpp",
            "",
            "llama.cpp is not known to run on",
        ),
        (
            "6.7b",
            "core-i9-14900k",
            "vllm",
            "",
            "which is not calculated",
        ),
    ];
    for (model, device, engine, format, reason) in cases {
        let on = format!("--gpu {device} --engine {engine}{format}");
        let mut commands: Vec<String> = ["memory", "speed", "check", "plan", "bench"]
            .iter()
            .map(|command| format!("{command} {model} {on}"))
            .collect();
        commands.push(format!("deploy {model} {on} --to {engine}"));
        commands.push(format!("recommend {on} --json"));
        for words in commands {
            let output = dsk(&words);
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(plain.contains(reason), "{words}: {text}");
            // recommend has other models to offer where only this one does not run.
            if !words.starts_with("recommend") || !reason.contains("DeepSeek") {
                assert_eq!(output.status.code(), Some(3), "{words}: {text}");
            }
        }
    }
}

/// What the engines' own sources say, pair by pair.
#[test]
fn pairs_of_engine_and_format_run_where_their_sources_say() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let (engines, formats) = (
        catalog.engines().expect("engines"),
        catalog.formats().expect("formats"),
    );
    let pairs = [
        ("vllm", "fp8", "t4", true),
        ("vllm", "fp8", "v100-32", false),
        ("vllm", "bf16", "v100-32", false),
        ("vllm", "fp16", "v100-32", true),
        ("vllm", "bf16", "a100-80gb", true),
        ("vllm", "int8", "h200", true),
        ("vllm", "int8", "b200", false),
        ("vllm", "fp8", "mi300x", true),
        ("vllm", "fp8", "mi250x", false),
        ("vllm", "nvfp4", "mi300x", false),
        ("vllm", "nvfp4", "h200", true),
        ("sglang", "nvfp4", "h200", false),
        ("sglang", "nvfp4", "b200", true),
        ("vllm", "fp8", "ascend-910b", false),
        ("vllm", "bf16", "gaudi3", true),
        ("vllm", "fp16", "p100", false),
        ("sglang", "fp16", "t4", true),
        ("sglang", "fp16", "v100-32", false),
        ("llama.cpp", "q4_k_m", "p40", true),
        ("llama.cpp", "q4_k_m", "gaudi3", false),
        ("ollama", "q4_k_m", "ascend-910b", false),
        ("llama.cpp", "q4_k_m", "ascend-910b", true),
        ("transformers", "nf4", "p100", true),
        ("transformers", "bnb-int8", "p100", false),
    ];
    for (engine, format, device, runs) in pairs {
        let found: (&Engine, &Format) = (
            find(engines, engine).expect("an engine"),
            find(formats, format).expect("a format"),
        );
        let on = hardware(&catalog, device);
        assert_eq!(
            on.runs(found.0, found.1),
            runs,
            "{engine} {format} on {device}"
        );
    }
}

/// Every device of the catalog has an engine, every format is said to run somewhere, and no name is misspelt.
#[test]
fn every_format_runs_somewhere_and_every_architecture_exists() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let gpus = catalog.gpus().expect("gpus");
    let engines = catalog.engines().expect("engines");
    let bare = &catalog.defaults().expect("defaults").bare_memory;
    let devices: Vec<Device> = gpus
        .iter()
        .map(|gpu| {
            let size = gpu.memory.options_gb.last().copied();
            Device::of(gpu, size, bare).unwrap_or_else(|| Device::cpu(Some(gpu), None))
        })
        .collect();
    for device in &devices {
        let any = engines
            .iter()
            .any(|engine| device.refusal(engine).is_none());
        assert!(any, "{} has no engine", device.name);
    }
    let exists = |name: &String| gpus.iter().any(|gpu| gpu.architecture == *name);
    for format in catalog.formats().expect("formats") {
        for engine in &format.engines {
            let engine = find(engines, engine).expect("an engine");
            let any = devices.iter().any(|device| device.runs(engine, format));
            assert!(any, "{} of {} runs nowhere", format.id(), engine.id());
        }
        for site in format.runs.iter().flat_map(|runs| &runs.on) {
            assert!(
                site.architectures.iter().all(exists),
                "{}: {site}",
                format.id
            );
        }
    }
    for engine in engines {
        for site in engine.runs.iter().flat_map(|runs| &runs.on) {
            assert!(
                site.architectures.iter().all(exists),
                "{}: {site}",
                engine.id
            );
        }
    }
}

/// Devices of different makers, or a machine and a card, make no server.
#[test]
fn a_mixture_is_refused_with_its_reason() {
    for words in [
        "plan 13b --gpu h100,mi300x --engine vllm",
        "memory 13b --gpu h100,mi300x",
        "recommend --gpu 2x4090,m2-ultra-192",
        "check 13b --gpu 4090,strix-halo",
    ] {
        let output = dsk(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{words}: {text}");
        assert!(text.contains("not calculated together"), "{words}: {text}");
    }
    assert_eq!(dsk("plan 13b --gpu 4090,3090").status.code(), Some(0));
}
