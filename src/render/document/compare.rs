//! `dsk.compare.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::ModelPart;
use crate::catalog::Model;
use crate::error::Result;
use crate::units::Bytes;

/// The document's name and version.
const SCHEMA: &str = "dsk.compare.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    models: Vec<Row<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Row<'a> {
    #[serde(flatten)]
    model: ModelPart<'a>,
    weights_bytes: u64,
    kv_bytes_per_token: u64,
}

/// The document of a comparison; `sizes` are each model's weights as shipped and cache bytes per token.
///
/// # Errors
/// When it cannot be written.
pub fn compare(models: &[Model], sizes: &[(Bytes, Bytes)]) -> Result<Value> {
    super::value(&Document {
        schema: SCHEMA,
        models: models
            .iter()
            .zip(sizes)
            .map(|(model, (weights, per_token))| Row {
                model: ModelPart::of(model),
                weights_bytes: weights.0,
                kv_bytes_per_token: per_token.0,
            })
            .collect(),
    })
}
