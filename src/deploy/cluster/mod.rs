//! A plan as what runs it on servers: Kubernetes, Docker Compose, values of a Helm chart.
//!
//! The functions answer with documents (JSON values with comments around them); `render` writes them as YAML.

#[cfg(feature = "manifests")]
mod alerts;
mod arguments;
mod compose;
#[cfg(feature = "manifests")]
mod dashboard;
mod helm;
#[cfg(feature = "manifests")]
mod kubernetes;
#[cfg(feature = "manifests")]
mod monitoring;
mod names;
#[cfg(feature = "manifests")]
mod pod;
#[cfg(feature = "manifests")]
mod server_set;
mod sizes;

use serde_json::Value;

use super::notes::notes;
use super::script::plan;
use super::verify::served;
use super::{Launch, Question, Target, Verification, prepare};
use crate::calc::hardware::Hardware;
use crate::calc::load::Load;
use crate::calc::speed::{View, Workload, speed};
use crate::catalog::deployment::DeploymentDefaults;
use crate::catalog::{Catalog, Version};
use crate::error::{Error, Result};
use crate::units::Bytes;

use compose::compose;
use helm::helm_values;
#[cfg(feature = "manifests")]
use kubernetes::kubernetes;
pub use sizes::{Sizes, sizes};

/// The port of the engine inside its container.
pub const PORT: u16 = 8000;

/// The Secret with the hub's token, and its key.
const TOKEN: (&str, &str) = ("huggingface", "token");

/// How the Secret is made.
fn token_comment() -> String {
    format!(
        "the hub's token comes from a Secret, where there is one: kubectl create secret generic {} --from-literal={}=\"$HF_TOKEN\"",
        TOKEN.0, TOKEN.1
    )
}

/// A plan, and where it is to run.
#[derive(Debug, Clone)]
pub struct Rollout<'a> {
    /// What was asked, and its plan.
    pub question: &'a Question<'a>,
    /// What is to be run.
    pub launch: Launch<'a>,
    /// What it runs on.
    pub hardware: &'a Hardware,
    /// The engine's version.
    pub version: &'a Version,
    /// What is assumed of a cluster.
    pub defaults: &'a DeploymentDefaults,
    /// The name of everything that is made: a DNS label.
    pub name: String,
    /// Bytes that are fetched from the hub.
    pub download: Bytes,
    /// Predicted latency, where there is one.
    pub latency: Option<Latency>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// What may be chosen beside the plan.
    pub place: Place<'a>,
}

/// What may be chosen beside the plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// The image, where it is not the engine's own.
    pub image: Option<&'a str>,
    /// The namespace; none leaves it to the cluster's current one.
    pub namespace: Option<&'a str>,
    /// Whether monitoring and autoscaling are left out.
    pub bare: bool,
    /// The address at which Prometheus answers queries, where it is not the usual one.
    pub prometheus: Option<&'a str>,
    /// The installation that is to read what is watched, by its label `release`, where it is not the usual one.
    pub release: Option<&'a str>,
}

impl<'a> Rollout<'a> {
    /// The rollout of a planned question.
    ///
    /// # Errors
    /// When no hardware was named, the engine's version has no flag for the plan, or the namespace is no name.
    pub fn of(catalog: &'a Catalog, question: &'a Question<'a>, place: Place<'a>) -> Result<Self> {
        let request = question.request;
        let target = question.target.name();
        let hardware = request.hardware.as_ref().ok_or_else(|| {
            Error::Unanswerable(format!(
                "`--to {target}` asks a cluster for devices: name them (--gpu NAME, --gpus N)"
            ))
        })?;
        let launch = question.launch()?;
        arguments::Server::of(&launch, target)?;
        let (known, version) = launch.known()?;
        if let Some(path) = question.path {
            return Err(Error::Unanswerable(format!(
                "`{}` lies on this machine, and no container sees it: publish it on the hub and name the repository, or run it here (--to {})",
                path.escape_debug(),
                launch.engine.id
            )));
        }
        if let Some(step) = prepare(&launch)?.first() {
            return Err(Error::Unanswerable(format!(
                "{} in {} must be made first: `{}`; no container sees the folder, so take a format that needs none",
                request.model.id,
                request.format.name,
                step.line()
            )));
        }
        if let Some(namespace) = place.namespace {
            names::checked("a namespace", namespace)?;
        }
        if let Some(release) = place.release {
            names::checked("an installation's name", release)?;
        }
        let mut rollout = Self {
            question,
            launch,
            hardware,
            version,
            defaults: &catalog.defaults()?.deployment,
            name: names::label(question.name()),
            download: names::download(catalog, request)?,
            latency: latency(&request.load()),
            notes: notes(question, &launch, known),
            place,
        };
        rollout.notes.extend(arguments::unseen(&rollout));
        Ok(rollout)
    }

    /// How to check it once its port is this machine's.
    #[must_use]
    pub fn verify(&self) -> Vec<Verification> {
        served(&self.launch, self.question.estimate)
    }

    /// What the file begins with: the question, the plan, what the user should know.
    fn heading(&self, sizes: &Sizes) -> Vec<String> {
        let mut lines = vec![self.question.asked.to_owned()];
        lines.extend(plan(self.question, &self.launch));
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(sizes.reasons(self));
        lines
    }

    /// The port of the service.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.question.port.unwrap_or(PORT)
    }

    /// The file of the question's target, and its name.
    ///
    /// # Errors
    /// When the target is no cluster's, cannot run the plan, or was left out of this build.
    pub fn manifest(&self) -> Result<(&'static str, Manifest)> {
        match self.question.target {
            Target::DockerCompose => Ok(("compose.yaml", compose(self)?)),
            Target::HelmValues => Ok(("values.yaml", helm_values(self)?)),
            #[cfg(feature = "manifests")]
            Target::Kubernetes => Ok(("kubernetes.yaml", kubernetes(self)?)),
            #[cfg(not(feature = "manifests"))]
            Target::Kubernetes => Err(Error::Unanswerable(
                "this build was made without the feature `manifests`, which writes Kubernetes' objects".to_owned(),
            )),
            other @ (Target::Vllm
            | Target::Sglang
            | Target::LlamaCpp
            | Target::Ollama
            | Target::Transformers) => Err(Error::Unanswerable(format!(
                "`--to {}` writes no documents",
                other.name()
            ))),
        }
    }
}

/// The upper ends of what is predicted of the average request, when as many clients ask as the plan answers
/// at once: within its range lay 80% of the measured runs, so beyond the upper end about one in ten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Tokens of each prompt: half of the context, the answer taking the other half.
    pub prompt: u64,
    /// Seconds to the first token.
    pub first_token: f64,
    /// Seconds from one token to the next.
    pub output_token: f64,
}

fn latency(load: &Load<'_>) -> Option<Latency> {
    let prompt = (load.context.0 / 2).max(1);
    let speed = speed(
        load,
        &Workload {
            sequences: load.sequences,
            view: View::Served {
                concurrency: load.sequences,
            },
            ..Workload::one(prompt, prompt)
        },
    );
    Some(Latency {
        prompt,
        first_token: speed.time_to_first_token?.high,
        output_token: speed.time_per_output_token?.high,
    })
}

/// A file of YAML documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Comments before the first document, a line each.
    pub heading: Vec<String>,
    /// The documents.
    pub documents: Vec<Document>,
    /// Comments after the last document, a line each.
    pub closing: Vec<String>,
}

/// One YAML document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Comments before it, a line each.
    pub comments: Vec<String>,
    /// What it says.
    pub content: Value,
}

impl Document {
    fn of(comments: &[&str], content: Value) -> Self {
        Self {
            comments: comments.iter().map(|line| (*line).to_owned()).collect(),
            content,
        }
    }
}
