//! What is to be run, and the commands that run it.

use super::make::{making, told_to_quantize};
use super::words::{Arguments, Command, operand};
use super::{llama_cpp, ollama, sglang, transformers, vllm};
use crate::calc::hardware::Hardware;
use crate::calc::load::{Load, Options, Split};
use crate::catalog::engine_launch::Parser;
use crate::catalog::shape::Architecture;
use crate::catalog::{Allocator, Engine, EngineLaunch, Format, KvFormat, Model, Setting, Version};
use crate::error::{Error, Result};
use crate::request::Request;
use crate::units::Tokens;

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The model.
    pub model: &'a Model,
    /// The user's own file or folder, where the model is one.
    pub path: Option<&'a str>,
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
    /// The engine's version; none for the newest whose flags are verified.
    pub version: Option<&'a Version>,
    /// What it runs on, where that was said.
    pub hardware: Option<&'a Hardware>,
    /// The split over devices.
    pub split: Split,
    /// Settings of the engine, where they are not its defaults.
    pub options: Options,
    /// How it serves; none for the bare command, which leaves that to the engine.
    pub service: Option<Service<'a>>,
}

/// How a server is reached, and what it does beside answering.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// The address that it listens on.
    pub host: &'a str,
    /// The port that it listens on.
    pub port: u16,
    /// The name that clients use.
    pub name: &'a str,
    /// Tokens that the model's own draft layers propose at once; none without speculation.
    pub draft_tokens: Option<u64>,
    /// The node that this command is for; none where one node holds it all.
    pub node: Option<Node<'a>>,
}

/// One of several nodes that run a model together.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// How many there are.
    pub count: u64,
    /// Which one it is, from 0; the first serves the clients.
    pub rank: u64,
    /// The address of the first.
    pub leader: &'a str,
}

impl<'a> Launch<'a> {
    /// The launch of a resolved question; none without an engine.
    #[must_use]
    pub fn of(request: &'a Request) -> Option<Self> {
        Some(Self {
            model: &request.model,
            path: None,
            format: &request.format,
            kv: request.kv,
            context: request.context,
            sequences: request.sequences,
            engine: request.engine.as_ref()?,
            version: None,
            hardware: request.hardware.as_ref(),
            split: request.split,
            options: request.options,
            service: None,
        })
    }

    /// The question to the calculator.
    #[must_use]
    pub fn load(&self) -> Load<'a> {
        Load {
            model: self.model,
            format: self.format,
            kv: self.kv,
            context: self.context,
            sequences: self.sequences,
            engine: Some(self.engine),
            hardware: self.hardware,
            split: self.split,
            options: self.options,
            explain: false,
        }
    }

    /// Whether it runs on the processor.
    #[must_use]
    pub fn on_processor(&self) -> bool {
        self.hardware.is_some_and(Hardware::is_cpu)
    }

    /// Nodes that the split takes, by what a server with these devices normally holds.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.hardware
            .map_or(1, |hardware| hardware.nodes(self.split.devices()))
    }

    /// The engine's command line, and the version that is written for.
    ///
    /// # Errors
    /// When the catalog does not know it, or the version is older than it knows.
    pub fn known(&self) -> Result<(&'a EngineLaunch, &'a Version)> {
        let engine = self.engine;
        let Some(launch) = &engine.launch else {
            return Err(Error::Unanswerable(format!(
                "the catalog does not know how {} is started",
                engine.name
            )));
        };
        let version = self.version.unwrap_or(&launch.verified);
        if *version < launch.oldest {
            return Err(Error::Unanswerable(format!(
                "the flags of {} {version} are not known; the catalog has {} to {}",
                engine.name, launch.oldest, launch.verified
            )));
        }
        let since = launch.class_since(self.model.shape.architecture);
        if let Some(since) = since.filter(|since| version < *since) {
            return Err(Error::Unanswerable(format!(
                "{} {version} is not known to run {}; {since} is",
                engine.name, self.model.id
            )));
        }
        Ok((launch, version))
    }

    /// Whether the checkpoint's own code must run.
    pub(super) fn needs_code(&self, known: &EngineLaunch) -> bool {
        known.remote_code.contains(&self.model.shape.architecture)
    }

    /// Devices that the experts lie on, where expert parallelism is asked for.
    ///
    /// # Errors
    /// In vLLM, when it is not all devices of a pipeline stage, over which it always spreads them.
    pub(super) fn experts(&self) -> Result<Option<u64>> {
        let stage = self.split.tensor.saturating_mul(self.split.data);
        let whole = self.engine.allocator == Allocator::Vllm;
        match self.split.expert {
            1 => Ok(None),
            expert if expert == stage || !whole => Ok(Some(expert)),
            expert => Err(Error::Unanswerable(format!(
                "{} spreads experts over all tensor {} x data {} = {stage} devices of a stage, not over {expert}: take --ep {stage}",
                self.engine.name, self.split.tensor, self.split.data
            ))),
        }
    }

    /// Whether an engine left to itself may keep a served model's cache in 8 bits although 16 are planned.
    ///
    /// Source: SGLang 0.5.9 `server_args.py` does so for V3.2 on Blackwell.
    pub(super) fn may_shrink_cache(&self) -> bool {
        self.service.is_some() && self.model.shape.architecture == Architecture::DeepseekV32
    }

    /// Sequences of each replica.
    pub(super) fn sequences_each(&self) -> u64 {
        self.sequences.div_ceil(self.split.data.max(1))
    }

    /// What the weights are read from: the user's own path, else the repository that holds them in the format.
    #[must_use]
    pub fn weights(&self) -> &'a str {
        let checkpoint = self.model.checkpoint.as_ref();
        match (self.path, self.ready(), checkpoint) {
            (Some(path), _, _) => path,
            (None, Some(ready), _) => ready,
            (None, None, Some(weights)) => &weights.repo,
            (None, None, None) => &self.model.id,
        }
    }

    /// The repository that somebody quantized into the format, where the model's own is in another.
    pub(super) fn ready(&self) -> Option<&'a str> {
        let own = self.path.is_some() || self.format.id == self.model.native;
        let ready = self.model.ready(&self.format.id).filter(|_| !own)?;
        Some(&ready.repo)
    }

    /// What the engine loads: the weights, or the folder that was made of them.
    pub(super) fn loaded(&self) -> Result<String> {
        let made = making(self)?.map(|made| made.folder);
        Ok(made.unwrap_or_else(|| operand(self.weights())))
    }

    /// What reads the model's answers, where the engine has one for its release.
    pub(super) fn parser(&self, setting: Setting) -> Option<&'a Parser> {
        let (launch, version) = self.known().ok()?;
        let release = &self.model.checkpoint.as_ref()?.release;
        launch.parser(setting, release, version)
    }
}

/// The command that serves the model.
///
/// # Errors
/// When the engine's version has no flag for something that the plan needs.
pub fn serve(launch: &Launch<'_>) -> Result<Command> {
    match (launch.engine.allocator, launch.engine.id.as_str()) {
        (Allocator::LlamaCpp, "ollama") => ollama::server(launch),
        (Allocator::LlamaCpp, _) => llama_cpp::serve(launch),
        (Allocator::Vllm, _) => vllm::serve(launch),
        (Allocator::Sglang, _) => sglang::serve(launch),
        (Allocator::Transformers, _) => transformers::chat(launch),
    }
}

/// The commands that must run before: what fetches and converts the weights.
///
/// # Errors
/// When nobody is known to make the weights in that format.
pub fn prepare(launch: &Launch<'_>) -> Result<Vec<Command>> {
    match (launch.engine.allocator, launch.engine.id.as_str()) {
        (Allocator::LlamaCpp, "ollama") => Ok(Vec::new()),
        (Allocator::LlamaCpp, _) => Ok(llama_cpp::prepare(launch)),
        (Allocator::Vllm | Allocator::Sglang | Allocator::Transformers, _) => {
            Ok(making(launch)?.into_iter().map(|made| made.step).collect())
        }
    }
}

/// All of it as one line of a POSIX shell; what comes from outside is quoted.
///
/// # Errors
/// When the engine's version has no flag for something that the plan needs.
pub fn command(launch: &Launch<'_>) -> Result<String> {
    if launch.engine.id == "ollama" {
        return ollama::command(launch);
    }
    let mut lines: Vec<String> = prepare(launch)?.iter().map(Command::line).collect();
    lines.push(super::start::server_line(launch, None)?);
    Ok(lines.join(" && "))
}

/// The flags for formats that an engine makes from a 16-bit checkpoint while it loads.
pub(super) fn loading(launch: &Launch<'_>, arguments: &mut Arguments<'_>) {
    if launch.format.id == launch.model.native || launch.ready().is_some() {
        return;
    }
    if let Some(method) = told_to_quantize(launch) {
        arguments.set(Setting::Quantization, method);
    }
    match launch.format.id.as_str() {
        "bf16" => arguments.set(Setting::ElementType, "bfloat16"),
        "fp16" => arguments.set(Setting::ElementType, "float16"),
        "fp32" => arguments.set(Setting::ElementType, "float32"),
        _ => {}
    }
}
