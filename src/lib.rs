//! Which DeepSeek model, in which precision, fits and serves best on which hardware, and what to run.
//!
//! The layers, each naming only those before it: `units`, `error`, `catalog`, `calc`.

pub mod calc;
pub mod catalog;
pub mod error;
pub mod request;
pub mod units;
