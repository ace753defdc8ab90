//! `dsk list` and `dsk show` for people.

use serde_json::Value;

use crate::calc::tensors::parameters;
use crate::catalog::Model;
use crate::listing::{Kind, Listed};
use crate::render::flat::flat;
use crate::render::report::{Align, Report, Table};

/// The report of a list.
#[must_use]
pub fn list(lines: &[Listed]) -> Report {
    let mut report = Report::default();
    for kind in Kind::ALL {
        let mut table = Table::new(&[
            ("id", Align::Left),
            ("name", Align::Left),
            (kind.word(), Align::Left),
        ]);
        for line in lines.iter().filter(|line| line.kind == kind) {
            table.row([line.id.clone(), line.name.clone(), line.detail.clone()]);
        }
        report.table(table);
    }
    report
}

/// The report of an entry: its file's keys, and what was computed from its shape.
#[must_use]
pub fn show((kind, id, entry): (Kind, &str, &Value), model: Option<&Model>) -> Report {
    let mut report = Report::default();
    report.heading(format!("{id} ({})", kind.word().trim_end_matches('s')));
    if let Some(model) = model {
        let counted = parameters(&model.shape);
        report.list(vec![format!(
            "computed from the shape ({}): {} parameters, {} of them active, {} in draft layers",
            model.basis.word(),
            counted.stored.0,
            counted.active.0,
            counted.draft.0
        )]);
    }
    report.table(Table::pairs(flat(entry)));
    report
}
