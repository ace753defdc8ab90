//! `dsk.quantize.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::ModelPart;
use crate::catalog::Model;
use crate::error::Result;
use crate::quantize::Quantized;

/// The document's name and version.
const SCHEMA: &str = "dsk.quantize.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: ModelPart<'a>,
    formats: Vec<Row<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Row<'a> {
    format: &'a str,
    weights_bytes: u64,
    bits_per_weight: f64,
    times_smaller: f64,
    accuracy_loss: Option<f64>,
    accuracy_metric: Option<&'a str>,
    accuracy_source: Option<&'a str>,
    claimed_times_faster: Option<f64>,
    claimed_loss_below: Option<f64>,
    engines: &'a [String],
    native_on: &'a [String],
    needs_compute_capability: Option<String>,
    make: Option<&'a str>,
    runs: Vec<RunsPart<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct RunsPart<'a> {
    engine: &'a str,
    on: &'a str,
}

/// The document of a model's formats.
///
/// # Errors
/// When it cannot be written.
pub fn quantize(model: &Model, rows: &[Quantized]) -> Result<Value> {
    super::value(&Document {
        schema: SCHEMA,
        model: ModelPart::of(model),
        formats: rows.iter().map(row).collect(),
    })
}

fn row(row: &Quantized) -> Row<'_> {
    let format = &row.format;
    let claim = format.claims.first();
    Row {
        format: &format.id,
        weights_bytes: row.weights.0,
        bits_per_weight: row.bits_per_weight,
        times_smaller: row.times_smaller,
        accuracy_loss: format.known_loss(),
        accuracy_metric: format
            .accuracy
            .as_ref()
            .map(|accuracy| accuracy.metric.as_str()),
        accuracy_source: format
            .accuracy
            .as_ref()
            .map(|accuracy| accuracy.source.as_str()),
        claimed_times_faster: claim.and_then(|claim| claim.times_faster),
        claimed_loss_below: claim.and_then(|claim| claim.loss_below),
        engines: &format.engines,
        native_on: &format.compute.native_on,
        needs_compute_capability: format.least_capability().map(|own| own.to_string()),
        runs: row
            .runs
            .iter()
            .map(|(engine, on)| RunsPart { engine, on })
            .collect(),
        make: row.make.as_deref(),
    }
}
