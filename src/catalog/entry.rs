//! What every catalog entry has: an id, other names, and a file that it came from.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// One TOML file of the catalog.
pub trait Entry: DeserializeOwned {
    /// The word for such an entry in messages: "GPU", "format" ...
    const KIND: &'static str;
    /// The folder that holds them.
    const FOLDER: &'static str;

    /// The id, equal to the file's name.
    fn id(&self) -> &str;

    /// Every further name that means this entry.
    fn names(&self) -> Vec<&str>;

    /// What the file's own keys contradict, with the key in backticks.
    ///
    /// # Errors
    /// A message for people when the entry cannot be used.
    fn check(&self) -> std::result::Result<(), String> {
        Ok(())
    }
}

/// The names of an entry that has one of its own and others that people type.
pub(super) fn named<'a>(name: &'a str, aliases: &'a [String]) -> Vec<&'a str> {
    std::iter::once(name)
        .chain(aliases.iter().map(String::as_str))
        .collect()
}

/// Parses one entry and holds it against its file's name.
///
/// # Errors
/// The file, line and key at fault.
pub fn parse<T: Entry>(file: &str, text: &str) -> Result<T> {
    let entry: T = from_text(file, text)?;
    let stem = file
        .rsplit(['/', '\\'])
        .next()
        .and_then(|name| name.strip_suffix(".toml"))
        .unwrap_or(file);
    if entry.id() != stem {
        let message = format!("`id` is `{}`, but the file is `{stem}.toml`", entry.id());
        return Err(located(file, text, "id", message));
    }
    entry
        .check()
        .map_err(|message| located(file, text, &blamed_key(&message), message))?;
    Ok(entry)
}

/// Parses a file's text.
///
/// # Errors
/// The file and line at fault, and the key where the parser names it.
pub(super) fn from_text<T: DeserializeOwned>(file: &str, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| syntax(file, text, &error))
}

/// An error at the first line that sets `key`.
pub(crate) fn located(file: &str, text: &str, key: &str, message: String) -> Error {
    let line = text.lines().position(|line| {
        line.trim_start()
            .strip_prefix(key)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    });
    Error::Catalog {
        file: file.to_owned(),
        line: line.map(|index| index + 1),
        message,
    }
}

/// The first word in backticks, without the tables before its last dot.
fn blamed_key(message: &str) -> String {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    quoted.rsplit('.').next().unwrap_or(quoted).to_owned()
}

fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Error {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| before.matches('\n').count() + 1);
    Error::Catalog {
        file: file.to_owned(),
        line,
        message: error.message().replace('\n', " "),
    }
}

/// A name as people type it, reduced to what distinguishes: lower case, no spaces, dashes or underscores.
#[must_use]
pub fn normalized(name: &str) -> String {
    name.chars()
        .filter(|character| !matches!(character, ' ' | '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}
