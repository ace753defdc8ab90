//! `dsk.target.v1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::memory::ModelPart;
use super::plan::PlanPart;
use super::speed::QuestionPart;
use crate::deploy::Start;
use crate::error::Result;
use crate::plan::Wish;
use crate::plan::target::{Offer, Offers, Target, Unfit};
use crate::request::Request;

/// The document's name and version.
const SCHEMA: &str = "dsk.target.v1";

#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    model: ModelPart<'a>,
    request: AskedPart<'a>,
    offers: Vec<OfferPart<'a>>,
    rejected: Vec<UnfitPart<'a>>,
    notes: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct AskedPart<'a> {
    #[serde(flatten)]
    question: QuestionPart<'a>,
    max_time_to_first_token_seconds: Option<f64>,
    max_time_per_output_token_seconds: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct OfferPart<'a> {
    gpu: &'a str,
    gpus: u64,
    engine: Option<&'a str>,
    usd_per_hour: Option<f64>,
    price_kind: Option<&'a str>,
    price_date: Option<&'a str>,
    availability: &'static str,
    plan: PlanPart<'a>,
}

#[derive(Serialize, JsonSchema)]
struct UnfitPart<'a> {
    gpu: &'a str,
    reason: &'a str,
    short_by_bytes: Option<u64>,
    times_too_slow: Option<f64>,
}

/// The document of a search for hardware; `starts` stand beside its rows.
///
/// # Errors
/// When it cannot be written.
pub fn plan_target(
    answer: &Offers,
    (request, wish, target): (&Request, &Wish, &Target),
    starts: &[Start],
) -> Result<Value> {
    let rows = answer.offers.iter().zip(starts).zip(1..);
    super::value(&Document {
        schema: SCHEMA,
        model: ModelPart::of(&request.model),
        request: AskedPart {
            question: QuestionPart::of(request, &wish.traffic),
            max_time_to_first_token_seconds: target.demands.first_token,
            max_time_per_output_token_seconds: target.demands.output_token,
        },
        offers: rows
            .map(|((offer, start), rank)| OfferPart::of(offer, start, rank))
            .collect(),
        rejected: answer.rejected.iter().map(UnfitPart::of).collect(),
        notes: &answer.notes,
    })
}

impl<'a> OfferPart<'a> {
    fn of(offer: &'a Offer, start: &'a Start, rank: u64) -> Self {
        let price = offer.price.as_ref();
        let engine = offer.plan.request.engine.as_ref();
        Self {
            gpu: &offer.gpu,
            gpus: offer.count,
            engine: engine.map(|engine| engine.id.as_str()),
            usd_per_hour: offer.usd_per_hour,
            price_kind: price.map(|price| price.kind.as_str()),
            price_date: price.map(|price| price.date.as_str()),
            availability: offer.availability.word(),
            plan: PlanPart::of(&offer.plan, start, rank),
        }
    }
}

impl<'a> UnfitPart<'a> {
    fn of(unfit: &'a Unfit) -> Self {
        Self {
            gpu: &unfit.gpu,
            reason: &unfit.reason,
            short_by_bytes: unfit.short_by.map(|bytes| bytes.0),
            times_too_slow: unfit.times_too_slow,
        }
    }
}
