//! `dsk.check.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::check::{Check, Failure, Missed};
use crate::error::Result;

/// The document's name and version.
const SCHEMA: &str = "dsk.check.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    ok: bool,
    model: &'a str,
    format: &'a str,
    engine: Option<&'a str>,
    failures: Vec<FailurePart<'a>>,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
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
        schema: SCHEMA,
        ok: check.failures.is_empty(),
        model: &check.model,
        format: &check.format,
        engine: check.engine.as_deref(),
        failures: check.failures.iter().map(FailurePart::of).collect(),
        notes: &check.notes,
    })
}

impl<'a> FailurePart<'a> {
    fn of(failure: &'a Failure) -> Self {
        let (limit, actual, short_by_bytes) = match &failure.missed {
            Missed::Memory {
                limit,
                actual,
                short_by,
                ..
            } => (json!(limit.0), json!(actual.0), Some(short_by.0)),
            Missed::Time(slow) => (json!(slow.limit), json!(slow.actual), None),
            Missed::Window { limit, actual } => (json!(limit), json!(actual), None),
            Missed::NotRun(_) => (Value::Null, Value::Null, None),
            Missed::Number { limit, actual } => (json!(limit), json!(actual), None),
        };
        Self {
            demand: failure.demand,
            limit,
            actual,
            short_by_bytes,
            reason: failure.to_string(),
        }
    }
}
