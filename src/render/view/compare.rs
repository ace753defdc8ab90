//! `dsk compare` for people.

use crate::catalog::Model;
use crate::render::report::{Align, Report, Table};

/// The report of a comparison: one column a model, `facts` in the same order for each.
#[must_use]
pub fn compare(models: &[Model], facts: &[Vec<(&'static str, String)>]) -> Report {
    let mut columns = vec![("", Align::Left)];
    columns.extend(models.iter().map(|model| (model.id.as_str(), Align::Left)));
    let mut table = Table::new(&columns);
    for (index, (what, _)) in facts.first().into_iter().flatten().enumerate() {
        let mut cells = vec![(*what).to_owned()];
        cells.extend(facts.iter().map(|facts| {
            facts
                .get(index)
                .map(|(_, value)| value.clone())
                .unwrap_or_default()
        }));
        table.rows.push(cells);
    }
    let mut report = Report::default();
    report.table(table);
    report
}
