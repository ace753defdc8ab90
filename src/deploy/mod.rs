//! From an answer to something that runs.

pub mod cluster;
mod launch;
mod llama_cpp;
mod make;
mod notes;
mod ollama;
mod question;
mod script;
mod sglang;
mod start;
mod target;
mod text;
mod transformers;
mod verify;
mod vllm;
mod words;

pub use launch::{Launch, Node, Service, command, prepare, serve};
pub(crate) use make::{Weights, told_to_quantize, weights};
pub(crate) use ollama::create as create_in_ollama;
pub use question::{Deployment, File, Question, deploy};
pub use start::{Start, server_line, start};
pub use target::Target;
pub use text::one_line;
pub use verify::{Verification, verify};
pub use words::{Command, quoted};
