//! Where entries come from: the program itself, then folders that add or replace.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use include_dir::{Dir, File, include_dir};

use serde::de::DeserializeOwned;

use super::entry::{self, Entry};
use crate::error::{Error, Result};

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/catalog");

/// Folders that a catalog may have.
const FOLDERS: [&str; 7] = [
    "calibrations",
    "engines",
    "formats",
    "gpus",
    "models",
    "scenarios",
    "variants",
];

/// The largest entry that is read from a folder, in bytes.
const LARGEST_ENTRY: u64 = 1 << 20;

/// The texts of entries that replace or extend the embedded ones.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Kind folder, then file stem, to the file's path and text.
    added: BTreeMap<&'static str, BTreeMap<String, (String, String)>>,
}

impl Files {
    /// Reads every `KIND/<id>.toml` below `folders`; a later folder wins.
    pub(super) fn with_folders(folders: &[PathBuf]) -> Result<Self> {
        let mut files = Self::default();
        for folder in folders {
            files.add(folder)?;
        }
        Ok(files)
    }

    fn add(&mut self, folder: &Path) -> Result<()> {
        for entry in read_folder(folder)? {
            let name = file_name(&entry);
            if name.starts_with('.') || !entry.is_dir() {
                continue;
            }
            let Some(kind) = FOLDERS.into_iter().find(|kind| *kind == name) else {
                let message = format!(
                    "`{name}` is no kind of entry; there are {}",
                    FOLDERS.join(", ")
                );
                return Err(Error::in_file(&entry.display().to_string(), message));
            };
            for file in read_folder(&entry)? {
                if file
                    .extension()
                    .is_some_and(|extension| extension == "toml")
                {
                    let stem = file_name(&file).trim_end_matches(".toml").to_owned();
                    let text = read_entry(&file)?;
                    let place = (file.display().to_string(), text);
                    self.added.entry(kind).or_default().insert(stem, place);
                }
            }
        }
        Ok(())
    }

    /// Every entry of a kind, by id.
    pub(super) fn parse<T: Entry>(&self) -> Result<Vec<T>> {
        let found = self.texts(T::FOLDER)?;
        found
            .iter()
            .map(|(path, text)| entry::parse(path, text))
            .collect()
    }

    /// Path and text of every entry of a kind, by id.
    fn texts(&self, kind: &str) -> Result<Vec<(Cow<'_, str>, &str)>> {
        let mut entries = BTreeMap::new();
        for file in EMBEDDED.get_dir(kind).into_iter().flat_map(Dir::files) {
            let path = file.path();
            if let (Some(stem), Some("toml")) = (
                path.file_stem().and_then(OsStr::to_str),
                path.extension().and_then(OsStr::to_str),
            ) {
                entries.insert(stem, (path.to_string_lossy(), text_of(file)?));
            }
        }
        for (stem, (path, text)) in self.added.get(kind).into_iter().flatten() {
            entries.insert(stem, (path.into(), text.as_str()));
        }
        Ok(entries.into_values().collect())
    }

    /// A file of the catalog's own folder, which no other folder replaces.
    pub(super) fn parse_embedded<T: DeserializeOwned>(file: &str) -> Result<T> {
        let embedded = EMBEDDED
            .get_file(file)
            .ok_or_else(|| Error::in_file(file, "there is no such file"))?;
        entry::from_text(file, text_of(embedded)?)
    }

    /// The entries of a kind whose own keys, those before the first table, `may` mean what is looked for.
    pub(super) fn parse_some<T: Entry>(&self, may: impl Fn(&str) -> bool) -> Result<Vec<T>> {
        let found = self.texts(T::FOLDER)?;
        let wanted = found.iter().filter(|(_, text)| may(own_keys(text)));
        wanted
            .map(|(path, text)| entry::parse(path, text))
            .collect()
    }

    /// The path and text behind an entry, for messages about it.
    pub(super) fn text(&self, folder: &str, id: &str) -> Option<(String, String)> {
        if let Some(found) = self.added.get(folder).and_then(|entries| entries.get(id)) {
            return Some(found.clone());
        }
        let path = format!("{folder}/{id}.toml");
        let text = EMBEDDED.get_file(&path)?.contents_utf8()?;
        Some((path, text.to_owned()))
    }
}

/// An embedded file's text.
fn text_of(file: &'static File<'static>) -> Result<&'static str> {
    file.contents_utf8()
        .ok_or_else(|| Error::in_file(&file.path().to_string_lossy(), "is no UTF-8 text"))
}

/// The keys of the entry itself, which TOML puts before its first table.
fn own_keys(text: &str) -> &str {
    text.find("\n[").map_or(text, |end| &text[..end])
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unreadable {
        path: path.to_owned(),
        message: error.to_string(),
    }
}

fn read_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| unreadable(folder, &error))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_entry(file: &Path) -> Result<String> {
    let size = std::fs::metadata(file)
        .map_err(|error| unreadable(file, &error))?
        .len();
    if size > LARGEST_ENTRY {
        return Err(Error::in_file(
            &file.display().to_string(),
            "is larger than 1 MiB, too large for an entry",
        ));
    }
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}
