//! Benchmarks: what to run, and what came of a run. The clock and the network are `cli`'s.

pub mod calibrate;
pub mod chunk;
pub mod comparison;
pub mod events;
pub mod failure;
pub mod level;
pub mod plan;
pub mod prompt;
pub mod record;
pub mod run;
pub mod statistics;
mod tools;
pub mod wire;
