//! Where text goes: data on stdout, everything else on stderr.

use std::io::{ErrorKind, IsTerminal, Write};

use super::Exit;
use crate::render::Layout;

/// Columns of a pipe.
const PIPE_WIDTH: u16 = 80;
/// Columns beyond which a table is harder to read.
const WIDEST: u16 = 120;

/// Writes data; a reader that went away is no error.
pub(super) fn data(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes one line about what happened.
pub(super) fn complain(kind: &str, message: &str) {
    let line = format!("{kind}: {message}\n");
    // Nothing is left to tell it to when stderr is gone.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Prints clap's help, version or complaint.
pub(super) fn usage(error: &clap::Error) -> Exit {
    // A closed pipe is no error here either.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Answered
    }
}

/// The width and style of stdout.
pub(super) fn layout() -> Layout {
    let terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size()
        .map(|(width, _)| width.0)
        .filter(|_| terminal);
    let set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    Layout {
        width: width.unwrap_or(PIPE_WIDTH).clamp(40, WIDEST),
        styled: !set("NO_COLOR") && (terminal || set("CLICOLOR_FORCE")),
    }
}
