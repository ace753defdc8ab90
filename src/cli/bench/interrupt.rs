//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Whether the user asked to stop.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for Ctrl-C; a second one ends the program at once.
    pub(super) fn listen() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&flag);
        ctrlc::set_handler(move || {
            if own.swap(true, Ordering::SeqCst) {
                end();
            }
        })
        .context("cannot listen for Ctrl-C")?;
        Ok(Self(flag))
    }

    /// Whether it came.
    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[expect(
    clippy::exit,
    reason = "the user asked twice; nothing is left half-written"
)]
fn end() {
    std::process::exit(130);
}
