//! One model in one format on the given hardware, and whether it meets the demands.

use std::cell::RefCell;
use std::rc::Rc;

use super::misses::Misses;
use super::rank::by_speed;
use super::too_large::too_large;
use super::why::reasons;
use super::{Demands, Rejection};
use crate::calc::accuracy::{Accuracies, Accuracy, is_native};
use crate::calc::availability::{Availability, availability};
use crate::calc::estimate::{Estimate, Prepared, estimate_prepared, prepare};
use crate::calc::hardware::Hardware;
use crate::calc::load::{Load, Options, Split};
use crate::calc::parallel;
use crate::calc::speed::Speed;
use crate::calc::tensors::parameters;
use crate::calc::tier::{latency_in_format, tier};
use crate::catalog::defaults::Tier;
use crate::catalog::find::find;
use crate::catalog::{Catalog, Engine, Format, Model, Shape};
use crate::error::{Error, Result};
use crate::request::{check_model, window_note};

/// A model that serves, in the format that serves best.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The model.
    pub model: Model,
    /// The format.
    pub format: Format,
    /// How it is split over the devices.
    pub split: Split,
    /// Its memory on the hardware.
    pub estimate: Estimate,
    /// How fast it answers there.
    pub speed: Speed,
    /// How its weights are come by.
    pub availability: Availability,
    /// What accuracy to expect.
    pub accuracy: Accuracy,
    /// The tier's latency, in milliseconds.
    pub tier_latency_ms: u64,
    /// The tier's latency scaled by the format, in milliseconds.
    pub latency_ms: f64,
    /// The format that gave way to this one for being too slow.
    pub too_slow: Option<String>,
    /// Why it stands where it stands.
    pub why: Vec<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Everything that candidates have in common.
pub(super) struct Space<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) hardware: &'a Hardware,
    pub(super) engine: &'a Engine,
    pub(super) formats: &'a [Format],
    pub(super) demands: &'a Demands,
    pub(super) accuracies: &'a Accuracies,
    pub(super) split: Split,
    /// What models of the same shape have in common, as far as it was calculated.
    pub(super) common: RefCell<Vec<(Shape, Split, Rc<Prepared>)>>,
}

impl Space<'_> {
    /// What accuracy to expect of a model in a format.
    fn accuracy(&self, (model, format): (&Model, &Format), tier: f64) -> Accuracy {
        self.accuracies
            .expected(model, (format, Some(self.engine)), tier)
    }

    /// Whether a model can be had in a format: its own, or one that others are converted to.
    pub(super) fn offers(&self, model: &Model, format: &Format) -> bool {
        is_native(model, format, Some(self.engine))
            || !format.only_native && model.can_be_had(format)
    }

    /// The formats to try for a model, those left out that only widen what the engine runs as it was published:
    /// that gains nothing.
    pub(super) fn formats_of(&self, model: &Model) -> impl Iterator<Item = &Format> {
        let own = |format: &Format| is_native(model, format, Some(self.engine));
        let published = self.formats.iter().position(own);
        let widest = published.map_or(u64::MAX, |own| self.formats[own].bits);
        self.formats
            .iter()
            .enumerate()
            .filter_map(move |(place, format)| {
                let is_own = published == Some(place) || own(format);
                (is_own || !format.only_native && format.bits <= widest).then_some(format)
            })
    }

    /// What all formats of the model, and all models of its shape, have in common.
    fn prepared(&self, load: &Load<'_>) -> Result<Rc<Prepared>> {
        let known = self
            .common
            .borrow()
            .iter()
            .find(|(shape, split, _)| *split == load.split && *shape == load.model.shape)
            .map(|(_, _, known)| Rc::clone(known));
        if let Some(known) = known {
            return Ok(known);
        }
        let prepared = Rc::new(prepare(load)?);
        let known = (load.model.shape.clone(), load.split, Rc::clone(&prepared));
        self.common.borrow_mut().push(known);
        Ok(prepared)
    }

    /// What a model takes in a format, and whether it fits.
    ///
    /// # Errors
    /// When the engine does not hold it.
    pub(super) fn estimate(&self, model: &Model, format: &Format) -> Result<Estimate> {
        let load = self.load(model, format);
        if load.split.devices() > 1 {
            parallel::check(&load).map_err(|illegal| Error::Unanswerable(illegal.reason))?;
        }
        estimate_prepared(&load, self.prepared(&load)?.as_ref())
    }

    /// The question to the calculator for one model and format.
    pub(super) fn load<'b>(&'b self, model: &'b Model, format: &'b Format) -> Load<'b> {
        let whole = Load {
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
        };
        Load {
            split: parallel::startable(&whole),
            ..whole
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
    if let Some(rejection) = not_run(space, model)? {
        return Ok(Err(Some(rejection)));
    }
    let mut best: Option<Candidate> = None;
    let mut misses = Misses::default();
    if let Some(misses) = too_large(space, model) {
        return Ok(Err(misses.rejection(model)));
    }
    for format in space.formats_of(model) {
        let accuracy = space.accuracy((model, format), tier.accuracy);
        if best
            .as_ref()
            .is_some_and(|best| accuracy.rank() < best.accuracy.rank())
        {
            continue;
        }
        let estimate = match space.estimate(model, format) {
            Ok(estimate) => estimate,
            Err(error) => {
                misses.failure = Some((format.id.clone(), error.to_string()));
                continue;
            }
        };
        if estimate.fits == Some(false) {
            misses.note_short(estimate.short_by, format);
            continue;
        }
        let candidate = candidate(space, (model, tier), (format, estimate), accuracy)?;
        let too_slow = space.demands.speed.missed(&candidate.speed);
        if !too_slow.is_empty() {
            misses.note_slow(too_slow, format);
        } else if best
            .as_ref()
            .is_none_or(|best| candidate.serves_better_than(best))
        {
            best = Some(candidate);
        }
    }
    match best {
        Some(found) => Ok(missed_accuracy(space.demands, misses.noted_in(found))),
        None => Ok(Err(misses.rejection(model))),
    }
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
        too_slow: Vec::new(),
    })
}

/// A model whose class the engine does not run on the hardware.
fn not_run(space: &Space<'_>, model: &Model) -> Result<Option<Rejection>> {
    let native = find(space.catalog.formats()?, &model.native)?;
    let on = (Some(space.engine), Some(space.hardware));
    match check_model(space.catalog, (model, native), on) {
        Ok(()) => Ok(None),
        Err(Error::CannotRun { reason, format, .. }) => Ok(Some(Rejection {
            model: model.id.clone(),
            format,
            reason,
            short_by: None,
            too_slow: Vec::new(),
        })),
        Err(other) => Err(other),
    }
}

fn missed_accuracy(
    demands: &Demands,
    found: Candidate,
) -> std::result::Result<Candidate, Option<Rejection>> {
    match demands.min_accuracy {
        Some(limit)
            if found
                .accuracy
                .expected
                .is_none_or(|expected| expected < limit) =>
        {
            Err(Some(Rejection {
                model: found.model.id.clone(),
                format: found.format.id.clone(),
                reason: format!(
                    "{}, {limit} is asked for{}",
                    found.accuracy.expected.map_or_else(
                        || format!(
                            "what {} costs of the accuracy, nobody published",
                            found.format.id
                        ),
                        |expected| format!("an accuracy of {expected:.1} is expected"),
                    ),
                    found
                        .too_slow
                        .map_or_else(String::new, |format| format!("; {format} is too slow"))
                ),
                short_by: None,
                too_slow: Vec::new(),
            }))
        }
        _ => Ok(found),
    }
}

fn tier_of<'a>(space: &Space<'a>, model: &Model) -> Result<&'a Tier> {
    let defaults = space.catalog.defaults()?;
    tier(&defaults.tiers, parameters(&model.shape).main).ok_or_else(|| {
        Error::in_file(
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
    let demands = space.demands;
    let as_fp32 = parameters(&model.shape).main.bytes_at(32);
    let claim = space
        .catalog
        .formats()?
        .iter()
        .flat_map(|format| &format.claims)
        .next();
    let weights = estimate.memory.sum().weights + estimate.memory.host.weights;
    let latency_ms = latency_in_format(tier, claim, weights.as_f64() / as_fp32.as_f64());
    let load = space.load(model, format);
    let native = find(space.catalog.formats()?, &model.native)?;
    let mut found = Candidate {
        too_slow: None,
        why: Vec::new(),
        notes: window_note(model, demands.context).into_iter().collect(),
        model: model.clone(),
        format: format.clone(),
        split: load.split,
        speed: demands.traffic.speed(
            &load,
            demands.traffic.concurrency.unwrap_or(demands.sequences),
        ),
        estimate,
        availability: availability(model, (format, native), Some(space.engine)),
        accuracy,
        tier_latency_ms: tier.latency_ms,
        latency_ms,
    };
    found.why = reasons(&found);
    Ok(found)
}

impl Candidate {
    /// Whether its weights can be had in exactly this size, as they are or to be made.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.availability != Availability::Paper
    }

    fn serves_better_than(&self, other: &Self) -> bool {
        let by_accuracy = self.accuracy.rank().cmp(&other.accuracy.rank());
        by_accuracy
            .then(other.availability.cmp(&self.availability))
            .then(by_speed(other, self))
            .is_gt()
    }
}
