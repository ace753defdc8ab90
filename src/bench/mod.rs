//! Benchmarks: what to run, and what came of a run. The clock and the network are `cli`'s.

pub mod chunk;
pub mod comparison;
pub mod events;
pub mod failure;
pub mod level;
pub mod prompt;
pub mod record;
pub mod run;
pub mod statistics;
pub mod wire;
