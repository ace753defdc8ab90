//! The command line: parse, call, render, exit code.

mod args;
mod ask;
#[cfg(feature = "bench")]
mod bench;
mod commands;
mod machine;
mod model;
mod output;
mod quantity;

use std::process::ExitCode;

use clap::Parser;

use crate::error::Error;
use args::Cli;

/// How a run ended; the numbers are documented and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Answered.
    Answered,
    /// Cannot answer: an unknown name, an unreadable file, a bad catalog.
    CannotAnswer,
    /// Wrong usage.
    Usage,
    /// Nothing fits, or a check failed.
    NothingFits,
    /// Stopped by Ctrl-C; what was known by then was answered.
    Interrupted,
}

impl Exit {
    /// How a run ends that stopped on `error`.
    fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Error>() {
            Some(Error::Usage(_)) => Self::Usage,
            Some(Error::CannotRun { .. } | Error::Mixed(_)) => Self::NothingFits,
            Some(
                Error::Unknown { .. }
                | Error::Ambiguous { .. }
                | Error::Catalog { .. }
                | Error::Unreadable { .. }
                | Error::Malformed { .. }
                | Error::Unanswerable(_),
            )
            | None => Self::CannotAnswer,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Answered => Self::from(0),
            Exit::CannotAnswer => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::NothingFits => Self::from(3),
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Runs the program on the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error).into(),
    };
    match commands::run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::complain("error", &format!("{error:#}"));
            Exit::of(&error).into()
        }
    }
}
