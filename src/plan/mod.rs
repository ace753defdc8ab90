//! How to lay a model over devices for serving: every split that its engine starts with, ranked, and why not the others.

mod cost;
mod formats;
mod held;
mod nodes;
mod offload;
mod place;
mod rank;
mod rates;
pub mod space;
pub mod target;
mod why;

use crate::calc::estimate::{self, Estimate};
use crate::calc::load::Split;
use crate::calc::parallel::{check, splits};
use crate::calc::speed::Speed;
use crate::catalog::{Allocator, Catalog, Format};
use crate::error::{Error, Result};
use crate::request::{Request, SplitAsked, Traffic, TrafficAsked};
use crate::units::{Bytes, count};

pub use cost::{Cost, Price, price};
pub use held::Held;
pub use place::{Place, Placement};
pub use rank::Goal;
use rates::Rates;

/// What is wanted of a plan beside the model and the hardware.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What counts most.
    pub goal: Goal,
    /// What is to be answered.
    pub traffic: Traffic,
    /// The parts of the split that are fixed.
    pub split: SplitAsked,
    /// Whether another format may be taken where the request's does not fit.
    pub any_format: bool,
}

impl Wish {
    /// What is wanted where only the goal is said: the usual prompts and answers, any split, the request's format.
    ///
    /// # Errors
    /// When the catalog is broken.
    pub fn of(catalog: &Catalog, request: &Request, goal: Goal) -> Result<Self> {
        let defaults = &catalog.defaults()?.request;
        let context = Some(request.context.0);
        Ok(Self {
            goal,
            traffic: TrafficAsked::default().resolve(None, defaults, context),
            split: SplitAsked::default(),
            any_format: false,
        })
    }
}

/// A model laid over devices: what is deployed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The question with the split, the format and the engine's settings that were chosen.
    pub request: Request,
    /// Its memory.
    pub estimate: Estimate,
    /// What its cache holds; none where memory is not known.
    pub held: Option<Held>,
    /// Clients that it is made for, where these were asked for.
    pub clients: Option<u64>,
    /// Servers that it takes.
    pub nodes: u64,
    /// One sequence on each replica.
    pub alone: Figures,
    /// As many as were asked for, else as cache and engine hold.
    pub full: Figures,
    /// What its answers cost at full load; none without a sourced price or speed.
    pub cost: Option<Cost>,
    /// What lies where.
    pub placement: Vec<Placement>,
    /// Why it stands where it stands.
    pub why: Vec<String>,
}

/// A speed with so many sequences at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Sequences at once, or clients.
    pub sequences: u64,
    /// The speed.
    pub speed: Speed,
}

/// A split that is not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The split.
    pub split: Split,
    /// The weight format.
    pub format: String,
    /// Why not.
    pub reason: String,
    /// The engine's own check, where that is the reason.
    pub source: Option<&'static str>,
    /// What is missing on a device, where memory is the reason.
    pub short_by: Option<Bytes>,
}

/// Every split of one model on one set of devices.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What counted most.
    pub goal: Goal,
    /// What fits, best first.
    pub plans: Vec<Plan>,
    /// What does not.
    pub rejected: Vec<Rejected>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Every way to run the model of `request` on its hardware.
///
/// # Errors
/// Without hardware or an engine, or when the catalog is broken.
pub fn plan(catalog: &Catalog, request: &Request, wish: &Wish) -> Result<Answer> {
    if request.hardware.is_none() {
        return Err(Error::Unanswerable(
            "a plan needs the hardware: --gpu NAME --gpus N".to_owned(),
        ));
    }
    let mut answer = Answer {
        goal: wish.goal,
        plans: Vec::new(),
        rejected: Vec::new(),
        notes: request.notes.clone(),
    };
    for format in formats::candidates(catalog, request, wish)? {
        let asked = Request {
            format,
            ..request.clone()
        };
        try_format(&asked, wish, &mut answer)?;
        if !answer.plans.is_empty() {
            break;
        }
    }
    rank::sort(&mut answer.plans, wish);
    why::explain(&mut answer, request);
    nodes::note(&mut answer, request);
    Ok(answer)
}

/// The best plan, or the rejection that came nearest to one.
///
/// # Errors
/// As for [`plan`].
pub fn choose(
    catalog: &Catalog,
    request: &Request,
    wish: &Wish,
) -> Result<std::result::Result<Plan, Rejected>> {
    let answer = plan(catalog, request, wish)?;
    if let Some(best) = answer.plans.into_iter().next() {
        return Ok(Ok(best));
    }
    let nearest = answer
        .rejected
        .into_iter()
        .min_by_key(|rejected| (rejected.short_by.is_none(), rejected.short_by));
    nearest
        .map(Err)
        .ok_or_else(|| Error::Unanswerable("no split makes that number of devices".to_owned()))
}

/// Adds the plans of one format, on the devices alone or else with the host's memory.
fn try_format(request: &Request, wish: &Wish, answer: &mut Answer) -> Result<()> {
    let devices = request
        .hardware
        .as_ref()
        .map_or(1, |hardware| count(hardware.devices.len()));
    let rates = Rates::of(request);
    let before = answer.plans.len();
    let mut fixed = splits(&request.model.shape, devices);
    fixed.retain(|split| allows(wish.split, *split));
    if fixed.is_empty() {
        return Err(Error::Usage(format!(
            "no split with these parts makes {devices} devices"
        )));
    }
    for split in fixed {
        match one(request, split)? {
            Ok(estimate) => {
                let own = Request {
                    split,
                    ..request.clone()
                };
                answer.plans.push(finish(own, estimate, (wish, &rates))?);
            }
            Err(rejected) => answer.rejected.push(rejected),
        }
    }
    if answer.plans.len() == before
        && let Some((own, estimate)) = offload::with_host(request)?
    {
        answer.plans.push(finish(own, estimate, (wish, &rates))?);
    }
    Ok(())
}

fn allows(asked: SplitAsked, split: Split) -> bool {
    let parts = [
        (asked.tensor, split.tensor),
        (asked.pipeline, split.pipeline),
        (asked.data, split.data),
        (asked.expert, split.expert),
    ];
    parts
        .into_iter()
        .all(|(asked, part)| asked.is_none_or(|asked| asked == part))
}

/// The memory of one split, or why it is not taken.
fn one(request: &Request, split: Split) -> Result<std::result::Result<Estimate, Rejected>> {
    let mut load = request.load();
    load.split = split;
    let rejected = |reason: String| Rejected {
        split,
        format: request.format.id.clone(),
        reason,
        source: None,
        short_by: None,
    };
    if let Err(illegal) = check(&load) {
        return Ok(Err(Rejected {
            source: Some(illegal.source),
            ..rejected(illegal.reason)
        }));
    }
    let estimate = match estimate::estimate(&load) {
        Ok(estimate) => estimate,
        Err(Error::Unanswerable(reason)) => return Ok(Err(rejected(reason))),
        Err(other) => return Err(other),
    };
    if estimate.fits == Some(false) {
        let short_by = estimate.short_by;
        return Ok(Err(Rejected {
            short_by: Some(short_by),
            ..rejected(format!("needs {short_by} more on the fullest device"))
        }));
    }
    Ok(Ok(estimate))
}

/// Everything else about a split that fits.
fn finish(
    request: Request,
    estimate: Estimate,
    (wish, rates): (&Wish, &Rates<'_>),
) -> Result<Plan> {
    let held = held::held(&request.load(), &estimate)?;
    let (request, estimate) = served(request, estimate, (wish.traffic.concurrency, held))?;
    let replicas = request.split.data.max(1);
    let alone = rates.alone((&request, replicas), &wish.traffic);
    let most = match (wish.traffic.concurrency, held) {
        (Some(clients), _) => clients,
        (None, _) if request.sequences > 1 => request.sequences,
        (None, Some(held)) => held.at_once.max(1),
        (None, None) => 1,
    };
    let full = rates.full((&request, most), &wish.traffic);
    Ok(Plan {
        cost: cost::cost(&request, &full),
        nodes: nodes::nodes(&request),
        placement: place::placement(&request, &estimate),
        why: Vec::new(),
        clients: wish.traffic.concurrency,
        request,
        estimate,
        held,
        alone,
        full,
    })
}

/// The question with a place in the cache for each client, as far as it has places, and the memory of that.
///
/// As it is without clients, or where the number of sequences was asked for.
fn served(
    request: Request,
    estimate: Estimate,
    (clients, held): (Option<u64>, Option<Held>),
) -> Result<(Request, Estimate)> {
    let (Some(clients), Some(held), 1) = (clients, held, request.sequences) else {
        return Ok((request, estimate));
    };
    let sequences = clients.min(held.places()).max(1);
    if sequences == request.sequences {
        return Ok((request, estimate));
    }
    let request = Request {
        sequences,
        ..request
    };
    let estimate = estimate::estimate(&request.load())?;
    Ok((request, estimate))
}

impl Plan {
    /// Sequences that the server is started for: a place for each client; without clients those that its cache
    /// holds of the full load, where the engine sizes the cache by the device, else those that were asked for.
    #[must_use]
    pub fn sequences(&self) -> u64 {
        let allocator = self.request.engine.as_ref().map(|engine| engine.allocator);
        match (allocator, self.held) {
            _ if self.clients.is_some() => self.request.sequences,
            (Some(Allocator::Vllm | Allocator::Sglang), Some(held)) => {
                self.full.sequences.min(held.at_once).max(1)
            }
            _ => self.request.sequences,
        }
    }

    /// The weight format.
    #[must_use]
    pub fn format(&self) -> &Format {
        &self.request.format
    }
}
