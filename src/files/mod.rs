//! A user's own model: a GGUF file, a `config.json`, or a folder with one and perhaps safetensors.
//!
//! Only headers are read, and what they say is not trusted: every length is held against the file's
//! size and against the limits of [`limits`] before anything is allocated, so a file from a stranger
//! costs at most 64 MiB of reading for its headers and as much for an index, under 256 MiB of memory
//! and a few seconds, and ends in one line of error.

mod config;
mod config_v4;
mod element;
mod folder;
mod gguf;
mod gguf_file;
mod gguf_shape;
mod index;
mod json;
mod keys;
pub mod limits;
mod quantization;
mod safetensors;
mod text;
mod weights;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use element::ElementType;
pub use weights::{FileTensor, FileWeights, Order, Place, Placement};

use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::Model;
use crate::catalog::release::RopeScaling;
use crate::error::{Error, Result};
use crate::units::Bytes;

/// A model as its files describe it.
#[derive(Debug, Clone)]
pub struct FileModel {
    /// What the calculator needs: shape, native format, storage; its origin is `File`.
    pub model: Model,
    /// What was given.
    pub kind: FileKind,
    /// The files that hold the weights, in order; none for a configuration alone.
    pub files: Vec<PathBuf>,
    /// Bytes of these files, headers and padding included.
    pub file_bytes: Bytes,
    /// The format in the file's own words: `Q4_K_M`, `BF16`, `fp8 in blocks of 128 x 128`.
    pub format: String,
    /// Whether a latent-attention GGUF caches every head's keys and values (made before MLA support).
    pub layout: LatentLayout,
    /// Rotary scaling, as the file has it.
    pub rope_scaling: Option<RopeScaling>,
    /// The tensors, where the files with them are there.
    pub weights: Option<FileWeights>,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

/// What kind of file describes the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A GGUF file, split or not.
    Gguf,
    /// A `config.json` without weights.
    Config,
    /// A folder with `config.json` and safetensors.
    Folder,
}

/// The model at `path`; none where nothing of that name exists, so that it may be a catalog's name.
///
/// `path` is a GGUF file (any part of a split one), a `config.json`, a safetensors file or index
/// beside one, or the folder that holds it.
///
/// # Errors
/// `Unreadable` when the system refuses, `Malformed` when the content cannot be used, with what is wrong.
pub fn open(path: &Path) -> Result<Option<FileModel>> {
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !expected(path) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(path, &error)),
    };
    if found.is_dir() {
        return folder::open(path).map(Some);
    }
    let model = match kind_of(path)? {
        Content::Gguf => gguf_file::open(path),
        Content::Config => folder::open_config(path),
        Content::BesideConfig => folder::open(folder_of(path)),
    };
    model.map(Some)
}

/// Whether the name itself says that a file is meant, so that its absence is an error.
fn expected(path: &Path) -> bool {
    let is_link = std::fs::symlink_metadata(path).is_ok();
    let known = ["gguf", "json", "safetensors"];
    is_link || known.iter().any(|known| has_extension(path, known))
}

enum Content {
    Gguf,
    Config,
    BesideConfig,
}

fn kind_of(path: &Path) -> Result<Content> {
    let mut file = limits::regular_file(path)?.0;
    let mut magic = [0; 4];
    let is_gguf = file.read_exact(&mut magic).is_ok() && magic == gguf::MAGIC;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    if is_gguf || has_extension(path, "gguf") {
        Ok(Content::Gguf)
    } else if name.ends_with(".safetensors.index.json") || has_extension(path, "safetensors") {
        Ok(Content::BesideConfig)
    } else if has_extension(path, "json") {
        Ok(Content::Config)
    } else {
        Err(malformed(
            path,
            "is neither a GGUF file, a `config.json`, nor a folder with one",
        ))
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The folder that `path` lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unreadable {
        path: path.to_owned(),
        message: error.to_string(),
    }
}

fn malformed(path: &Path, message: impl Into<String>) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        message: message.into(),
    }
}

/// Feeds the first `bytes` of a file of `size` bytes to the GGUF header parser, for tests that search
/// for inputs that break it.
///
/// # Errors
/// What is wrong with the header, in one line.
pub fn check_gguf(bytes: &[u8], size: u64) -> std::result::Result<(), String> {
    let header = gguf::parse(bytes, size, &mut limits::Budget::headers())?;
    let shape = gguf_shape::read(&header)?.shape;
    touch(&shape);
    Ok(())
}

/// The same for a safetensors header.
///
/// # Errors
/// What is wrong with the header, in one line.
pub fn check_safetensors(bytes: &[u8]) -> std::result::Result<(), String> {
    let size = crate::units::count(bytes.len());
    let tensors = safetensors::parse(bytes, size, &mut limits::Budget::headers())?;
    let weights = FileWeights::of(tensors)?;
    let placed: Bytes = weights.by_type().into_values().sum();
    if placed == weights.bytes() {
        Ok(())
    } else {
        Err("the bytes by type are not the bytes in all".to_owned())
    }
}

/// The same for a `config.json`.
///
/// # Errors
/// What is wrong with the configuration, in one line.
pub fn check_config(bytes: &[u8]) -> std::result::Result<(), String> {
    let described = config::read(&json::parse(bytes)?)?;
    touch(&described.shape);
    Ok(())
}

/// Calculates what every answer needs of a shape: it must not panic on any that passed.
fn touch(shape: &crate::catalog::Shape) {
    use crate::calc::{gguf_tensors::gguf_tensors, tensors::parameters};
    let _ = parameters(shape);
    let _ = gguf_tensors(shape, LatentLayout::Absorbed);
}
