//! The one-line command that runs a model on its engine.

use crate::calc::load::{Options, Split};
use crate::calc::sglang::attention_replicas;
use crate::catalog::format::Storage;
use crate::catalog::{Allocator, Engine, Format, KvFormat, Model};
use crate::units::Tokens;

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The model.
    pub model: &'a Model,
    /// The weight format.
    pub format: &'a Format,
    /// The cache format.
    pub kv: KvFormat,
    /// Tokens that one sequence may hold.
    pub context: Tokens,
    /// Sequences at once.
    pub sequences: u64,
    /// The engine.
    pub engine: &'a Engine,
    /// The split over devices.
    pub split: Split,
    /// Whether it runs on the processor.
    pub processor: bool,
    /// Settings of the engine, where they are not its defaults.
    pub options: Options,
}

/// The command, for a POSIX shell; what comes from outside is quoted.
#[must_use]
pub fn command(launch: &Launch<'_>) -> String {
    let repo = launch
        .model
        .checkpoint
        .as_ref()
        .map_or(launch.model.id.as_str(), |weights| weights.repo.as_str());
    match (launch.engine.allocator, launch.engine.id.as_str()) {
        (Allocator::LlamaCpp, "ollama") => ollama(launch, repo),
        (Allocator::LlamaCpp, _) => llama_server(launch, repo),
        (Allocator::Vllm, _) => vllm(launch, repo),
        (Allocator::Sglang, _) => sglang(launch, repo),
        (Allocator::Transformers, _) => format!("transformers chat {}", quoted(repo)),
    }
}

/// `text` as one word of a POSIX shell.
#[must_use]
pub fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

/// llama.cpp's name of the mix, or the format's own.
fn mix(format: &Format) -> &str {
    match &format.storage {
        Storage::Gguf { mix } => mix,
        Storage::Plain {} | Storage::Scaled(_) | Storage::Native {} => &format.name,
    }
}

fn gguf<'a>(launch: &Launch<'a>) -> Option<&'a str> {
    launch.model.checkpoint.as_ref()?.gguf.as_deref()
}

fn llama_server(launch: &Launch<'_>, repo: &str) -> String {
    let mut settings = format!(
        "--ctx-size {} --parallel {} --n-gpu-layers {}",
        launch.context.0.saturating_mul(launch.sequences),
        launch.sequences,
        match (launch.processor, launch.options.gpu_layers) {
            (true, _) => 0,
            (false, layers) => layers.unwrap_or(99),
        }
    );
    if launch.kv != KvFormat::F16 {
        let name = launch.kv.name();
        settings.push_str(&format!(" --cache-type-k {name} --cache-type-v {name}"));
    }
    if let Some(tokens) = launch.options.micro_batch {
        settings.push_str(&format!(" --ubatch-size {tokens}"));
    }
    if let Some(on) = launch.options.flash_attention {
        settings.push_str(if on {
            " --flash-attn on"
        } else {
            " --flash-attn off"
        });
    }
    match launch.options.host_experts {
        0 => {}
        layers if layers >= launch.model.shape.layers => settings.push_str(" --cpu-moe"),
        layers => settings.push_str(&format!(" --n-cpu-moe {layers}")),
    }
    if launch.options.unified_cache {
        settings.push_str(" --kv-unified");
    }
    let mix = mix(launch.format);
    if let Some(converted) = gguf(launch).filter(|_| is_published(mix)) {
        return format!(
            "llama-server -hf {} {settings}",
            quoted(&format!("{converted}:{mix}"))
        );
    }
    let name = repo.rsplit('/').next().unwrap_or(repo);
    let file = |mix: &str| quoted(&format!("{name}-{mix}.gguf"));
    let (folder, repo, small) = (quoted(name), quoted(repo), file(mix));
    let fetch = format!("hf download {repo} --local-dir {folder}");
    let convert = |kind: &str, out: &str| {
        format!("python convert_hf_to_gguf.py {folder} --outtype {kind} --outfile {out}")
    };
    let serve = format!("llama-server -m {small} {settings}");
    let direct = match mix {
        "F32" => Some("f32"),
        "F16" => Some("f16"),
        "BF16" => Some("bf16"),
        "NATIVE" => Some("auto"),
        _ => None,
    };
    if let Some(kind) = direct {
        return format!("{fetch} && {} && {serve}", convert(kind, &small));
    }
    let whole = file("F16");
    format!(
        "{fetch} && {} && llama-quantize {whole} {small} {mix} && {serve}",
        convert("f16", &whole)
    )
}

/// Whether those who publish conversions usually offer the mix: K-quants and `Q8_0`, which need no importance matrix.
fn is_published(mix: &str) -> bool {
    mix == "Q8_0" || (mix.starts_with('Q') && mix.contains("_K"))
}

fn ollama(launch: &Launch<'_>, repo: &str) -> String {
    let source = gguf(launch).unwrap_or(repo);
    format!(
        "OLLAMA_CONTEXT_LENGTH={} OLLAMA_NUM_PARALLEL={} ollama run {}",
        launch.context,
        launch.sequences,
        quoted(&format!("hf.co/{source}:{}", mix(launch.format)))
    )
}

fn vllm(launch: &Launch<'_>, repo: &str) -> String {
    let mut command = format!(
        "vllm serve {} --max-model-len {} --max-num-seqs {}",
        quoted(repo),
        launch.context,
        launch.sequences
    );
    command.push_str(&quantization(launch));
    match launch.kv {
        KvFormat::Fp8 | KvFormat::Fp8IndexFp4 => command.push_str(" --kv-cache-dtype fp8"),
        KvFormat::Fp8DsMla => command.push_str(" --kv-cache-dtype fp8_ds_mla"),
        KvFormat::F32
        | KvFormat::F16
        | KvFormat::Nvfp4DsMla
        | KvFormat::Q8_0
        | KvFormat::Q5_1
        | KvFormat::Q5_0
        | KvFormat::Q4_1
        | KvFormat::Q4_0
        | KvFormat::Iq4Nl => {}
    }
    if let Some(share) = launch.options.utilization {
        command.push_str(&format!(" --gpu-memory-utilization {share}"));
    }
    if let Some(tokens) = launch.options.batched_tokens {
        command.push_str(&format!(" --max-num-batched-tokens {tokens}"));
    }
    for (flag, parts) in [
        ("tensor", launch.split.tensor),
        ("pipeline", launch.split.pipeline),
        ("data", launch.split.data),
    ] {
        if parts > 1 {
            command.push_str(&format!(" --{flag}-parallel-size {parts}"));
        }
    }
    if launch.split.expert > 1 {
        command.push_str(" --enable-expert-parallel");
    }
    command
}

fn sglang(launch: &Launch<'_>, repo: &str) -> String {
    let mut command = format!(
        "python -m sglang.launch_server --model-path {} --context-length {} --max-running-requests {}",
        quoted(repo),
        launch.context,
        launch.sequences
    );
    command.push_str(&quantization(launch));
    if let Some(share) = launch.options.utilization {
        command.push_str(&format!(" --mem-fraction-static {share}"));
    }
    if let Some(tokens) = launch.options.batched_tokens {
        command.push_str(&format!(" --chunked-prefill-size {tokens}"));
    }
    let split = launch.split;
    let shared = attention_replicas(&launch.model.shape, &split);
    for (flag, parts) in [
        ("tp", split.tensor.saturating_mul(shared)),
        ("pp", split.pipeline),
        ("dp", split.data),
        ("ep", split.expert),
    ] {
        if parts > 1 {
            command.push_str(&format!(" --{flag}-size {parts}"));
        }
    }
    if shared > 1 {
        command.push_str(" --enable-dp-attention");
    }
    command
}

/// The flag for formats that an engine makes from a 16-bit checkpoint while it loads.
fn quantization(launch: &Launch<'_>) -> String {
    if launch.format.id == launch.model.native {
        return String::new();
    }
    match launch.format.id.as_str() {
        "fp8" => " --quantization fp8".to_owned(),
        "bf16" => " --dtype bfloat16".to_owned(),
        "fp16" => " --dtype float16".to_owned(),
        "fp32" => " --dtype float32".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find::find;
    use crate::catalog::{Basis, Catalog, Origin};

    /// A repository name from a folder of the user's own must reach the shell as one word.
    #[test]
    fn hostile_names_stay_one_word() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let mut model = catalog.model("6.7b").expect("a model");
        model.origin = Origin::File;
        model.basis = Basis::Exact;
        for hostile in [
            "a b",
            "$(reboot)",
            "x'; reboot; '",
            "`id`",
            "a\nb",
            "--flag",
            "\u{e9}",
        ] {
            let weights = model.checkpoint.as_mut().expect("a checkpoint");
            hostile.clone_into(&mut weights.repo);
            weights.gguf = None;
            for (engine, format) in [("vllm", "bf16"), ("sglang", "fp8"), ("ollama", "q8_0")] {
                let launch = Launch {
                    model: &model,
                    format: find(catalog.formats().expect("formats"), format).expect("a format"),
                    kv: KvFormat::F16,
                    context: Tokens(4096),
                    sequences: 1,
                    engine: find(catalog.engines().expect("engines"), engine).expect("an engine"),
                    split: Split::SINGLE,
                    processor: false,
                    options: Options::default(),
                };
                let words = shlex::split(&command(&launch)).expect("words of a shell");
                assert!(words.iter().any(|word| word.contains(hostile)), "{words:?}");
            }
        }
    }
}
