//! `dsk.check.v1`.

use serde::Serialize;
use serde_json::{Value, json};

use crate::check::{Check, Limit};
use crate::error::Result;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    ok: bool,
    model: &'a str,
    format: &'a str,
    engine: Option<&'a str>,
    failures: Vec<FailurePart<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct FailurePart<'a> {
    demand: &'a str,
    limit: Value,
    actual: Value,
    short_by_bytes: Option<u64>,
    reason: String,
}

/// The document of a check.
///
/// # Errors
/// When it cannot be written.
pub fn check(check: &Check) -> Result<Value> {
    super::value(&Document {
        schema: "dsk.check.v1",
        ok: check.failures.is_empty(),
        model: &check.model,
        format: &check.format,
        engine: check.engine.as_deref(),
        failures: check
            .failures
            .iter()
            .map(|failure| FailurePart {
                demand: failure.demand,
                limit: number(failure.limit),
                actual: number(failure.actual),
                short_by_bytes: failure.short_by.map(|bytes| bytes.0),
                reason: failure.to_string(),
            })
            .collect(),
        notes: &check.notes,
    })
}

fn number(limit: Limit) -> Value {
    match limit {
        Limit::Bytes(bytes) => json!(bytes.0),
        Limit::Number(value) => json!(value),
    }
}
