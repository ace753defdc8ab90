//! `dsk migrate` for people.

use crate::catalog::Model;
use crate::migrate::Migration;
use crate::render::report::{Align, Report, Table};

/// The report of a migration.
#[must_use]
pub fn migrate((from, to): (&Model, &Model), migration: &Migration) -> Report {
    let mut table = Table::new(&[
        ("what changes", Align::Left),
        (&from.id, Align::Left),
        (&to.id, Align::Left),
    ]);
    for change in &migration.changes {
        table.row([
            change.what.to_owned(),
            change.from.clone(),
            change.to.clone(),
        ]);
    }
    let mut report = Report::default();
    report.heading(format!("From {} to {}", from.id, to.id));
    report.table(table);
    report.heading("How to move");
    report.list(
        migration
            .rules
            .iter()
            .chain(&migration.advice)
            .cloned()
            .collect(),
    );
    report
}
