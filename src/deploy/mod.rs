//! From an answer to something that runs.

mod launch;

pub use launch::{Launch, command};
