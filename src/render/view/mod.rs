//! What people read: reports made from the core's answers.

mod bench;
mod catalog;
mod check;
mod compare;
mod memory;
mod migrate;
mod plan;
mod plan_target;
mod quantize;
mod recommend;
mod speed;
mod train;

pub use bench::bench;
pub use catalog::{list, show};
pub use check::check;
pub use compare::compare;
pub use memory::memory;
pub use migrate::migrate;
pub use plan::plan;
pub use plan_target::plan_target;
pub use quantize::quantize;
pub use recommend::recommend;
pub use speed::speed;
pub use train::train;

use crate::deploy::Start;
use crate::render::report::Report;
use crate::units::Bytes;

/// Bytes in GiB with two decimals, without the unit: the column says it.
fn gib(bytes: Bytes) -> String {
    format!("{:.2}", bytes.gib())
}

/// The command that starts a row, and what to know about it.
fn started(report: &mut Report, start: &Start) {
    if let Some(command) = &start.command {
        report.command(command.replace(" && ", " &&\n  "));
    }
    if let Some(note) = &start.note {
        report.list(vec![note.clone()]);
    }
}
