//! Opens a `config.json`, and the folder of a checkpoint with its safetensors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::config::{self, Described};
use super::keys::Keys;
use super::limits::{Budget, CONFIG_BYTES, FILES, HEADER_BYTES, regular_file, whole_file};
use super::quantization::{Stored, model_optimizer};
use super::text::{few, shown};
use super::{
    FileKind, FileModel, FileWeights, folder_of, has_extension, index, json, malformed,
    safetensors, unreadable,
};
use crate::calc::checkpoint::checkpoint_size;
use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::shape::DraftKind;
use crate::catalog::storage::Element;
use crate::catalog::{Basis, Model, Origin};
use crate::error::Result;
use crate::units::{Bytes, count};

/// The configuration's name in a folder.
const CONFIG: &str = "config.json";
/// The index of a checkpoint that is split.
const INDEX: &str = "model.safetensors.index.json";
/// Entries of a folder that are looked at.
const ENTRIES: usize = 1 << 16;

/// The model that the configuration at `path` describes, without weights.
///
/// # Errors
/// What is wrong with it.
pub(super) fn open_config(path: &Path) -> Result<FileModel> {
    let described = read_config(path)?;
    Ok(model(described, config_name(path), Vec::new()))
}

/// The model in the folder `path`.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn open(path: &Path) -> Result<FileModel> {
    let config = path.join(CONFIG);
    if !config.exists() {
        let message = format!("is a folder without `{CONFIG}`");
        return Err(malformed(path, message));
    }
    let mut described = read_config(&config)?;
    if let Some(stored) = quantized_beside(path)? {
        described.restore(stored);
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = folder_name(&absolute);
    let files = shards(path)?;
    if files.is_empty() {
        return Ok(model(described, name, files));
    }
    let (weights, file_bytes) = read_shards(path, &files)?;
    refine(&mut described, &weights);
    let mut model = model(described, name, files);
    model.kind = FileKind::Folder;
    model.file_bytes = file_bytes;
    model.weights = Some(weights);
    Ok(model)
}

fn read_config(path: &Path) -> Result<Described> {
    let text = whole_file(path, CONFIG_BYTES)?;
    json::parse(&text)
        .and_then(|value| config::read(&value))
        .map_err(|message| malformed(path, message))
}

/// NVIDIA's `hf_quant_config.json`, for checkpoints whose `config.json` is silent.
fn quantized_beside(folder: &Path) -> Result<Option<Stored>> {
    let path = folder.join("hf_quant_config.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = whole_file(&path, CONFIG_BYTES)?;
    json::parse(&text)
        .and_then(|value| model_optimizer(Keys::of(&value)?))
        .map_err(|message| malformed(&path, message))
}

/// A configuration is called after its folder, unless it has a name of its own.
fn config_name(path: &Path) -> String {
    if path.file_name().is_some_and(|name| name == CONFIG) {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        folder_name(folder_of(&absolute))
    } else {
        shown(&path.file_stem().unwrap_or_default().to_string_lossy())
    }
}

fn folder_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.is_empty() {
        "config".to_owned()
    } else {
        shown(&name)
    }
}

impl Described {
    /// Takes what another file says of the storage for what the configuration said.
    fn restore(&mut self, stored: Stored) {
        let before = std::mem::replace(&mut self.stored, stored);
        self.notes.retain(|note| !before.notes.contains(note));
        self.notes.extend(self.stored.notes.iter().cloned());
    }
}

fn model(described: Described, name: String, files: Vec<PathBuf>) -> FileModel {
    FileModel {
        model: Model {
            id: name.clone(),
            name,
            origin: Origin::File,
            family: "file".to_owned(),
            shape: described.shape,
            basis: described.stored.basis,
            native: described.stored.native.to_owned(),
            storage: described.stored.storage,
            checkpoint: None,
            licence: None,
            file: None,
        },
        kind: FileKind::Config,
        files,
        file_bytes: Bytes::ZERO,
        format: described.stored.format,
        layout: LatentLayout::Absorbed,
        rope_scaling: described.rope_scaling,
        weights: None,
        notes: described.notes,
    }
}

/// What the tensors themselves say better than the configuration.
fn refine(described: &mut Described, weights: &FileWeights) {
    let shape = &mut described.shape;
    if shape.draft_layers > 0 && !weights.has_draft(shape.layers) {
        shape.draft_layers = 0;
        described
            .notes
            .push("the configuration names draft layers, but the checkpoint has none".to_owned());
    }
    let table = [shape.vocabulary, shape.hidden];
    if let DraftKind::Separate { copies } = &mut shape.draft_kind {
        *copies = weights
            .draft_tensors(shape.layers)
            .any(|tensor| tensor.dimensions == table);
    }
    let plain = described.stored.storage.as_ref().is_some_and(|storage| {
        storage.linears.is_none() && storage.experts.is_none() && storage.tables.is_none()
    });
    if plain && let Some(element) = main_element(weights) {
        described.restore(Stored::plain(element));
    }
    let Some(storage) = &described.stored.storage else {
        return;
    };
    let computed = checkpoint_size(&described.shape, storage, true).bytes;
    if computed != weights.bytes() {
        described.notes.push(format!(
            "the checkpoint's tensors take {} B, a model of its shape {} B: something is in it that dsk does not know, or missing from it",
            weights.bytes().0, computed.0
        ));
        described.stored.storage = None;
        described.stored.basis = Basis::Modelled;
    }
}

/// The plain type that takes most bytes.
fn main_element(weights: &FileWeights) -> Option<Element> {
    let types = weights.by_type();
    let (name, _) = types.into_iter().max_by_key(|(_, bytes)| *bytes)?;
    [Element::Bf16, Element::F16, Element::F32]
        .into_iter()
        .find(|element| element.name() == name)
}

/// The files that hold the weights: those that the index names, else all safetensors of the folder.
fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join(INDEX);
    let names = if index.exists() {
        indexed(&index)?
    } else {
        let found = listed(folder)?;
        if found.contains("model.safetensors") {
            BTreeSet::from(["model.safetensors".to_owned()])
        } else {
            with_siblings(found)
        }
    };
    if count(names.len()) > FILES {
        let message = format!("has {} weight files; at most {FILES} are read", names.len());
        return Err(malformed(folder, message));
    }
    let missing: Vec<String> = names
        .iter()
        .filter(|name| !folder.join(name).exists())
        .cloned()
        .collect();
    if missing.len() == names.len() {
        return Ok(Vec::new());
    }
    if missing.is_empty() {
        Ok(names.iter().map(|name| folder.join(name)).collect())
    } else {
        let message = format!("some of its weight files are missing: {}", few(&missing));
        Err(malformed(folder, message))
    }
}

/// The names of files in an index; one that would leave the folder is refused.
fn indexed(path: &Path) -> Result<BTreeSet<String>> {
    let text = whole_file(path, HEADER_BYTES)?;
    let names = index::files(&text).map_err(|message| malformed(path, message))?;
    match names.iter().find(|name| !is_plain(name)) {
        None => Ok(names),
        Some(name) => {
            let message = format!("names `{}`, which is no file of this folder", shown(name));
            Err(malformed(path, message))
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\\', '\0', ':'])
}

/// The safetensors files of a folder.
fn listed(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut names = BTreeSet::new();
    for entry in entries.take(ENTRIES) {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let path = entry.path();
        if has_extension(&path, "safetensors")
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// The names, and those that a name like `model-00001-of-00004.safetensors` says must stand beside it.
fn with_siblings(found: BTreeSet<String>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for name in found {
        if let Some((prefix, parts)) = siblings(&name) {
            let width = parts.len();
            let parts: u64 = parts.parse().unwrap_or(0);
            if parts <= FILES {
                all.extend((1..=parts).map(|number| {
                    format!("{prefix}-{number:0width$}-of-{parts:0width$}.safetensors")
                }));
            }
        }
        all.insert(name);
    }
    all
}

fn siblings(name: &str) -> Option<(&str, &str)> {
    let (front, parts) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (prefix, number) = front.rsplit_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number) && digits(parts) && number.len() == parts.len() && parts.len() < 8)
        .then_some((prefix, parts))
}

fn read_shards(folder: &Path, files: &[PathBuf]) -> Result<(FileWeights, Bytes)> {
    let mut budget = Budget::headers();
    let mut all = Vec::new();
    let mut bytes = Bytes::ZERO;
    for (number, path) in files.iter().enumerate() {
        let (file, size) = regular_file(path)?;
        let mut tensors = safetensors::parse(file, size, &mut budget)
            .map_err(|message| malformed(path, message))?;
        for tensor in &mut tensors {
            tensor.file = number;
        }
        all.append(&mut tensors);
        bytes += Bytes(size);
    }
    let weights = FileWeights::of(all).map_err(|message| malformed(folder, message))?;
    Ok((weights, bytes))
}
