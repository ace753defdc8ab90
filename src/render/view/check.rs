//! `dsk check` for people.

use crate::check::Check;
use crate::render::report::Report;

/// The report of a check.
#[must_use]
pub fn check(check: &Check) -> Report {
    let mut report = Report::default();
    let what = format!("{} in {}", check.model, check.format);
    if check.failures.is_empty() {
        report.text(format!("ok: {what} fits and meets what was asked"));
    } else {
        report.text(format!("failed: {what}"));
        report.list(check.failures.iter().map(ToString::to_string).collect());
    }
    report
}
