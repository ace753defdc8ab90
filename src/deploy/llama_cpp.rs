//! llama.cpp's server.

use super::launch::Launch;
use super::make::Weights;
use super::question::{Deployment, Question};
use super::words::{Arguments, Command, operand};
use crate::calc::availability::is_published;
use crate::catalog::format::Storage;
use crate::catalog::{Format, KvFormat, Setting};
use crate::error::Result;
use crate::request::no_such_cache;
use crate::units::count;

/// The text that an importance matrix is measured on.
const CALIBRATION: &str = "calibration.txt";
/// More layers than any model has: all of them.
const ALL_LAYERS: u32 = 99;

/// Where the GGUF file comes from.
pub(super) enum Gguf<'a> {
    /// The user's own file.
    File(&'a str),
    /// Somebody's conversion, by repository and mix.
    Published(String),
    /// Converted here from the checkpoint.
    Made(Made<'a>),
}

/// A conversion of a checkpoint.
pub(super) struct Made<'a> {
    /// The repository, or the user's own folder.
    weights: &'a str,
    /// Whether it must be fetched.
    remote: bool,
    /// The name of the model's files.
    name: &'a str,
    /// llama.cpp's name of the mix.
    mix: &'a str,
}

/// The server.
pub(super) fn serve(launch: &Launch<'_>) -> Result<Command> {
    let (known, version) = launch.known()?;
    let mut arguments = Arguments::of(known, version, launch.engine.allocator);
    match gguf(launch) {
        Gguf::File(path) => arguments.set(Setting::Model, path),
        Gguf::Published(name) => arguments.set(Setting::Repository, name),
        Gguf::Made(made) => arguments.set(Setting::Model, made.result()),
    }
    let context = launch.context.0.saturating_mul(launch.sequences);
    arguments.set(Setting::Context, context);
    arguments.set(Setting::Sequences, launch.sequences);
    devices(launch, &mut arguments);
    cache(launch, &mut arguments)?;
    if let Some(service) = &launch.service {
        arguments.set(Setting::ServedName, service.name);
        arguments.set(Setting::Host, service.host);
        arguments.set(Setting::Port, service.port);
    }
    Ok(Command {
        environment: Vec::new(),
        program: vec!["llama-server".to_owned()],
        arguments: arguments.finish(&launch.engine.name)?,
    })
}

/// Which layers lie where.
fn devices(launch: &Launch<'_>, arguments: &mut Arguments<'_>) {
    let layers = match (launch.on_processor(), launch.options.gpu_layers) {
        (true, _) => 0,
        (false, layers) => layers.unwrap_or(ALL_LAYERS),
    };
    arguments.set(Setting::GpuLayers, layers);
    if launch.options.host_experts > 0 {
        arguments.set(Setting::HostExperts, launch.options.host_experts);
    }
    if let Some(split) = launch.options.layer_split {
        arguments.set(Setting::TensorSplit, split);
    }
    if launch.service.is_none() {
        return;
    }
    // The plan's figures are for these settings, not for what llama.cpp would make of them.
    arguments.set(Setting::Fit, "off");
    let devices = launch
        .hardware
        .map(|hardware| hardware.devices.as_slice())
        .unwrap_or_default();
    if count(devices.len()) < 2 || launch.on_processor() {
        return;
    }
    arguments.set(Setting::SplitMode, "layer");
    let shares: Option<Vec<String>> = devices
        .iter()
        .map(|device| Some(format!("{}", device.usable?.bytes.0 >> 20)))
        .collect();
    if let (Some(shares), None) = (shares, launch.options.layer_split) {
        arguments.set(Setting::TensorSplit, shares.join(","));
    }
}

/// How the cache is stored, and what it is computed with.
fn cache(launch: &Launch<'_>, arguments: &mut Arguments<'_>) -> Result<()> {
    let name = launch.kv.name();
    match launch.kv {
        KvFormat::F16 => {}
        KvFormat::F32
        | KvFormat::Q8_0
        | KvFormat::Q5_1
        | KvFormat::Q5_0
        | KvFormat::Q4_1
        | KvFormat::Q4_0
        | KvFormat::Iq4Nl => {
            arguments.set(Setting::KeyFormat, name);
            arguments.set(Setting::ValueFormat, name);
        }
        KvFormat::Fp8 | KvFormat::Fp8IndexFp4 | KvFormat::Fp8DsMla | KvFormat::Nvfp4DsMla => {
            return Err(no_such_cache(launch.engine, launch.kv));
        }
    }
    if let Some(tokens) = launch.options.micro_batch {
        arguments.set(Setting::MicroBatch, tokens);
    }
    match (launch.options.flash_attention, launch.service) {
        (Some(false), _) => arguments.set(Setting::FlashAttention, "off"),
        (Some(true), _) | (None, Some(_)) => arguments.set(Setting::FlashAttention, "on"),
        (None, None) => {}
    }
    if launch.options.unified_cache {
        arguments.switch(Setting::UnifiedCache);
    }
    Ok(())
}

/// What fetches and converts the checkpoint, where no file can be had.
pub(super) fn prepare(launch: &Launch<'_>) -> Vec<Command> {
    match gguf(launch) {
        Gguf::File(_) | Gguf::Published(_) => Vec::new(),
        Gguf::Made(made) => made.steps(),
    }
}

pub(super) fn gguf<'a>(launch: &Launch<'a>) -> Gguf<'a> {
    let is_gguf = launch.model.file.as_ref().is_some_and(|file| file.is_gguf);
    let mix = mix(launch.format);
    if let (Some(path), true) = (launch.path, is_gguf) {
        return Gguf::File(path);
    }
    let checkpoint = launch.model.checkpoint.as_ref();
    let converted = checkpoint.and_then(|weights| weights.gguf.as_deref());
    if let Some(converted) = converted.filter(|_| is_published(mix)) {
        return Gguf::Published(format!("{converted}:{mix}"));
    }
    Gguf::Made(converted_here(launch))
}

/// The conversion of the checkpoint on this machine.
fn converted_here<'a>(launch: &Launch<'a>) -> Made<'a> {
    let weights = launch.weights();
    let last = weights.trim_end_matches('/').rsplit('/').next();
    Made {
        weights,
        remote: launch.path.is_none(),
        name: last.filter(|name| !name.is_empty()).unwrap_or("model"),
        mix: mix(launch.format),
    }
}

/// The GGUF as a file of this machine, for tools that fetch none.
pub(super) fn file(launch: &Launch<'_>) -> Weights {
    let made = match gguf(launch) {
        Gguf::File(path) => {
            return Weights {
                steps: Vec::new(),
                place: operand(path),
            };
        }
        Gguf::Made(made) => made,
        Gguf::Published(_) => converted_here(launch),
    };
    Weights {
        steps: made.steps(),
        place: made.result(),
    }
}

impl Made<'_> {
    /// The file that is made.
    pub(super) fn result(&self) -> String {
        self.file(self.mix)
    }

    fn file(&self, mix: &str) -> String {
        operand(&format!("{}-{mix}.gguf", self.name))
    }

    /// The commands, in their order.
    pub(super) fn steps(&self) -> Vec<Command> {
        let step = |words: &[&str]| Command {
            program: words.iter().map(|word| (*word).to_owned()).collect(),
            ..Command::default()
        };
        let folder = operand(if self.remote { self.name } else { self.weights });
        let mut steps = Vec::new();
        if self.remote {
            steps.push(step(&[
                "hf",
                "download",
                self.weights,
                "--local-dir",
                &folder,
            ]));
        }
        let convert = |kind: &str, file: &str| {
            let script = "convert_hf_to_gguf.py";
            step(&[
                "python",
                script,
                &folder,
                "--outtype",
                kind,
                "--outfile",
                file,
            ])
        };
        let small = self.result();
        let direct = match self.mix {
            "F32" => Some("f32"),
            "F16" => Some("f16"),
            "BF16" => Some("bf16"),
            "NATIVE" => Some("auto"),
            _ => None,
        };
        if let Some(kind) = direct {
            steps.push(convert(kind, &small));
            return steps;
        }
        let whole = self.file("F16");
        steps.push(convert("f16", &whole));
        if !needs_importance(self.mix) {
            steps.push(step(&["llama-quantize", &whole, &small, self.mix]));
            return steps;
        }
        let matrix = operand(&format!("{}-imatrix.gguf", self.name));
        steps.push(step(&["test", "-s", CALIBRATION]));
        steps.push(step(&[
            "llama-imatrix",
            "-m",
            &whole,
            "-f",
            CALIBRATION,
            "-o",
            &matrix,
        ]));
        steps.push(step(&[
            "llama-quantize",
            "--imatrix",
            &matrix,
            &whole,
            &small,
            self.mix,
        ]));
        steps
    }
}

/// Whether llama-quantize refuses the mix without an importance matrix.
///
/// Source: `tensor_requires_imatrix` in `src/llama-quant.cpp`; `IQ3_XS` has `IQ3_XXS` tensors.
pub(super) fn needs_importance(mix: &str) -> bool {
    ["IQ1", "IQ2", "IQ3_XXS", "IQ3_XS", "Q2_K_S"]
        .iter()
        .any(|known| mix.starts_with(known))
}

/// What to say about a mix that needs one.
pub(super) fn importance_note(launch: &Launch<'_>) -> Option<String> {
    match gguf(launch) {
        Gguf::Made(made) if needs_importance(made.mix) => Some(format!(
            "{} needs an importance matrix: put text of the kind that the model will see into {CALIBRATION} first",
            made.mix
        )),
        Gguf::Made(_) | Gguf::File(_) | Gguf::Published(_) => None,
    }
}

/// llama.cpp's name of the mix, or the format's own.
pub(super) fn mix(format: &Format) -> &str {
    match &format.storage {
        Storage::Gguf { mix } => mix,
        Storage::Plain {} | Storage::Scaled(_) | Storage::Native {} => &format.name,
    }
}

/// The script.
pub(super) fn deploy(question: &Question<'_>) -> Result<Deployment> {
    super::script::deploy(question, "serve-llama-cpp.sh")
}
