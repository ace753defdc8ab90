//! Official releases: `catalog/models/<id>.toml`.

use serde::Deserialize;

use super::entry::Entry;
use super::shape::Shape;
use super::storage::NativeStorage;
use crate::units::{Bytes, Parameters};

/// A checkpoint that the vendor published, with everything that its sources say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The id, equal to the file's name.
    pub id: String,
    /// The name as the vendor writes it.
    pub name: String,
    /// The series: "coder", "llm", "v3", "r1-distill" ...
    pub family: String,
    /// Short names that people type.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Repositories on the hub, the main one first.
    pub repos: Vec<String>,
    /// Day of the release, ISO 8601.
    #[serde(default)]
    pub release_date: Option<String>,
    /// Where the day comes from.
    #[serde(default)]
    pub release_date_source: Option<String>,
    /// Licence of the weights.
    #[serde(default)]
    pub licence: Option<String>,
    /// Where the licence is named.
    #[serde(default)]
    pub licence_source: Option<String>,
    /// Parameters as the vendor words them.
    #[serde(default)]
    pub official_params: Option<String>,
    /// What a user should know.
    #[serde(default)]
    pub note: Option<String>,
    /// How the official checkpoint stores its tensors: `bf16`, `fp8-block` ...
    #[serde(default)]
    pub native: Option<String>,
    /// How the official checkpoint stores each tensor.
    #[serde(default)]
    pub storage: Option<NativeStorage>,
    /// The shape, where the configuration is public.
    #[serde(default)]
    pub shape: Option<Shape>,
    /// Rotary scaling, as the configuration has it.
    #[serde(default)]
    pub rope_scaling: Option<RopeScaling>,
    /// Counts that others published, held against the computed ones.
    #[serde(default)]
    pub stated: Option<Stated>,
    /// A conversion to GGUF that somebody published.
    #[serde(default)]
    pub gguf: Option<Conversion>,
    /// Checkpoints in other formats that somebody published.
    #[serde(default)]
    pub quantized: Vec<Ready>,
    /// Benchmark scores as the vendor reports them.
    #[serde(default, rename = "benchmark")]
    pub benchmarks: Vec<Benchmark>,
    /// Where the facts above come from.
    pub source: String,
}

/// How rotary positions are stretched beyond the trained window.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RopeScaling {
    /// The method: yarn, linear, llama3.
    pub method: String,
    /// The factor on the original window.
    pub factor: f64,
    /// The window before stretching, in tokens.
    #[serde(default)]
    pub original_tokens: Option<u64>,
}

/// A conversion of the checkpoint that somebody else published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// The repository on the hub.
    pub repo: String,
    /// Where it was seen.
    pub source: String,
}

/// The release in another format, ready to be served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Id of the format.
    pub format: String,
    /// The repository on the hub.
    pub repo: String,
    /// Where it was seen.
    pub source: String,
}

/// What others state about a checkpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// Parameters as the hub counts them.
    #[serde(default)]
    pub parameters: Option<Parameters>,
    /// Bytes of all tensors, as the index file or the file sizes say.
    #[serde(default)]
    pub tensor_bytes: Option<Bytes>,
    /// Where these come from.
    pub source: String,
}

/// One score.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benchmark {
    /// The benchmark's name.
    pub name: String,
    /// Which edition of the release was measured: base, chat, instruct, a mode.
    #[serde(default)]
    pub edition: Option<String>,
    /// The score, in the benchmark's own unit (mostly per cent).
    pub score: f64,
    /// Where it was reported.
    pub source: String,
}

impl Entry for Release {
    const KIND: &'static str = "model";
    const FOLDER: &'static str = "models";

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        let bare = self.repos.iter().filter_map(|repo| repo.split('/').nth(1));
        std::iter::once(self.name.as_str())
            .chain(self.aliases.iter().map(String::as_str))
            .chain(self.repos.iter().map(String::as_str))
            .chain(bare)
            .collect()
    }
}
