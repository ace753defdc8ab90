//! The calculator: pure functions from shapes, formats and hardware to bytes and seconds.

pub mod ability;
pub mod accuracy;
pub mod availability;
pub mod cache;
pub mod checkpoint;
pub mod estimate;
pub mod footprint;
pub mod gguf;
pub mod gguf_tensors;
pub mod hardware;
pub mod llama_cpp;
pub mod load;
pub mod memory;
pub mod mix;
pub mod parallel;
pub mod plain;
pub mod rule;
mod runs;
pub mod sglang;
pub mod sharding;
pub mod speed;
pub mod tensors;
pub mod tier;
pub mod transformers;
pub mod vllm;
pub mod weights;
pub mod what_if;
