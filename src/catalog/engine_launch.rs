//! How an engine is started, version by version: `[launch]` of `catalog/engines/<id>.toml`.

use serde::Deserialize;

use super::shape::Architecture;
use super::version::Version;

/// What its command line is called in which version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineLaunch {
    /// The newest version whose own parser accepted every flag here.
    pub verified: Version,
    /// The first version whose flags are known.
    pub oldest: Version,
    /// Its flags.
    #[serde(default, rename = "flag")]
    pub flags: Vec<Flag>,
    /// Values of flags that not every version has.
    #[serde(default, rename = "choice")]
    pub choices: Vec<Choice>,
    /// Model classes that not every version runs.
    #[serde(default, rename = "class")]
    pub classes: Vec<Class>,
    /// Model classes whose checkpoints bring code that it must run.
    #[serde(default)]
    pub remote_code: Vec<Architecture>,
    /// Its readers of a model's answers.
    #[serde(default, rename = "parser")]
    pub parsers: Vec<Parser>,
    /// Where the flags were read.
    pub source: String,
}

/// A flag.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    /// What it sets.
    pub setting: Setting,
    /// What it is called.
    pub name: String,
    /// The first version that has it; none when all known ones do.
    #[serde(default)]
    pub since: Option<Version>,
    /// The first version that no longer has it.
    #[serde(default)]
    pub until: Option<Version>,
    /// Where the change was read.
    #[serde(default)]
    pub source: Option<String>,
}

/// A value of a flag that not every version has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The flag.
    pub setting: Setting,
    /// The value.
    pub value: String,
    /// The first version that is known to have it.
    pub since: Version,
    /// Where that was read.
    pub source: String,
}

/// A model class that not every version runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The class.
    pub architecture: Architecture,
    /// The first version that is known to run it.
    pub since: Version,
    /// Where that was read.
    pub source: String,
}

/// What reads a model's answers: its reasoning or its tool calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parser {
    /// The flag that chooses it: `reasoning-parser` or `tool-parser`.
    pub setting: Setting,
    /// What the engine calls it.
    pub name: String,
    /// The releases whose answers it reads.
    pub models: Vec<String>,
    /// The engine's own chat template that its documentation wants with it.
    #[serde(default)]
    pub template: Option<String>,
    /// The first version that has it; none when all known ones do.
    #[serde(default)]
    pub since: Option<Version>,
    /// The first version that no longer has it.
    #[serde(default)]
    pub until: Option<Version>,
    /// Who says that it fits them.
    pub source: String,
}

/// What a flag sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Tokens that one sequence may hold; in llama.cpp all together.
    Context,
    /// Sequences at once.
    Sequences,
    /// The share of a device's memory.
    Utilization,
    /// Tokens in one batch.
    BatchedTokens,
    /// Tokens in one micro-batch.
    MicroBatch,
    /// Tensor parallelism.
    Tensor,
    /// Pipeline parallelism.
    Pipeline,
    /// Data parallelism.
    Data,
    /// Replicas on this node.
    DataLocal,
    /// The first replica of this node.
    DataStart,
    /// The address of the node that leads the replicas.
    DataAddress,
    /// Whether experts lie whole on devices.
    Expert,
    /// Devices that the experts lie on.
    ExpertSize,
    /// Whether attention is split by sequences instead of heads.
    DataAttention,
    /// How weights are quantized.
    Quantization,
    /// The element type of what is not quantized.
    ElementType,
    /// How the cache is stored.
    KvFormat,
    /// How the keys of the cache are stored.
    KeyFormat,
    /// How the values of the cache are stored.
    ValueFormat,
    /// What reads the reasoning.
    ReasoningParser,
    /// What reads tool calls.
    ToolParser,
    /// Whether the model may call tools by itself.
    AutoTool,
    /// Whether code of the checkpoint may run.
    TrustCode,
    /// Speculation by the model's own draft layers.
    Draft,
    /// Tokens that are drafted at once.
    DraftTokens,
    /// Steps of the draft layers.
    DraftSteps,
    /// Branches of a draft.
    DraftBranches,
    /// The name that clients use.
    ServedName,
    /// The address that it listens on.
    Host,
    /// The port that it listens on.
    Port,
    /// How many nodes run it.
    Nodes,
    /// Which of the nodes this is.
    NodeRank,
    /// The address of the first node.
    Leader,
    /// The port of the first node.
    LeaderPort,
    /// Whether this node serves no clients.
    Headless,
    /// What the weights are read from.
    Model,
    /// A repository of GGUF files and the mix.
    Repository,
    /// Layers on the GPU.
    GpuLayers,
    /// Leading layers whose routed experts stay in the host's memory.
    HostExperts,
    /// Flash attention.
    FlashAttention,
    /// One cache for all sequences.
    UnifiedCache,
    /// How a model is split over devices.
    SplitMode,
    /// The shares of the devices.
    TensorSplit,
    /// Whether the engine bends settings to what is free.
    Fit,
    /// Figures for its metrics endpoint.
    Metrics,
}

/// Whether `version` lies from `since` on and before `until`.
fn within(version: &Version, since: Option<&Version>, until: Option<&Version>) -> bool {
    since.is_none_or(|since| version >= since) && until.is_none_or(|until| version < until)
}

impl EngineLaunch {
    /// What the flag for `setting` is called in `version`; none where it has none.
    #[must_use]
    pub fn flag(&self, setting: Setting, version: &Version) -> Option<&str> {
        let named = self
            .flags
            .iter()
            .filter(|flag| flag.setting == setting)
            .find(|flag| within(version, flag.since.as_ref(), flag.until.as_ref()));
        named.map(|flag| flag.name.as_str())
    }

    /// What reads the answers of the release `model` in `version`; none where nothing does.
    #[must_use]
    pub fn parser(&self, setting: Setting, model: &str, version: &Version) -> Option<&Parser> {
        self.parsers
            .iter()
            .filter(|parser| parser.setting == setting)
            .filter(|parser| parser.models.iter().any(|known| known == model))
            .find(|parser| within(version, parser.since.as_ref(), parser.until.as_ref()))
    }

    /// The version that brought `value` of a flag; none where all known ones have it.
    #[must_use]
    pub fn choice_since(&self, setting: Setting, value: &str) -> Option<&Version> {
        let choice = self
            .choices
            .iter()
            .find(|choice| choice.setting == setting && choice.value == value);
        choice.map(|choice| &choice.since)
    }

    /// The version that brought a model class; none where all known ones run it.
    #[must_use]
    pub fn class_since(&self, architecture: Architecture) -> Option<&Version> {
        let class = self
            .classes
            .iter()
            .find(|class| class.architecture == architecture);
        class.map(|class| &class.since)
    }

    /// What the entries contradict, with the key in backticks.
    pub(super) fn fault(&self) -> Option<String> {
        if self.oldest > self.verified {
            return Some(format!(
                "`oldest` is {}, after `verified` {}",
                self.oldest, self.verified
            ));
        }
        let changed = |flag: &&Flag| flag.since.is_some() || flag.until.is_some();
        let unsourced = self
            .flags
            .iter()
            .filter(changed)
            .find(|flag| flag.source.is_none());
        unsourced.map(|flag| format!("`{}` has changed, so a `source` is needed", flag.name))
    }
}

impl Setting {
    /// What it sets, in words for messages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Context => "the context",
            Self::Sequences => "the number of sequences",
            Self::Utilization => "the share of a device's memory",
            Self::BatchedTokens => "the tokens of a batch",
            Self::MicroBatch => "the tokens of a micro-batch",
            Self::Tensor => "tensor parallelism",
            Self::Pipeline => "pipeline parallelism",
            Self::Data => "data parallelism",
            Self::DataLocal => "the replicas of a node",
            Self::DataStart => "the first replica of a node",
            Self::DataAddress => "the address of the replicas' leader",
            Self::Expert | Self::ExpertSize => "expert parallelism",
            Self::DataAttention => "attention split by sequences",
            Self::Quantization => "quantization",
            Self::ElementType => "the element type",
            Self::KvFormat => "the cache format",
            Self::KeyFormat => "the format of cached keys",
            Self::ValueFormat => "the format of cached values",
            Self::ReasoningParser => "reading the reasoning",
            Self::ToolParser | Self::AutoTool => "reading tool calls",
            Self::TrustCode => "code of the checkpoint",
            Self::Draft | Self::DraftTokens | Self::DraftSteps | Self::DraftBranches => {
                "speculation by draft layers"
            }
            Self::ServedName => "the served name",
            Self::Host => "the address",
            Self::Port => "the port",
            Self::Nodes | Self::NodeRank | Self::Leader | Self::LeaderPort => "several nodes",
            Self::Headless => "nodes that serve no clients",
            Self::Model | Self::Repository => "the weights",
            Self::GpuLayers => "layers on the GPU",
            Self::HostExperts => "experts in the host's memory",
            Self::FlashAttention => "flash attention",
            Self::UnifiedCache => "one cache for all sequences",
            Self::SplitMode | Self::TensorSplit => "a split over devices",
            Self::Fit => "keeping the settings",
            Self::Metrics => "metrics",
        }
    }
}
