//! llama.cpp: weights, cache and buffers as its own allocator makes them.

pub mod backend;
pub mod cache;
pub mod compute;
mod load;
pub mod settings;

pub use backend::Backend;
pub use cache::{cache_bytes, layer_bytes};
pub use load::memory;
pub use settings::{Outputs, Settings};
