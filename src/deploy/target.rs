//! What a deployment is written for.

use crate::catalog::{Allocator, Engine};

/// What a deployment is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A shell script that starts vLLM.
    Vllm,
    /// A shell script that starts SGLang.
    Sglang,
    /// A shell script that starts llama.cpp's server.
    LlamaCpp,
    /// Ollama's Modelfile.
    Ollama,
    /// A Python script.
    Transformers,
    /// A file for Docker Compose.
    DockerCompose,
    /// Kubernetes manifests.
    Kubernetes,
    /// Values for a Helm chart.
    HelmValues,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 8] = [
        Self::Vllm,
        Self::Sglang,
        Self::LlamaCpp,
        Self::Ollama,
        Self::Transformers,
        Self::DockerCompose,
        Self::Kubernetes,
        Self::HelmValues,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "ollama",
            Self::Transformers => "transformers",
            Self::DockerCompose => "docker-compose",
            Self::Kubernetes => "kubernetes",
            Self::HelmValues => "helm-values",
        }
    }

    /// Id of the engine that it is for; none where the engine is the plan's.
    #[must_use]
    pub fn engine(self) -> Option<&'static str> {
        match self {
            Self::Vllm | Self::Sglang | Self::LlamaCpp | Self::Ollama | Self::Transformers => {
                Some(self.name())
            }
            Self::DockerCompose | Self::Kubernetes | Self::HelmValues => None,
        }
    }

    /// Whether it is written from documents, see `cluster`.
    #[must_use]
    pub fn is_cluster(self) -> bool {
        match self {
            Self::DockerCompose | Self::Kubernetes | Self::HelmValues => true,
            Self::Vllm | Self::Sglang | Self::LlamaCpp | Self::Ollama | Self::Transformers => false,
        }
    }

    /// The port that its engine listens on by default.
    #[must_use]
    pub fn port(engine: &Engine) -> u16 {
        match engine.allocator {
            Allocator::Vllm | Allocator::Transformers => 8000,
            Allocator::Sglang => 30_000,
            Allocator::LlamaCpp if engine.id == "ollama" => 11_434,
            Allocator::LlamaCpp => 8080,
        }
    }
}
