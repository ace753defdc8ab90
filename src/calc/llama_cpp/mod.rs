//! llama.cpp: weights, cache and buffers as its own allocator makes them.

mod allocator;
pub mod backend;
pub mod cache;
mod compressed;
mod compressor;
pub mod compute;
mod feed_forward;
mod graph;
mod grouped;
mod hyper;
mod latent;
mod layer_weights;
mod load;
mod network;
mod places;
mod report;
mod rows;
pub mod settings;

pub use backend::Backend;
pub use cache::{cache_bytes, layer_bytes};
pub(in crate::calc) use load::context_on;
pub use load::{Prepared, file_bytes, memory, prepare, with_weights};
pub use places::layers_by_device;
pub use rows::{Laid, Rows};
pub use settings::{Outputs, Settings};
