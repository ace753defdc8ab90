//! The documents that scripts read: a contract, with structs of its own, apart from the core's.
//!
//! Integers are in base units with the unit in the name; nothing is rounded or localised; what is
//! not known is `null`.

mod bench;
mod catalog;
mod check;
mod compare;
mod deploy;
mod memory;
mod migrate;
mod plan;
mod plan_target;
mod quantize;
mod recommend;
mod schema;
mod speed;
mod train;

pub use bench::{BenchAnswer, bench};
pub use catalog::{list, show};
pub use check::check;
pub use compare::compare;
pub use deploy::deploy;
pub use memory::{Answer, memory};
pub use migrate::migrate;
pub use plan::plan;
pub use plan_target::plan_target;
pub use quantize::quantize;
pub use recommend::recommend;
pub use schema::Document;
pub use speed::speed;
pub use train::{TrainAnswer, train};

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;

/// Any document as a value; the order of its fields is kept.
fn value(document: &impl Serialize) -> Result<Value> {
    serde_json::to_value(document).map_err(|error| super::unwritable("JSON", &error))
}
