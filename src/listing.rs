//! The catalog as lists, and single entries with everything that their files say.

use serde_json::Value;

use crate::calc::tensors::parameters;
use crate::catalog::find::{find, nearest};
use crate::catalog::gpu::GpuMemory;
use crate::catalog::variant::Match;
use crate::catalog::{Catalog, Engine, Entry, Format, Gpu, Release, Scenario, Variant};
use crate::error::{Error, Result};
use crate::units::float;

/// The kinds of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The article's six.
    Variants,
    /// Official releases.
    Models,
    /// Devices.
    Gpus,
    /// Weight formats.
    Formats,
    /// Engines.
    Engines,
    /// Scenarios.
    Scenarios,
}

impl Kind {
    /// Every kind, in the order of lists.
    pub const ALL: [Self; 6] = [
        Self::Variants,
        Self::Models,
        Self::Gpus,
        Self::Formats,
        Self::Engines,
        Self::Scenarios,
    ];

    /// The word for it, which is also its folder.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Variants => "variants",
            Self::Models => "models",
            Self::Gpus => "gpus",
            Self::Formats => "formats",
            Self::Engines => "engines",
            Self::Scenarios => "scenarios",
        }
    }
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What distinguishes it, in a few words.
    pub detail: String,
}

/// Every entry of `kind`.
///
/// # Errors
/// When the catalog is broken.
pub fn list(catalog: &Catalog, kind: Kind) -> Result<Vec<Listed>> {
    Ok(match kind {
        Kind::Variants => lines(kind, catalog.variants()?, variant),
        Kind::Models => lines(kind, catalog.releases()?, release),
        Kind::Gpus => lines(kind, catalog.gpus()?, gpu),
        Kind::Formats => lines(kind, catalog.formats()?, format),
        Kind::Engines => lines(kind, catalog.engines()?, engine),
        Kind::Scenarios => lines(kind, catalog.scenarios()?, scenario),
    })
}

fn lines<T: Entry>(kind: Kind, entries: &[T], words: fn(&T) -> (String, String)) -> Vec<Listed> {
    entries
        .iter()
        .map(|entry| {
            let (name, detail) = words(entry);
            Listed {
                kind,
                id: entry.id().to_owned(),
                name,
                detail,
            }
        })
        .collect()
}

fn variant(entry: &Variant) -> (String, String) {
    let matching = match entry.checkpoint.matching {
        Match::Exact => "is",
        Match::Nearest => "nearest",
    };
    (
        format!("{} ({})", entry.names.english, entry.names.chinese),
        format!("{matching} {}", entry.checkpoint.model),
    )
}

fn release(entry: &Release) -> (String, String) {
    let detail = match &entry.shape {
        Some(shape) => {
            let counted = parameters(shape);
            let window = shape.window_tokens / 1024;
            format!(
                "{:.1} B, {:.1} B active, {window}k window",
                counted.main.billions(),
                counted.active.billions()
            )
        }
        None => "configuration not public".to_owned(),
    };
    (entry.name.clone(), detail)
}

fn gpu(entry: &Gpu) -> (String, String) {
    let bandwidth = float(entry.memory.bandwidth_bytes_per_second) / 1e9;
    (
        entry.name.clone(),
        format!("{}, {bandwidth:.0} GB/s", size(&entry.memory)),
    )
}

/// The memory on the box, or what a processor's channels are.
fn size(memory: &GpuMemory) -> String {
    match (memory.vendor_gb, memory.channels) {
        (Some(size), _) => format!("{size} GB"),
        (None, Some(channels)) => format!("{channels} channels"),
        (None, None) => {
            let sizes: Vec<String> = memory.options_gb.iter().map(ToString::to_string).collect();
            format!("{} GB", sizes.join("/"))
        }
    }
}

fn format(entry: &Format) -> (String, String) {
    (
        entry.name.clone(),
        format!("{} bits; {}", entry.bits, entry.engines.join(", ")),
    )
}

fn engine(entry: &Engine) -> (String, String) {
    (
        entry.name.clone(),
        format!("checked against {}", entry.version),
    )
}

fn scenario(entry: &Scenario) -> (String, String) {
    (
        entry.name.clone(),
        format!("{} tokens x {}", entry.context_tokens, entry.sequences),
    )
}

/// An entry found by name in any kind, with its file's content.
///
/// # Errors
/// When no kind has such an entry.
pub fn show(catalog: &Catalog, name: &str) -> Result<(Kind, String, Value)> {
    for kind in Kind::ALL {
        if let Some(id) = id_of(catalog, kind, name)? {
            let content = catalog.content(kind.word(), &id)?;
            return Ok((kind, id, content));
        }
    }
    let mut ids = Vec::new();
    for kind in Kind::ALL {
        ids.extend(list(catalog, kind)?.into_iter().map(|line| line.id));
    }
    Err(Error::Unknown {
        kind: "entry",
        name: name.to_owned(),
        nearest: nearest(ids.iter().map(String::as_str), name),
    })
}

fn id_of(catalog: &Catalog, kind: Kind, name: &str) -> Result<Option<String>> {
    fn found<T: Entry>(entries: &[T], name: &str) -> Result<Option<String>> {
        match find(entries, name) {
            Ok(entry) => Ok(Some(entry.id().to_owned())),
            Err(Error::Unknown { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
    match kind {
        Kind::Variants => found(catalog.variants()?, name),
        Kind::Models => found(catalog.releases()?, name),
        Kind::Gpus => found(catalog.gpus()?, name),
        Kind::Formats => found(catalog.formats()?, name),
        Kind::Engines => found(catalog.engines()?, name),
        Kind::Scenarios => found(catalog.scenarios()?, name),
    }
}
