//! `dsk.list.v1` and `dsk.show.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::ModelPart;
use crate::catalog::Model;
use crate::error::Result;
use crate::listing::{Kind, Listed};

/// The list's name and version.
const LIST_SCHEMA: &str = "dsk.list.v1";
/// The entry's name and version.
const SHOW_SCHEMA: &str = "dsk.show.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct ListDocument<'a> {
    #[schemars(extend("const" = LIST_SCHEMA))]
    schema: &'static str,
    entries: Vec<EntryPart<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct EntryPart<'a> {
    kind: &'static str,
    id: &'a str,
    name: &'a str,
    detail: &'a str,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ShowDocument<'a> {
    #[schemars(extend("const" = SHOW_SCHEMA))]
    schema: &'static str,
    kind: &'static str,
    id: &'a str,
    model: Option<ModelPart<'a>>,
    checkpoint_bytes: Option<u64>,
    entry: &'a Value,
}

/// The document of a list.
///
/// # Errors
/// When it cannot be written.
pub fn list(lines: &[Listed]) -> Result<Value> {
    super::value(&ListDocument {
        schema: LIST_SCHEMA,
        entries: lines
            .iter()
            .map(|line| EntryPart {
                kind: line.kind.word(),
                id: &line.id,
                name: &line.name,
                detail: &line.detail,
            })
            .collect(),
    })
}

/// The document of an entry; `model` and the bytes of its checkpoint are what was computed from its shape.
///
/// # Errors
/// When it cannot be written.
pub fn show(
    (kind, id, entry): (Kind, &str, &Value),
    model: Option<(&Model, u64)>,
) -> Result<Value> {
    super::value(&ShowDocument {
        schema: SHOW_SCHEMA,
        kind: kind.word(),
        id,
        model: model.map(|(model, _)| ModelPart::of(model)),
        checkpoint_bytes: model.map(|(_, bytes)| bytes),
        entry,
    })
}
