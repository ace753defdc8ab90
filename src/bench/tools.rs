//! The measuring tools' command lines, for a POSIX shell.

use crate::catalog::{Allocator, Engine};
use crate::deploy::{Launch, Weights, create_in_ollama, quoted, server_line, told_to_quantize};
use crate::error::Result;

/// The article's sets, as lm-evaluation-harness names them.
const TASKS: &str = "lambada_openai,piqa";
/// Where each engine listens unless told otherwise.
const VLLM: &str = "http://localhost:8000";
const SGLANG: &str = "http://localhost:30000";
const LLAMA_CPP_PYTHON: &str = "http://localhost:8000";
const OLLAMA: &str = "http://localhost:11434";

/// A format as it is served.
pub(super) struct Served<'a> {
    pub(super) launch: Launch<'a>,
    /// What the engine reads, and every tool names.
    pub(super) weights: Weights,
    pub(super) lengths: &'a [(u64, u64)],
    pub(super) concurrencies: &'a [u64],
}

/// Whether Ollama serves, which loads models under names of its own.
pub(super) fn is_ollama(engine: &Engine) -> bool {
    engine.id == "ollama"
}

impl Served<'_> {
    /// What the engine is pointed at.
    fn name(&self) -> &str {
        &self.weights.place
    }

    /// The list of clients for a loop of the shell.
    fn clients(&self) -> String {
        joined(self.concurrencies, " ")
    }

    /// The name under which Ollama keeps the weights.
    fn in_ollama(&self) -> String {
        format!("dsk-{}", self.launch.format.id)
    }

    /// llama-cpp-python's server of the file, which answers with the probabilities that accuracy is counted from.
    fn llama_cpp_python(&self) -> String {
        format!(
            "python -m llama_cpp.server --model {} --logits_all true --n_gpu_layers {}",
            quoted(self.name()),
            if self.launch.on_processor() { 0 } else { -1 }
        )
    }
}

/// What makes the weights, where they must be made.
pub(super) fn make(served: &Served<'_>) -> Option<String> {
    let steps: Vec<String> = served
        .weights
        .steps
        .iter()
        .map(crate::deploy::Command::line)
        .collect();
    (!steps.is_empty()).then(|| steps.join(" && "))
}

/// What serves it.
///
/// # Errors
/// When the engine cannot be started that way.
pub(super) fn serve(served: &Served<'_>) -> Result<String> {
    let engine = served.launch.engine;
    match engine.allocator {
        Allocator::LlamaCpp if !is_ollama(engine) => Ok(served.llama_cpp_python()),
        Allocator::Vllm | Allocator::Sglang | Allocator::LlamaCpp => {
            server_line(&served.launch, Some(served.name()))
        }
        Allocator::Transformers => Ok("transformers serve".to_owned()),
    }
}

/// What measures the accuracy.
pub(super) fn accuracy(served: &Served<'_>) -> String {
    let launch = &served.launch;
    let (name, tensor) = (served.name(), launch.split.tensor);
    let (kind, arguments) = match launch.engine.allocator {
        Allocator::Vllm => (
            "local-completions",
            format!("model={name},base_url={VLLM}/v1/completions,num_concurrent=8"),
        ),
        Allocator::Sglang => ("sglang", {
            let quantization = told_to_quantize(launch)
                .map_or_else(String::new, |method| format!(",quantization={method}"));
            format!("pretrained={name},tp_size={tensor}{quantization}")
        }),
        Allocator::LlamaCpp => ("gguf", format!("base_url={LLAMA_CPP_PYTHON}")),
        Allocator::Transformers => ("hf", format!("pretrained={name},dtype=auto")),
    };
    let measure = format!(
        "lm_eval --model {kind} --model_args {} --tasks {TASKS} --output_path {}",
        quoted(&arguments),
        quoted(&format!("results/{}", launch.format.id))
    );
    if !is_ollama(launch.engine) {
        return measure;
    }
    // Ollama tells no probabilities of a prompt's tokens: the same file is measured in llama.cpp, from which it comes.
    format!(
        "{} & server=$!; until curl -fsS {LLAMA_CPP_PYTHON}/v1/models >/dev/null 2>&1; do sleep 1; done; {measure}; kill $server",
        served.llama_cpp_python()
    )
}

/// What measures the speed, a command for each length.
///
/// # Errors
/// When Ollama cannot name the weights.
pub(super) fn speed(served: &Served<'_>) -> Result<Vec<String>> {
    let engine = served.launch.engine;
    Ok(match engine.allocator {
        Allocator::LlamaCpp if is_ollama(engine) => {
            let mut commands = vec![create_in_ollama(
                &served.launch,
                served.name(),
                &served.in_ollama(),
            )?];
            commands.extend(loops(served, ollama));
            commands
        }
        Allocator::LlamaCpp => vec![batched(served)],
        Allocator::Vllm => loops(served, vllm),
        Allocator::Sglang => loops(served, sglang),
        Allocator::Transformers => loops(served, transformers),
    })
}

fn loops(served: &Served<'_>, one: fn(&Served<'_>, (u64, u64)) -> String) -> Vec<String> {
    let clients = served.clients();
    served
        .lengths
        .iter()
        .map(|length| {
            format!(
                "for clients in {clients}; do {}; done",
                one(served, *length)
            )
        })
        .collect()
}

fn vllm(served: &Served<'_>, (input, output): (u64, u64)) -> String {
    let format = &served.launch.format.id;
    format!(
        "vllm bench serve --base-url {VLLM} --model {} --dataset-name random --random-input-len {input} --random-output-len {output} --ignore-eos --num-prompts $((clients * 10)) --max-concurrency $clients --percentile-metrics ttft,tpot,itl,e2el --metric-percentiles 50,90,99 --save-result --result-dir results --result-filename {}-$clients.json",
        quoted(served.name()),
        quoted(&format!("{format}-{input}-{output}"))
    )
}

fn sglang(served: &Served<'_>, (input, output): (u64, u64)) -> String {
    let format = &served.launch.format.id;
    format!(
        "python -m sglang.benchmark.serving --backend sglang --base-url {SGLANG} --model {} --dataset-name random-ids --random-input-len {input} --random-output-len {output} --random-range-ratio 1 --num-prompts $((clients * 10)) --max-concurrency $clients --output-file {}",
        quoted(served.name()),
        quoted(&format!("results/{format}-{input}-{output}.jsonl"))
    )
}

/// Transformers has no benchmark of its serving: this program's.
fn transformers(served: &Served<'_>, length: (u64, u64)) -> String {
    own(served, (VLLM, served.name()), length)
}

/// Nor has Ollama.
fn ollama(served: &Served<'_>, length: (u64, u64)) -> String {
    own(served, (OLLAMA, &served.in_ollama()), length)
}

/// This program's own measurement of the server at `address`.
fn own(served: &Served<'_>, (address, name): (&str, &str), (input, output): (u64, u64)) -> String {
    let model = served.launch.path.unwrap_or(&served.launch.model.id);
    format!(
        "dsk bench {} --url {address}/v1 --served-name {} --input {input} --output-tokens {output} --concurrency $clients --json",
        quoted(model),
        quoted(name)
    )
}

/// llama.cpp measures every length with every number of sequences in one go.
fn batched(served: &Served<'_>) -> String {
    let launch = &served.launch;
    let longest = served.lengths.iter().map(|(input, output)| input + output);
    let sequences = served.concurrencies.iter().copied().max().unwrap_or(1);
    let context = longest.max().unwrap_or(1).saturating_mul(sequences);
    let inputs: Vec<u64> = served.lengths.iter().map(|(input, _)| *input).collect();
    let output = served.lengths.first().map_or(1, |(_, output)| *output);
    let layers = match (launch.on_processor(), launch.options.gpu_layers) {
        (true, _) => 0,
        (false, layers) => layers.unwrap_or(99),
    };
    format!(
        "llama-batched-bench -m {} -c {context} -npp {} -ntg {output} -npl {} -ngl {layers}",
        quoted(served.name()),
        joined(&inputs, ","),
        joined(served.concurrencies, ",")
    )
}

fn joined(numbers: &[u64], by: &str) -> String {
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    words.join(by)
}
