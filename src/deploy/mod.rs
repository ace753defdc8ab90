//! From an answer to something that runs.

mod launch;
mod verify;

pub use launch::{Launch, command};
pub use verify::{Verification, verify};
