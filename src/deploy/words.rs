//! Commands as words, and the shell's quoting of them.

use std::fmt::Display;

use crate::catalog::{Allocator, EngineLaunch, Setting, Version};
use crate::error::{Error, Result};

/// A program with its arguments, unquoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// The program, with the words that belong to it.
    pub program: Vec<String>,
    /// The arguments, each with its values.
    pub arguments: Vec<Vec<String>>,
}

impl Command {
    /// The program and its arguments, one word each.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let arguments = self.arguments.iter().flatten();
        self.program.iter().chain(arguments).cloned().collect()
    }

    /// As one line of a POSIX shell.
    #[must_use]
    pub fn line(&self) -> String {
        let words = self.words();
        let quoted_words = words.iter().map(|word| in_script(word));
        let line: Vec<String> = self.assignments().chain(quoted_words).collect();
        line.join(" ")
    }

    /// For a POSIX shell, each argument on a line of its own.
    #[must_use]
    pub fn block(&self) -> String {
        let program = self.program.iter().map(|word| in_script(word));
        let first: Vec<String> = self.assignments().chain(program).collect();
        let mut block = first.join(" ");
        for argument in &self.arguments {
            let words: Vec<String> = argument.iter().map(|word| in_script(word)).collect();
            block.push_str(" \\\n  ");
            block.push_str(&words.join(" "));
        }
        block
    }

    fn assignments(&self) -> impl Iterator<Item = String> {
        self.environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)))
    }
}

/// The words of a line of a POSIX shell.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    shlex::split(line)
}

/// `text` as one word of a POSIX shell.
#[must_use]
pub fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

/// Stands for the first node's address where only the one who runs a script knows it; no word of a
/// command line can hold its zero byte, so nothing else is taken for it.
pub(super) const LEADER: &str = "\0leader";

/// `word` as a word of a script whose variable `leader` holds the first node's address.
fn in_script(word: &str) -> String {
    let Some((before, after)) = word.split_once(LEADER) else {
        return quoted(word);
    };
    let part = |text: &str| match text {
        "" => String::new(),
        text => quoted(text),
    };
    format!("{}\"$leader\"{}", part(before), part(after))
}

/// `text` as the name of a file, never taken for an option.
pub(super) fn operand(text: &str) -> String {
    if text.starts_with('-') {
        format!("./{text}")
    } else {
        text.to_owned()
    }
}

/// Arguments under the names that a version of an engine has for them.
pub(super) struct Arguments<'a> {
    launch: &'a EngineLaunch,
    version: &'a Version,
    /// Whether a value may stand behind an equals sign.
    joins: bool,
    arguments: Vec<Vec<String>>,
    missing: Vec<String>,
}

impl<'a> Arguments<'a> {
    /// No arguments yet; `allocator` tells how the engine reads values.
    pub(super) fn of(launch: &'a EngineLaunch, version: &'a Version, allocator: Allocator) -> Self {
        Self {
            launch,
            version,
            joins: match allocator {
                Allocator::Vllm | Allocator::Sglang | Allocator::Transformers => true,
                // It takes the next word whatever it is, and knows no equals sign.
                Allocator::LlamaCpp => false,
            },
            arguments: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Adds a flag with its value.
    pub(super) fn set(&mut self, setting: Setting, value: impl Display) {
        let value = value.to_string();
        let Some(flag) = self.flag(setting) else {
            return;
        };
        let since = self.launch.choice_since(setting, &value);
        if let Some(since) = since.filter(|since| self.version < since) {
            self.missing
                .push(format!("`{flag} {value}` is known since {since}"));
            return;
        }
        // A separate word that begins with a dash would be read as the next flag.
        self.arguments
            .push(if self.joins && value.starts_with('-') {
                vec![format!("{flag}={value}")]
            } else {
                vec![flag.to_owned(), value]
            });
    }

    /// Adds a flag without a value.
    pub(super) fn switch(&mut self, setting: Setting) {
        if let Some(flag) = self.flag(setting) {
            self.arguments.push(vec![flag.to_owned()]);
        }
    }

    /// The version's name for a flag; a missing one is noted.
    fn flag(&mut self, setting: Setting) -> Option<&'a str> {
        let found = self.launch.flag(setting, self.version);
        if found.is_none() {
            let mut others = self.launch.flags.iter();
            let other = others.find(|flag| flag.setting == setting);
            let hint = other
                .and_then(|flag| Some((&flag.name, flag.since.as_ref()?)))
                .map_or_else(String::new, |(name, since)| {
                    format!("; {name} is known since {since}")
                });
            self.missing
                .push(format!("it has no flag for {}{hint}", setting.words()));
        }
        found
    }

    /// The arguments.
    ///
    /// # Errors
    /// When the version has no flag for something that the plan needs.
    pub(super) fn finish(self, engine: &str) -> Result<Vec<Vec<String>>> {
        match self.missing.first() {
            None => Ok(self.arguments),
            Some(missing) => Err(Error::Unanswerable(format!(
                "{engine} {} cannot run that: {missing}",
                self.version
            ))),
        }
    }
}
