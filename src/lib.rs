//! Which DeepSeek model, in which precision, fits and serves best on which hardware, and what to run.
//!
//! The layers, each naming only those before it: `units`, `error`, `catalog`, `calc`, `files`, `request`, then
//! the answers (`recommend`, `check`, `quantize`, `migrate`, `listing`, `plan`, `speed`, `train`), `deploy`, `bench`, `render`, `cli`.

pub mod bench;
pub mod calc;
pub mod catalog;
pub mod check;
pub mod cli;
pub mod deploy;
pub mod error;
pub mod files;
pub mod listing;
pub mod migrate;
pub mod plan;
pub mod quantize;
pub mod recommend;
pub mod render;
pub mod request;
pub mod speed;
pub mod train;
pub mod units;
