//! A model: anything that can be calculated.

use super::find::{find, nearest};
use super::format::{Format, Storage};
use super::release::Ready;
use super::storage::NativeStorage;
use super::variant::Match;
use super::{Basis, Catalog, Entry, Release, Shape, Variant};
use crate::error::{Error, Result};
use crate::units::Bytes;

/// A variant, a release or a file, reduced to what the calculator needs.
#[derive(Debug, Clone)]
pub struct Model {
    /// The id.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The series that it belongs to.
    pub family: String,
    /// Its shape.
    pub shape: Shape,
    /// Whether the shape is a published one.
    pub basis: Basis,
    /// The format that its checkpoint is in.
    pub native: String,
    /// How its checkpoint stores each tensor, where that is known.
    pub storage: Option<NativeStorage>,
    /// The repository whose weights can be had, and how well it matches.
    pub checkpoint: Option<Repository>,
    /// Licence of the weights.
    pub licence: Option<String>,
    /// Bytes of its own tensors, for a user's file that holds them.
    pub file: Option<FileSizes>,
}

/// What the tensors of a user's file add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSizes {
    /// All tensors.
    pub total: Bytes,
    /// The token embedding.
    pub embedding: Bytes,
    /// Each decoder layer.
    pub layers: Vec<LayerSizes>,
    /// Head, final norm, and whatever belongs to no layer.
    pub output: Bytes,
    /// Whether it is a GGUF, whose format cannot be chosen any more.
    pub is_gguf: bool,
    /// Whether a GGUF with latent attention was made before llama.cpp could cache the latent alone.
    pub multi_head: bool,
}

/// Bytes of a decoder layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerSizes {
    /// All of it.
    pub total: Bytes,
    /// What of it are routed experts.
    pub experts: ExpertSizes,
}

/// Bytes of a layer's routed experts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExpertSizes {
    /// Gates, with the up projections where a file keeps both in one tensor.
    pub gate: Bytes,
    /// Up projections.
    pub up: Bytes,
    /// Down projections.
    pub down: Bytes,
}

/// Where a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// One of the article's six.
    Variant,
    /// An official release.
    Release,
    /// A user's own file.
    File,
}

/// Weights that can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The repository on the hub.
    pub repo: String,
    /// Id of the release.
    pub release: String,
    /// How well it matches the model.
    pub matching: Match,
    /// A conversion to GGUF, where one is known.
    pub gguf: Option<String>,
    /// The release in other formats, ready to be served.
    pub ready: Vec<Ready>,
}

/// The formats of checkpoints that no method has quantized yet.
const PLAIN: [&str; 3] = ["bf16", "fp16", "fp32"];

impl Model {
    /// Whether its checkpoint is in a plain float format, from which others can be made.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        PLAIN.contains(&self.native.as_str())
    }

    /// The published checkpoint in `format`, where somebody made one.
    #[must_use]
    pub fn ready(&self, format: &str) -> Option<&Ready> {
        let checkpoint = self.checkpoint.as_ref()?;
        checkpoint.ready.iter().find(|ready| ready.format == format)
    }

    /// Whether its weights can be had in `format`: as they are, ready, or made from a checkpoint that no
    /// method has quantized yet; a converter to GGUF reads all.
    #[must_use]
    pub fn can_be_had(&self, format: &Format) -> bool {
        let gguf = match &format.storage {
            Storage::Gguf { .. } => true,
            Storage::Plain {} | Storage::Scaled(_) | Storage::Native {} => false,
        };
        gguf || self.is_plain() || self.native == format.id || self.ready(&format.id).is_some()
    }
}

/// The native format of a shape that has no checkpoint.
const ASSUMED_NATIVE: &str = "bf16";

impl Catalog {
    /// The model that `name` means: a variant or a release.
    ///
    /// # Errors
    /// `Unknown` with the nearest names, `Ambiguous`, or what is wrong with the entry.
    pub fn model(&self, name: &str) -> Result<Model> {
        let variants = self.variants()?;
        if let Ok(variant) = find(variants, name) {
            return self.model_of_variant(variant);
        }
        match find(self.releases()?, name) {
            Ok(release) => model_of_release(release),
            Err(Error::Unknown { kind, name, .. }) => {
                let releases = self.releases()?;
                let ids = variants.iter().map(Entry::id);
                let mut nearest_names = nearest(ids.chain(releases.iter().map(Entry::id)), &name);
                if nearest_names.is_empty() {
                    nearest_names = nearest(releases.iter().flat_map(Entry::names), &name);
                }
                Err(Error::Unknown {
                    kind,
                    name,
                    nearest: nearest_names,
                })
            }
            Err(other) => Err(other),
        }
    }

    /// Every variant and every release with a known shape, variants first.
    ///
    /// # Errors
    /// What is wrong with an entry.
    pub fn models(&self) -> Result<Vec<Model>> {
        let variants = self
            .variants()?
            .iter()
            .map(|variant| self.model_of_variant(variant));
        let releases = self
            .releases()?
            .iter()
            .filter(|release| release.shape.is_some())
            .map(model_of_release);
        variants.chain(releases).collect()
    }

    /// The release that is run in place of `model`, whose own weights nobody has; none where it has its own.
    ///
    /// # Errors
    /// When the release is not in the catalog, or its shape is not published.
    pub fn started(&self, model: &Model) -> Result<Option<Model>> {
        match &model.checkpoint {
            Some(weights) if weights.matching == Match::Nearest => {
                model_of_release(find(self.releases()?, &weights.release)?).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The model that a variant stands for.
    ///
    /// # Errors
    /// When its checkpoint is not in the catalog.
    pub fn model_of_variant(&self, variant: &Variant) -> Result<Model> {
        let release = find(self.releases()?, &variant.checkpoint.model)?;
        let (shape, basis) = match &variant.shape {
            Some(assumed) => (assumed.assumed.clone(), Basis::Assumed),
            None => (published_shape(release)?, Basis::Exact),
        };
        let (native, storage) = match variant.checkpoint.matching {
            Match::Exact => (release.native.clone(), release.storage.clone()),
            Match::Nearest => (None, None),
        };
        Ok(Model {
            id: variant.id.clone(),
            name: format!("{} ({})", variant.id.to_uppercase(), variant.names.english),
            origin: Origin::Variant,
            family: "variant".to_owned(),
            shape,
            basis,
            native: native.unwrap_or_else(|| ASSUMED_NATIVE.to_owned()),
            storage,
            checkpoint: repository(release, variant.checkpoint.matching),
            licence: release.licence.clone(),
            file: None,
        })
    }
}

/// The model that a release is.
///
/// # Errors
/// When its shape is not published.
pub fn model_of_release(release: &Release) -> Result<Model> {
    Ok(Model {
        id: release.id.clone(),
        name: release.name.clone(),
        origin: Origin::Release,
        family: release.family.clone(),
        shape: published_shape(release)?,
        basis: Basis::Exact,
        native: release
            .native
            .clone()
            .unwrap_or_else(|| ASSUMED_NATIVE.to_owned()),
        storage: release.storage.clone(),
        checkpoint: repository(release, Match::Exact),
        licence: release.licence.clone(),
        file: None,
    })
}

/// The repository to run: one tuned for conversation where the release has one, else its first.
fn repository(release: &Release, matching: Match) -> Option<Repository> {
    let tuned = |repo: &&String| {
        let name = repo.to_lowercase();
        name.contains("instruct") || name.contains("chat")
    };
    let repo = release.repos.iter().find(tuned).or(release.repos.first())?;
    Some(Repository {
        repo: repo.clone(),
        release: release.id.clone(),
        matching,
        gguf: release
            .gguf
            .as_ref()
            .map(|conversion| conversion.repo.clone()),
        ready: release.quantized.clone(),
    })
}

fn published_shape(release: &Release) -> Result<Shape> {
    release.shape.clone().ok_or_else(|| {
        Error::Unanswerable(format!(
            "the configuration of `{}` is not public, so its memory cannot be calculated",
            release.id
        ))
    })
}
