//! `dsk.migrate.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::ModelPart;
use crate::catalog::Model;
use crate::error::Result;
use crate::migrate::Migration;

/// The document's name and version.
const SCHEMA: &str = "dsk.migrate.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    from: ModelPart<'a>,
    to: ModelPart<'a>,
    changes: Vec<ChangePart<'a>>,
    same_shape_params: u64,
    target_params: u64,
    rules: &'a [String],
    advice: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct ChangePart<'a> {
    what: &'a str,
    from: &'a str,
    to: &'a str,
}

/// The document of a migration.
///
/// # Errors
/// When it cannot be written.
pub fn migrate((from, to): (&Model, &Model), migration: &Migration) -> Result<Value> {
    super::value(&Document {
        schema: SCHEMA,
        from: ModelPart::of(from),
        to: ModelPart::of(to),
        changes: migration
            .changes
            .iter()
            .map(|change| ChangePart {
                what: change.what,
                from: &change.from,
                to: &change.to,
            })
            .collect(),
        same_shape_params: migration.same_shape.0,
        target_params: migration.target.0,
        rules: &migration.rules,
        advice: &migration.advice,
    })
}
