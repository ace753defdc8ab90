//! What was asked to be deployed, and the files that answer it.

use super::launch::{Launch, Service};
use super::target::Target;
use super::verify::Verification;
use super::{llama_cpp, ollama, sglang, transformers, vllm};
use crate::calc::estimate::Estimate;
use crate::catalog::shape::Architecture;
use crate::catalog::variant::Match;
use crate::catalog::{Allocator, Model, Version};
use crate::error::{Error, Result};
use crate::request::Request;

/// What is to be deployed.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The plan: model, format, cache, context, sequences, engine, hardware, split.
    pub request: &'a Request,
    /// Its memory.
    pub estimate: &'a Estimate,
    /// What it is written for.
    pub target: Target,
    /// The command line that asked, on one line.
    pub asked: &'a str,
    /// The user's own file or folder, where the model is one.
    pub path: Option<&'a str>,
    /// The engine's version; none for the newest whose flags are verified.
    pub version: Option<&'a Version>,
    /// The address to listen on.
    pub host: &'a str,
    /// The port; none for the engine's own.
    pub port: Option<u16>,
    /// The name that clients use; none for the id of the model that was asked for.
    pub name: Option<&'a str>,
    /// The model that was asked for, where the plan is for the release that is run in its place.
    pub stands_for: Option<&'a Model>,
    /// Tokens that the model's own draft layers propose at once.
    pub draft_tokens: Option<u64>,
}

/// One file of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its usual name.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub text: String,
}

/// What runs the model, and how to see that it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The version of the engine that it is written for.
    pub version: String,
    /// Its files, the first one to be used first.
    pub files: Vec<File>,
    /// How to check it.
    pub verify: Vec<Verification>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl<'a> Question<'a> {
    /// What is to be launched, on one node.
    ///
    /// # Errors
    /// When the plan names no engine, or is for a shape whose weights nobody has.
    pub fn launch(&self) -> Result<Launch<'a>> {
        self.check_draft()?;
        let model = &self.request.model;
        let weights = model.checkpoint.as_ref();
        if let Some(weights) = weights.filter(|weights| weights.matching == Match::Nearest) {
            return Err(Error::Unanswerable(format!(
                "no weights of exactly {} exist: plan for {}, which is run in its place",
                model.id, weights.release
            )));
        }
        let launch = Launch::of(self.request)
            .ok_or_else(|| Error::Unanswerable("the plan names no engine".to_owned()))?;
        let port = self.port.unwrap_or_else(|| Target::port(launch.engine));
        Ok(Launch {
            path: self.path,
            version: self.version,
            service: Some(Service {
                host: self.host,
                port,
                name: self.name(),
                draft_tokens: self.draft_tokens,
                node: None,
            }),
            ..launch
        })
    }
}

impl<'a> Question<'a> {
    /// The name that clients use.
    #[must_use]
    pub fn name(&self) -> &'a str {
        let asked = self.stands_for.unwrap_or(&self.request.model);
        self.name.unwrap_or(&asked.id)
    }
}

impl Question<'_> {
    /// Refuses speculation that the model or the engine does not have.
    fn check_draft(&self) -> Result<()> {
        let shape = &self.request.model.shape;
        let Some(engine) = self
            .request
            .engine
            .as_ref()
            .filter(|_| self.draft_tokens.is_some())
        else {
            return Ok(());
        };
        let id = &self.request.model.id;
        let refused = match (engine.allocator, shape.architecture) {
            _ if shape.draft_layers == 0 => format!("{id} has no draft layers to speculate with"),
            (Allocator::LlamaCpp | Allocator::Transformers, _) => format!(
                "speculation by draft layers is written for vllm and sglang, not for {}",
                engine.name
            ),
            // vLLM 0.32 config/speculative.py refuses `mtp` there: its draft stages are another method.
            (Allocator::Vllm | Allocator::Sglang, Architecture::DeepseekV41) => {
                format!("the draft stages of {id} are not MTP layers")
            }
            (Allocator::Vllm | Allocator::Sglang, _) => return Ok(()),
        };
        Err(Error::Unanswerable(refused))
    }
}

/// The files that run what was asked for.
///
/// # Errors
/// When the target cannot run the plan, or is not written yet.
pub fn deploy(question: &Question<'_>) -> Result<Deployment> {
    match question.target {
        Target::Vllm => vllm::deploy(question),
        Target::Sglang => sglang::deploy(question),
        Target::LlamaCpp => llama_cpp::deploy(question),
        Target::Ollama => ollama::deploy(question),
        Target::Transformers => transformers::deploy(question),
        Target::DockerCompose | Target::Kubernetes | Target::HelmValues => {
            Err(Error::Unanswerable(format!(
                "`--to {}` is written from documents",
                question.target.name()
            )))
        }
    }
}
