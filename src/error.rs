//! The one error of the library: lower-case fragments, the culprit in backticks, what was expected.

use std::path::PathBuf;

use thiserror::Error;

/// Why a question could not be answered. "Nothing fits" is an answer, not an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no entry of the catalog has.
    #[error("no {kind} is called `{name}`{}", suggestion(nearest))]
    Unknown {
        /// What was looked for: "model", "GPU", "format" ...
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The names that come nearest, best first.
        nearest: Vec<String>,
    },
    /// A name that several entries answer to.
    #[error("`{name}` can be {}; name one of them", listing(candidates))]
    Ambiguous {
        /// The name as given.
        name: String,
        /// The ids that it could mean.
        candidates: Vec<String>,
    },
    /// A catalog file that cannot be used.
    #[error("{file}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Catalog {
        /// The file, as found.
        file: String,
        /// The line, counted from 1, where one is to blame.
        line: Option<usize>,
        /// What is wrong, with the key in backticks.
        message: String,
    },
    /// A file that could not be read.
    #[error("cannot read `{}`: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why, in the operating system's words.
        message: String,
    },
    /// A model file whose content cannot be used.
    #[error("`{}`: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// An engine, a format or a model that is not known to run on the hardware.
    #[error("{reason}")]
    CannotRun {
        /// The format's id, where one was chosen.
        format: String,
        /// The engine's id.
        engine: String,
        /// Why not, and where it does.
        reason: String,
    },
    /// Devices that make no server.
    #[error("{0}")]
    Mixed(String),
    /// Numbers or options that exclude each other, or lie outside what can be asked.
    #[error("{0}")]
    Usage(String),
    /// A question that makes no sense as asked.
    #[error("{0}")]
    Unanswerable(String),
}

impl Error {
    /// A catalog error without a line.
    #[must_use]
    pub fn in_file(file: &str, message: impl Into<String>) -> Self {
        Self::Catalog {
            file: file.to_owned(),
            line: None,
            message: message.into(),
        }
    }
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

/// "; did you mean `a` or `b`?", or nothing.
fn suggestion(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", listing(nearest))
}

/// "`a`, `b` or `c`".
fn listing(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_suggests() {
        let error = Error::Unknown {
            kind: "model",
            name: "13c".into(),
            nearest: vec!["13b".into(), "33b".into()],
        };
        assert_eq!(
            error.to_string(),
            "no model is called `13c`; did you mean `13b` or `33b`?"
        );
    }
}
