//! `deploy`.

use clap::{Args, ValueEnum};

use super::load::Load;
use crate::catalog::Version;
use crate::cli::quantity::positive;
use crate::deploy::Target;

/// `deploy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk deploy 6.7b --vram 12 --to llama.cpp | sh\n  dsk deploy v3 --gpu 8xh200 --to vllm > serve.sh\n  dsk deploy 6.7b --int8 --gpu cpu --to transformers\n  dsk deploy v3 --gpu 16xh100 --to kubernetes | kubectl apply -f -\n\nWhere no format is named and the model's own does not fit, the best one that fits is taken.\nExit code 3: it does not fit."
)]
pub(in crate::cli) struct Deploy {
    #[command(flatten)]
    pub(in crate::cli) load: Load,
    /// What to write
    #[arg(long, value_enum, value_name = "TARGET")]
    pub(in crate::cli) to: TargetName,
    /// The engine's version, where its flags differ
    #[arg(long, value_name = "VERSION", value_parser = Version::parse)]
    pub(in crate::cli) engine_version: Option<Version>,
    /// The address to listen on; the engines check no key unless told to, so other machines are kept out
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(in crate::cli) host: String,
    /// The port to listen on, else the engine's own
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) port: Option<u16>,
    /// The name that clients ask for, else the model's
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// The container image, else the engine's own; for clusters
    #[arg(long, value_name = "IMAGE")]
    pub(in crate::cli) image: Option<String>,
    /// The namespace, else the cluster's current one
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) namespace: Option<String>,
    /// Leave out monitoring and autoscaling, which need the Prometheus operator and KEDA
    #[arg(long)]
    pub(in crate::cli) no_monitoring: bool,
    /// The address at which Prometheus answers the autoscaler, else the operator's own in namespace monitoring
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) prometheus: Option<String>,
    /// The Prometheus installation that is to read the metrics, by its label `release`, else kube-prometheus-stack
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) prometheus_release: Option<String>,
    /// Speculate with the model's own draft layers (MTP), so many tokens at once
    #[arg(long, value_name = "TOKENS", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) mtp: Option<u64>,
}

/// A target, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TargetName {
    /// A shell script that starts vLLM
    Vllm,
    /// A shell script that starts SGLang
    Sglang,
    /// A shell script that starts llama.cpp's server
    #[value(name = "llama.cpp", alias = "llama-cpp")]
    LlamaCpp,
    /// Ollama's Modelfile
    Ollama,
    /// A Python script
    Transformers,
    /// A file for Docker Compose
    DockerCompose,
    /// Kubernetes manifests
    Kubernetes,
    /// Values for a Helm chart
    HelmValues,
}

impl From<TargetName> for Target {
    fn from(name: TargetName) -> Self {
        match name {
            TargetName::Vllm => Self::Vllm,
            TargetName::Sglang => Self::Sglang,
            TargetName::LlamaCpp => Self::LlamaCpp,
            TargetName::Ollama => Self::Ollama,
            TargetName::Transformers => Self::Transformers,
            TargetName::DockerCompose => Self::DockerCompose,
            TargetName::Kubernetes => Self::Kubernetes,
            TargetName::HelmValues => Self::HelmValues,
        }
    }
}
