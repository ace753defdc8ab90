//! The documents that scripts read: a contract, with structs of its own, apart from the core's.
//!
//! Integers are in base units with the unit in the name; nothing is rounded or localised; what is
//! not known is `null`.

mod bench;
mod catalog;
mod check;
mod compare;
mod memory;
mod migrate;
mod quantize;
mod recommend;

pub use bench::{BenchAnswer, bench};
pub use catalog::{list, show};
pub use check::check;
pub use compare::compare;
pub use memory::{Answer, memory};
pub use migrate::migrate;
pub use quantize::quantize;
pub use recommend::recommend;

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;

/// Any document as a value; the order of its fields is kept.
fn value(document: &impl Serialize) -> Result<Value> {
    serde_json::to_value(document).map_err(|error| super::unwritable("JSON", &error))
}
