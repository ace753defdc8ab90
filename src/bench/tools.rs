//! The measuring tools' command lines, for a POSIX shell.

use crate::catalog::{Allocator, Format, Model};
use crate::deploy::{Launch, quoted, serve as serve_by};

/// The article's sets, as lm-evaluation-harness names them.
const TASKS: &str = "lambada_openai,piqa";
/// Where each engine listens unless told otherwise.
const VLLM: &str = "http://localhost:8000";
const SGLANG: &str = "http://localhost:30000";
const LLAMA_CPP_PYTHON: &str = "http://localhost:8000";

/// A format as it is served.
pub(super) struct Served<'a> {
    pub(super) launch: Launch<'a>,
    /// The file or folder, where it is made or the user's own.
    pub(super) path: Option<String>,
    pub(super) lengths: &'a [(u64, u64)],
    pub(super) concurrencies: &'a [u64],
}

/// The file or folder that `format`'s own command makes of `model`: the last that it names.
pub(super) fn made(format: &Format, model: &Model) -> Option<String> {
    let make = format.make.as_deref()?;
    let (_, rest) = make.rsplit_once("{name}")?;
    let end = |letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    let suffix = rest.split(end).next().unwrap_or_default();
    let repo = repository(model);
    let name = repo.rsplit('/').next().unwrap_or(repo);
    Some(format!("{name}{suffix}"))
}

fn repository(model: &Model) -> &str {
    model
        .checkpoint
        .as_ref()
        .map_or(model.id.as_str(), |weights| weights.repo.as_str())
}

impl Served<'_> {
    /// What the engine is pointed at.
    fn name(&self) -> &str {
        self.path
            .as_deref()
            .unwrap_or_else(|| repository(self.launch.model))
    }

    /// The list of clients for a loop of the shell.
    fn clients(&self) -> String {
        joined(self.concurrencies, " ")
    }

    /// The engine's own command, pointed at what is measured; the reason in a comment where it has none.
    fn engine(&self) -> String {
        let launch = Launch {
            path: self.path.as_deref(),
            ..self.launch
        };
        match serve_by(&launch) {
            Ok(command) => command.line(),
            Err(reason) => format!("# {reason}"),
        }
    }
}

/// What serves it.
pub(super) fn serve(served: &Served<'_>) -> String {
    match served.launch.engine.allocator {
        Allocator::Vllm | Allocator::Sglang => served.engine(),
        Allocator::LlamaCpp => format!(
            "python -m llama_cpp.server --model {} --logits_all true --n_gpu_layers {}",
            quoted(served.name()),
            if served.launch.on_processor() { 0 } else { -1 }
        ),
        Allocator::Transformers => "transformers serve".to_owned(),
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
            let on_load = served.path.is_none() && launch.format.id != launch.model.native;
            let quantization = if on_load && launch.format.bits <= 8 {
                format!(",quantization={}", launch.format.id)
            } else {
                String::new()
            };
            format!("pretrained={name},tp_size={tensor}{quantization}")
        }),
        Allocator::LlamaCpp => ("gguf", format!("base_url={LLAMA_CPP_PYTHON}")),
        Allocator::Transformers => ("hf", format!("pretrained={name},dtype=auto")),
    };
    format!(
        "lm_eval --model {kind} --model_args {} --tasks {TASKS} --output_path {}",
        quoted(&arguments),
        quoted(&format!("results/{}", launch.format.id))
    )
}

/// What measures the speed, a command for each length.
pub(super) fn speed(served: &Served<'_>) -> Vec<String> {
    match served.launch.engine.allocator {
        Allocator::LlamaCpp => vec![batched(served)],
        Allocator::Vllm => loops(served, vllm),
        Allocator::Sglang => loops(served, sglang),
        Allocator::Transformers => loops(served, own),
    }
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
fn own(served: &Served<'_>, (input, output): (u64, u64)) -> String {
    format!(
        "dsk bench {} --url {VLLM}/v1 --served-name {} --input {input} --output-tokens {output} --concurrency $clients --json",
        quoted(&served.launch.model.id),
        quoted(served.name())
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
