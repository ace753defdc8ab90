//! One model in one format on the given hardware, and whether it meets the demands.

use std::cell::RefCell;
use std::rc::Rc;

use super::expected::Expected;
use super::{Demands, Rejection};
use crate::calc::estimate::{Estimate, Prepared, estimate_prepared, prepare};
use crate::calc::hardware::Hardware;
use crate::calc::load::{Load, Options, Split};
use crate::calc::tensors::parameters;
use crate::calc::tier::{latency_in_format, tier};
use crate::catalog::defaults::Tier;
use crate::catalog::variant::Match;
use crate::catalog::{Basis, Catalog, Engine, Format, Model, Shape};
use crate::error::Result;
use crate::request::window_note;
use crate::units::Bytes;

/// A model that serves, in the format that serves best.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The model.
    pub model: Model,
    /// The format.
    pub format: Format,
    /// Its memory on the hardware.
    pub estimate: Estimate,
    /// What accuracy to expect.
    pub accuracy: Accuracy,
    /// The tier's latency, in milliseconds.
    pub tier_latency_ms: u64,
    /// The tier's latency scaled by the format, in milliseconds.
    pub latency_ms: f64,
    /// Why it stands where it stands.
    pub why: Vec<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What accuracy to expect, in the article's scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// The tier's accuracy, in per cent.
    pub tier: f64,
    /// Of the model, from its vendor's scores where they compare it with others, else its tier.
    pub model: f64,
    /// How the model's accuracy is known.
    pub basis: Basis,
    /// After the format's loss, in per cent.
    pub expected: f64,
    /// The share that the format loses; none when nobody measured it.
    pub loss: Option<f64>,
}

impl Accuracy {
    /// The expected accuracy in tenths of a point, below which no measurement of it reaches.
    #[must_use]
    pub fn rounded(self) -> u64 {
        crate::units::whole((self.expected * 10.0).round())
    }
}

/// Everything that candidates have in common.
pub(super) struct Space<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) hardware: &'a Hardware,
    pub(super) engine: &'a Engine,
    pub(super) formats: &'a [Format],
    pub(super) demands: &'a Demands,
    pub(super) expected: &'a Expected,
    pub(super) split: Split,
    /// What models of the same shape have in common, as far as it was calculated.
    pub(super) common: RefCell<Vec<(Shape, Rc<Prepared>)>>,
}

impl Space<'_> {
    /// Whether a format is the checkpoint's own, or keeps all of it in this engine's files.
    fn is_native(&self, model: &Model, format: &Format) -> bool {
        let converted = self.engine.formats.get(&model.native);
        format.id == model.native || (format.only_native && converted == Some(&format.id))
    }

    /// What accuracy to expect of a model in a format.
    fn accuracy(&self, (model, format): (&Model, &Format), tier: f64) -> Accuracy {
        let loss = if self.is_native(model, format) {
            Some(0.0)
        } else {
            format.known_loss()
        };
        let known = self.expected.for_model(model, tier);
        Accuracy {
            tier,
            model: known.accuracy,
            basis: known.basis,
            expected: known.accuracy * (1.0 - loss.unwrap_or_default()),
            loss,
        }
    }

    /// What all formats of the model, and all models of its shape, have in common.
    fn prepared(&self, load: &Load<'_>) -> Result<Rc<Prepared>> {
        let known = self
            .common
            .borrow()
            .iter()
            .find(|(shape, _)| *shape == load.model.shape)
            .map(|(_, known)| Rc::clone(known));
        if let Some(known) = known {
            return Ok(known);
        }
        let prepared = Rc::new(prepare(load)?);
        self.common
            .borrow_mut()
            .push((load.model.shape.clone(), Rc::clone(&prepared)));
        Ok(prepared)
    }

    /// What a model takes in a format, and whether it fits.
    ///
    /// # Errors
    /// When the engine does not hold it.
    pub(super) fn estimate(&self, model: &Model, format: &Format) -> Result<Estimate> {
        let load = self.load(model, format);
        estimate_prepared(&load, self.prepared(&load)?.as_ref())
    }

    /// The question to the calculator for one model and format.
    pub(super) fn load<'b>(&'b self, model: &'b Model, format: &'b Format) -> Load<'b> {
        Load {
            model,
            format,
            kv: self.demands.kv,
            context: self.demands.context,
            sequences: self.demands.sequences,
            engine: Some(self.engine),
            hardware: Some(self.hardware),
            split: self.split,
            options: Options::default(),
            explain: false,
        }
    }
}

/// The best format of `model`, or why none serves.
///
/// # Errors
/// When the catalog is broken.
pub(super) fn best(
    space: &Space<'_>,
    model: &Model,
) -> Result<std::result::Result<Candidate, Option<Rejection>>> {
    let tier = tier_of(space, model)?;
    if let Some(rejection) = demand_missed(space.demands, model, tier) {
        return Ok(Err(Some(rejection)));
    }
    let mut best: Option<Candidate> = None;
    let mut nearest: Option<(Bytes, String)> = None;
    let mut failure = None;
    for format in applicable(space, model) {
        let accuracy = space.accuracy((model, format), tier.accuracy);
        if best
            .as_ref()
            .is_some_and(|best| accuracy.rounded() < best.accuracy.rounded())
        {
            continue;
        }
        let estimate = match space.estimate(model, format) {
            Ok(estimate) => estimate,
            Err(error) => {
                failure = Some((format.id.clone(), error.to_string()));
                continue;
            }
        };
        if estimate.fits == Some(false) {
            if nearest
                .as_ref()
                .is_none_or(|(short_by, _)| estimate.short_by < *short_by)
            {
                nearest = Some((estimate.short_by, format.id.clone()));
            }
            continue;
        }
        let candidate = candidate(space, (model, tier), (format, estimate), accuracy)?;
        if best
            .as_ref()
            .is_none_or(|best| candidate.serves_better_than(best))
        {
            best = Some(candidate);
        }
    }
    if let Some(found) = best {
        return Ok(missed_accuracy(space.demands, found));
    }
    Ok(Err(match (nearest, failure) {
        (Some((short_by, format)), _) => Some(Rejection {
            model: model.id.clone(),
            reason: format!("needs {short_by} more per device even as {format}"),
            format,
            short_by: Some(short_by),
        }),
        (None, Some((format, reason))) => Some(Rejection {
            model: model.id.clone(),
            format,
            reason,
            short_by: None,
        }),
        (None, None) => None,
    }))
}

/// The formats worth trying for a model: its own, and those that a conversion makes from 16 bits.
fn applicable<'a>(space: &'a Space<'_>, model: &'a Model) -> impl Iterator<Item = &'a Format> {
    space
        .formats
        .iter()
        .filter(move |format| !format.only_native || space.is_native(model, format))
}

/// A demand that no format can change: latency by tier, window.
fn demand_missed(demands: &Demands, model: &Model, tier: &Tier) -> Option<Rejection> {
    let (context, window) = (demands.context, model.shape.window_tokens);
    let latency = tier.latency_ms;
    let reason = match demands.max_latency_ms {
        _ if context.0 > window => {
            format!("its window is {window} tokens, {context} are asked for")
        }
        Some(limit) if latency > limit => {
            format!("its tier has a latency of {latency} ms, {limit} ms are asked for")
        }
        Some(_) | None => return None,
    };
    Some(Rejection {
        model: model.id.clone(),
        format: model.native.clone(),
        reason,
        short_by: None,
    })
}

fn missed_accuracy(
    demands: &Demands,
    found: Candidate,
) -> std::result::Result<Candidate, Option<Rejection>> {
    match demands.min_accuracy {
        Some(limit) if found.accuracy.expected < limit => Err(Some(Rejection {
            model: found.model.id.clone(),
            format: found.format.id.clone(),
            reason: format!(
                "an accuracy of {:.1} is expected, {limit} is asked for",
                found.accuracy.expected
            ),
            short_by: None,
        })),
        _ => Ok(found),
    }
}

fn tier_of<'a>(space: &Space<'a>, model: &Model) -> Result<&'a Tier> {
    let defaults = space.catalog.defaults()?;
    tier(&defaults.tiers, parameters(&model.shape).main).ok_or_else(|| {
        crate::error::Error::in_file(
            "defaults.toml",
            "`tier` has no entry for the largest models",
        )
    })
}

fn candidate(
    space: &Space<'_>,
    (model, tier): (&Model, &Tier),
    (format, estimate): (&Format, Estimate),
    accuracy: Accuracy,
) -> Result<Candidate> {
    let as_fp32 = parameters(&model.shape).main.bytes_at(32);
    let claim = space
        .catalog
        .formats()?
        .iter()
        .flat_map(|format| &format.claims)
        .next();
    let weights = estimate.memory.sum().weights + estimate.memory.host.weights;
    let latency_ms = latency_in_format(tier, claim, weights.as_f64() / as_fp32.as_f64());
    let mut found = Candidate {
        why: Vec::new(),
        notes: window_note(model, space.demands.context)
            .into_iter()
            .collect(),
        model: model.clone(),
        format: format.clone(),
        estimate,
        accuracy,
        tier_latency_ms: tier.latency_ms,
        latency_ms,
    };
    found.why = reasons(&found);
    Ok(found)
}

/// Why a candidate stands where it stands.
fn reasons(found: &Candidate) -> Vec<String> {
    let mut why = Vec::new();
    if let Some(available) = found.estimate.available {
        let spare = available - found.estimate.memory.fullest().total();
        why.push(format!("fits with {spare} to spare on the fullest device"));
    }
    why.push(match &found.model.checkpoint {
        Some(weights) => match weights.matching {
            Match::Exact => format!("weights can be downloaded: {}", weights.repo),
            Match::Nearest => {
                format!(
                    "no weights of this size exist; the nearest are {}",
                    weights.repo
                )
            }
        },
        None => "weights are a file of yours".to_owned(),
    });
    why.push(accuracy_reason(found));
    why
}

fn accuracy_reason(found: &Candidate) -> String {
    let accuracy = found.accuracy;
    let from = match accuracy.basis {
        Basis::Claimed => "by the article's tier",
        Basis::Exact | Basis::Measured | Basis::Modelled | Basis::Assumed => {
            "from its vendor's benchmark scores, on the article's scale"
        }
    };
    let format = &found.format.name;
    match accuracy.loss {
        Some(loss) if loss > 0.0 => format!(
            "accuracy {:.1} expected: {:.1} {from}, less {:.2}% by {format}",
            accuracy.expected,
            accuracy.model,
            loss * 100.0
        ),
        Some(_) => format!(
            "accuracy {:.1} {from}, nothing lost by {format}",
            accuracy.model
        ),
        None => format!(
            "accuracy {:.1} {from}; what {format} costs of it, nobody published",
            accuracy.model
        ),
    }
}

impl Candidate {
    /// Whether its weights can be had in exactly this size.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.model
            .checkpoint
            .as_ref()
            .is_none_or(|weights| weights.matching == Match::Exact)
    }

    fn serves_better_than(&self, other: &Self) -> bool {
        (self.accuracy.rounded(), -self.latency_ms) > (other.accuracy.rounded(), -other.latency_ms)
    }
}
