//! Weight formats: `catalog/formats/<id>.toml`.

use serde::Deserialize;

use super::basis::Basis;
use super::entry::{Entry, named};
use super::gpu::{ComputeCapability, Vendor};
use super::runs::{FormatRuns, Site};

/// How weights are stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The id, equal to the file's name.
    pub id: String,
    /// The name as its engine writes it.
    pub name: String,
    /// Other names that people type.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What it is, in one sentence.
    pub about: String,
    /// Bits of one quantized weight, scales left out: what its name says.
    pub bits: u64,
    /// Whether it is a precision in general (`--fp8`), which a checkpoint's own format of as many bits satisfies.
    #[serde(default)]
    pub general: bool,
    /// Whether only checkpoints that ship in it are in it: nobody converts to it.
    #[serde(default)]
    pub only_native: bool,
    /// How it lays out tensors.
    pub storage: Storage,
    /// Engines that load it.
    pub engines: Vec<String>,
    /// Where they run it; a GGUF type runs wherever its engine does.
    #[serde(default)]
    pub runs: Vec<FormatRuns>,
    /// What computes on it.
    #[serde(default)]
    pub compute: Compute,
    /// The accuracy that it costs, where somebody measured it.
    #[serde(default)]
    pub accuracy: Option<Accuracy>,
    /// What the source article says of it.
    #[serde(default, rename = "claim")]
    pub claims: Vec<FormatClaim>,
    /// The command that makes it, with `{repo}` and `{name}` filled in.
    #[serde(default)]
    pub make: Option<String>,
    /// The folder that this command leaves, with `{name}` filled in; none where the engine makes it while it loads.
    #[serde(default)]
    pub makes: Option<String>,
    /// Where the layout is defined.
    pub source: String,
}

/// How a format lays out a tensor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Storage {
    /// Every weight as one number of so many bits.
    Plain {},
    /// Linear layers quantized with scales; the rest in 16 bits.
    Scaled(Scaled),
    /// As the vendor's checkpoint stores each tensor: the model's entry says how.
    Native {},
    /// A GGUF type: a mix of block types, tensor by tensor.
    Gguf {
        /// llama.cpp's name of the mix.
        mix: String,
    },
}

/// Scales and what they cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaled {
    /// Rows (outputs) that share a scale; 0 means all of them.
    pub block_rows: u64,
    /// Columns (inputs) that share a scale; 0 means all of them.
    pub block_columns: u64,
    /// Bits of a scale.
    pub scale_bits: u64,
    /// Bits of a zero point beside each scale; 0 when symmetric.
    #[serde(default)]
    pub zero_bits: u64,
    /// Further bits for each quantized tensor (a global scale).
    #[serde(default)]
    pub tensor_bits: u64,
    /// Further bits for each input column (GPTQ's group index).
    #[serde(default)]
    pub column_bits: u64,
    /// Whether the output head is quantized too.
    #[serde(default)]
    pub head: bool,
    /// Whether the embedding is quantized too.
    #[serde(default)]
    pub embedding: bool,
}

/// What computes on a format.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// The arithmetic of its matrix products.
    #[serde(default)]
    pub arithmetic: Arithmetic,
    /// Architectures that compute it without converting first.
    #[serde(default)]
    pub native_on: Vec<String>,
}

/// The arithmetic of a matrix product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// 32-bit floating point.
    Fp32,
    /// 16-bit floating point; quantized weights are converted first.
    #[default]
    Fp16,
    /// 8-bit floating point.
    Fp8,
    /// 8-bit integers.
    Int8,
    /// 4-bit floating point.
    Fp4,
}

/// What a format costs in accuracy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Share of the 16-bit model's score that is lost, 0 to 1.
    pub loss: f64,
    /// How the loss is known.
    pub basis: Basis,
    /// What was measured, on which model.
    pub metric: String,
    /// Who measured it.
    pub source: String,
}

/// What the article says of a format.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatClaim {
    /// How many times smaller than FP32.
    #[serde(default)]
    pub times_smaller: Option<f64>,
    /// How many times faster than FP32.
    #[serde(default)]
    pub times_faster: Option<f64>,
    /// The share of accuracy that is lost at most, 0 to 1.
    #[serde(default)]
    pub loss_below: Option<f64>,
    /// Where the article says so.
    pub source: String,
}

impl Format {
    /// What people call it, without the file it is kept in: BF16, not BF16 (GGUF).
    #[must_use]
    pub fn plain_name(&self) -> &str {
        self.name.strip_suffix(" (GGUF)").unwrap_or(&self.name)
    }

    /// The devices that an engine runs it on, among those that it runs on at all; none where all of them do.
    #[must_use]
    pub fn sites(&self, engine: &str) -> Option<Vec<&Site>> {
        match self.storage {
            // ggml's backends leave to the processor what they have no kernel for.
            Storage::Gguf { .. } => None,
            Storage::Plain {} | Storage::Scaled(_) | Storage::Native {} => {
                let own = |runs: &&FormatRuns| runs.engines.iter().any(|id| id == engine);
                Some(
                    self.runs
                        .iter()
                        .filter(own)
                        .flat_map(|runs| &runs.on)
                        .collect(),
                )
            }
        }
    }

    /// The lowest compute capability of NVIDIA's devices that one of its engines runs it on.
    #[must_use]
    pub fn least_capability(&self) -> Option<ComputeCapability> {
        let sites = self.runs.iter().flat_map(|runs| &runs.on);
        sites
            .filter(|site| site.vendor == Some(Vendor::Nvidia))
            .filter_map(|site| site.from)
            .min()
    }

    /// Share of accuracy that is lost: nothing from 16 bits on, else what was measured.
    #[must_use]
    pub fn known_loss(&self) -> Option<f64> {
        if self.bits >= 16 {
            return Some(0.0);
        }
        self.accuracy.as_ref().map(|accuracy| accuracy.loss)
    }
}

impl Entry for Format {
    const KIND: &'static str = "format";
    const FOLDER: &'static str = "formats";

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        named(&self.name, &self.aliases)
    }

    fn check(&self) -> Result<(), String> {
        if self.bits == 0 || self.bits > 64 {
            return Err("`bits` must lie between 1 and 64".into());
        }
        match &self.accuracy {
            Some(accuracy) if !(0.0..=1.0).contains(&accuracy.loss) => {
                Err("`accuracy.loss` must lie between 0 and 1".into())
            }
            _ => Ok(()),
        }
    }
}
