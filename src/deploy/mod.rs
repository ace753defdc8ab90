//! From an answer to something that runs.

mod launch;
mod verify;

pub use launch::{Launch, command, quoted};
pub use verify::{Verification, verify};
