//! How to check an answer on the engine itself.

use super::launch::{Launch, command};
use crate::catalog::Allocator;

/// A command, and what to look for in its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The command, for a POSIX shell.
    pub command: String,
    /// The lines to look at.
    pub look_at: String,
}

/// How to check a launch's memory.
#[must_use]
pub fn verify(launch: &Launch<'_>) -> Verification {
    let started = command(launch);
    match launch.engine.allocator {
        Allocator::LlamaCpp => Verification {
            command: started.replace("llama-server ", "llama-fit-params --fit-print on "),
            look_at: "model, context and compute of each device; `llama-server` prints them as \"model buffer size\", \"KV buffer size\" and \"compute buffer size\"".to_owned(),
        },
        Allocator::Vllm => Verification {
            command: started,
            look_at: "\"Model loading took ... GiB\", \"Available KV cache memory\" and \"GPU KV cache size: ... tokens\" in the log".to_owned(),
        },
        Allocator::Sglang => Verification {
            command: started,
            look_at: "\"Load weight end ... mem usage\" and \"KV Cache is allocated ... #tokens\" in the log".to_owned(),
        },
        Allocator::Transformers => Verification {
            command: started,
            look_at: "`model.get_memory_footprint()` after loading, `torch.cuda.max_memory_allocated()` after a generation".to_owned(),
        },
    }
}
