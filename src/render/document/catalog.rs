//! `dsk.list.v1` and `dsk.show.v1`.

use serde::Serialize;
use serde_json::Value;

use super::memory::ModelPart;
use crate::catalog::Model;
use crate::error::Result;
use crate::listing::{Kind, Listed};

#[derive(Serialize)]
struct ListDocument<'a> {
    schema: &'static str,
    entries: Vec<EntryPart<'a>>,
}

#[derive(Serialize)]
struct EntryPart<'a> {
    kind: &'static str,
    id: &'a str,
    name: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct ShowDocument<'a> {
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
        schema: "dsk.list.v1",
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
        schema: "dsk.show.v1",
        kind: kind.word(),
        id,
        model: model.map(|(model, _)| ModelPart::of(model)),
        checkpoint_bytes: model.map(|(_, bytes)| bytes),
        entry,
    })
}
