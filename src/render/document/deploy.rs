//! `dsk.deploy.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::{ModelPart, RequestPart};
use crate::deploy::{Deployment, Question};
use crate::error::Result;

/// The document's name and version.
const SCHEMA: &str = "dsk.deploy.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: ModelPart<'a>,
    request: RequestPart<'a>,
    target: &'static str,
    engine: &'a str,
    engine_version: &'a str,
    files: Vec<FilePart<'a>>,
    verify: Vec<VerifyPart<'a>>,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct FilePart<'a> {
    name: &'a str,
    media_type: &'a str,
    text: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct VerifyPart<'a> {
    command: &'a str,
    look_at: &'a str,
}

/// The document of a deployment.
///
/// # Errors
/// When it cannot be written.
pub fn deploy(question: &Question<'_>, deployment: &Deployment) -> Result<Value> {
    let engine = question.request.engine.as_ref();
    super::value(&Document {
        schema: SCHEMA,
        model: ModelPart::of(&question.request.model),
        request: RequestPart::of(question.request),
        target: question.target.name(),
        engine: engine.map_or("", |engine| engine.id.as_str()),
        engine_version: &deployment.version,
        files: deployment
            .files
            .iter()
            .map(|file| FilePart {
                name: &file.name,
                media_type: file.media_type,
                text: &file.text,
            })
            .collect(),
        verify: deployment
            .verify
            .iter()
            .map(|check| VerifyPart {
                command: &check.command,
                look_at: &check.look_at,
            })
            .collect(),
        notes: &deployment.notes,
    })
}
