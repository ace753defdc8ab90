//! The cheapest hardware of the catalog on which a model is fast enough.

use std::collections::BTreeMap;

use super::cost::{Price, price, price_rank};
use super::rank::is_usual;
use super::space::{Configuration, Space, singles};
use super::{Plan, Wish, finish, formats, one, rates};
use crate::calc::availability::Availability;
use crate::calc::hardware::{Device, Hardware};
use crate::calc::load::{Load, Split};
use crate::calc::speed::Times;
use crate::catalog::find::find;
use crate::catalog::{Catalog, Engine, Format};
use crate::error::Result;
use crate::request::traffic::Seconds;
use crate::request::{Request, SpeedDemands};
use crate::units::{Bytes, float};

/// Numbers of devices of one server that are tried.
const COUNTS: [u64; 4] = [1, 2, 4, 8];

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The longest times that serve.
    pub demands: SpeedDemands,
    /// Whether the engine was named, so that no other is tried.
    pub fixed_engine: bool,
}

/// Hardware that serves.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The device's id.
    pub gpu: String,
    /// How many.
    pub count: u64,
    /// US dollars per hour for all of them; none where no price is sourced.
    pub usd_per_hour: Option<f64>,
    /// The price of one.
    pub price: Option<Price>,
    /// How the weights are come by.
    pub availability: Availability,
    /// The plan on it.
    pub plan: Plan,
}

/// A device that does not serve, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfit {
    /// The device's id.
    pub gpu: String,
    /// Why not, at the number and split that came nearest.
    pub reason: String,
    /// What is missing on a device, where memory is the reason.
    pub short_by: Option<Bytes>,
    /// How many times too slow; none where that is not the reason.
    pub times_too_slow: Option<f64>,
}

/// What the catalog offers.
#[derive(Debug, Clone)]
pub struct Offers {
    /// What serves, with the cheapest first, then what has no sourced price, fewest and smallest first.
    pub offers: Vec<Offer>,
    /// What does not, the nearest first.
    pub rejected: Vec<Unfit>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The best of a device so far.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    count: u64,
    rank: (u64, Availability, u64),
    split: Split,
    engine: &'a Engine,
    format: &'a Format,
    seconds: f64,
}

/// The nearest miss of a device so far.
#[derive(Debug, Clone, Copy, Default)]
struct Missed {
    short_by: Option<Bytes>,
    slow: Option<(f64, u64, Split, Times)>,
}

/// The hardware of the catalog on which the model of `request` is fast enough.
///
/// # Errors
/// When the catalog is broken.
pub fn search(
    catalog: &Catalog,
    request: &Request,
    (wish, target): (&Wish, &Target),
) -> Result<Offers> {
    let (bare, server) = {
        let defaults = catalog.defaults()?;
        (&defaults.bare_memory, &defaults.server)
    };
    let devices: Vec<Device> = catalog
        .gpus()?
        .iter()
        .filter(|gpu| !gpu.laptop)
        .filter_map(|gpu| Device::of(gpu, gpu.memory.options_gb.last().copied(), bare))
        .collect();
    let singles = singles(&devices);
    let engines: Vec<&Engine> = match (&request.engine, target.fixed_engine) {
        (Some(engine), true) => vec![engine],
        _ => catalog
            .engines()?
            .iter()
            .filter(|engine| serves(engine, wish) && engine.keeps(request.kv))
            .collect(),
    };
    let native = find(catalog.formats()?, &request.model.native)?;
    let mut best: BTreeMap<usize, Found<'_>> = BTreeMap::new();
    let mut missed: Vec<Missed> = vec![Missed::default(); devices.len()];
    for engine in engines {
        for format in formats::of_engine(catalog, request, (engine, wish))? {
            let load = Load {
                engine: Some(engine),
                format,
                hardware: None,
                split: Split::SINGLE,
                ..request.load()
            };
            let rank = formats::rank(&request.model, (format, native), engine);
            let space = Space::of(&load, wish.traffic, (&devices, &singles));
            let runs: Vec<bool> = devices
                .iter()
                .map(|device| {
                    device.runs(engine, format)
                        && device.model_refusal(engine, &request.model).is_none()
                })
                .collect();
            for number in COUNTS {
                space.each(number, |configuration| {
                    let device = &devices[configuration.device];
                    let there = number <= device.usual_per_node(server);
                    if !there || !runs[configuration.device] {
                        return;
                    }
                    let found = Found {
                        count: number,
                        rank,
                        split: configuration.split,
                        engine,
                        format,
                        seconds: f64::INFINITY,
                    };
                    weigh(
                        (configuration, target),
                        found,
                        (&mut best, &mut missed[configuration.device]),
                    );
                });
            }
        }
    }
    let mut offers = Vec::new();
    for (number, found) in &best {
        offers.extend(offer(request, wish, (&devices[*number], found))?);
    }
    sort(&mut offers);
    let unfit = devices
        .iter()
        .zip(&missed)
        .enumerate()
        .filter(|(number, _)| !best.contains_key(number));
    let mut rejected: Vec<Unfit> = unfit
        .map(|(_, (device, missed))| unfit_of(device, missed, target))
        .collect();
    rejected.sort_by(|one, other| nearness(one).total_cmp(&nearness(other)));
    Ok(Offers {
        offers,
        rejected,
        notes: request.notes.clone(),
    })
}

/// Whether an engine's speed was measured, in closed loops where clients are asked for.
fn serves(engine: &Engine, wish: &Wish) -> bool {
    engine.speed.as_ref().is_some_and(|speed| {
        speed.queue.is_some() || wish.traffic.concurrency.is_none_or(|clients| clients < 2)
    })
}

/// Keeps a configuration that serves and is better, or notes how near it came.
fn weigh<'a>(
    (configuration, target): (&Configuration, &Target),
    found: Found<'a>,
    (best, missed): (&mut BTreeMap<usize, Found<'a>>, &mut Missed),
) {
    if !configuration.fits() {
        if let Some(fit) = configuration.fit {
            let least = missed.short_by.unwrap_or(Bytes(u64::MAX));
            missed.short_by = Some(least.min(fit.short_by));
        }
        return;
    }
    let Some(times) = configuration.times else {
        return;
    };
    let over = overshoot(&times, &target.demands);
    if over > 1.0 {
        if missed.slow.is_none_or(|(least, ..)| over < least) {
            missed.slow = Some((over, found.count, found.split, times));
        }
        return;
    }
    let found = Found {
        seconds: times.output_token,
        ..found
    };
    let key = |found: &Found<'_>| {
        let usual = is_usual(found.split);
        (found.count, found.rank, found.seconds, !usual)
    };
    let better = best
        .get(&configuration.device)
        .is_none_or(|known| key(&found) < key(known));
    if better {
        best.insert(configuration.device, found);
    }
}

/// How many times too long the worst of the times is; at most 1 when all serve.
fn overshoot(times: &Times, demands: &SpeedDemands) -> f64 {
    let share = |actual: f64, limit: Option<f64>| limit.map_or(0.0, |limit| actual / limit);
    share(times.first_token, demands.first_token)
        .max(share(times.output_token, demands.output_token))
}

/// The plan of what was found, in full.
fn offer(
    request: &Request,
    wish: &Wish,
    (device, found): (&Device, &Found<'_>),
) -> Result<Option<Offer>> {
    let own = Request {
        hardware: Some(Hardware::of(device, found.count)),
        engine: Some(found.engine.clone()),
        format: found.format.clone(),
        split: found.split,
        ..request.clone()
    };
    let Ok(estimate) = one(&own, found.split)? else {
        return Ok(None);
    };
    let rates = rates::Rates::of(&own);
    let plan = finish(own.clone(), estimate, (wish, &rates))?;
    let price = device.gpu.as_ref().and_then(price);
    Ok(Some(Offer {
        gpu: device.id(),
        count: found.count,
        usd_per_hour: price
            .as_ref()
            .map(|price| price.usd_per_hour * float(found.count)),
        price,
        availability: found.rank.1,
        plan,
    }))
}

/// Cheapest first, each kind of price by itself; without a price the fewest, then the smallest.
fn sort(offers: &mut [Offer]) {
    let size = |offer: &Offer| {
        let device = offer
            .plan
            .request
            .hardware
            .as_ref()
            .and_then(|hardware| hardware.devices.first());
        device
            .and_then(|device| device.usable)
            .map_or(0, |usable| usable.bytes.0)
    };
    offers.sort_by(|one, other| {
        let price = |offer: &Offer| offer.usd_per_hour.unwrap_or(f64::INFINITY);
        let kind = |offer: &Offer| {
            let price = offer.price.as_ref();
            price.map_or(u8::MAX, |price| price_rank(&price.kind))
        };
        kind(one)
            .cmp(&kind(other))
            .then(price(one).total_cmp(&price(other)))
            .then(one.count.cmp(&other.count))
            .then(size(one).cmp(&size(other)))
            .then(one.gpu.cmp(&other.gpu))
    });
}

fn unfit_of(device: &Device, missed: &Missed, target: &Target) -> Unfit {
    let (reason, times_too_slow) = match (missed.slow, missed.short_by) {
        (Some((over, count, split, times)), _) => {
            (too_slow(&times, target, (count, split)), Some(over))
        }
        (None, Some(short_by)) => (
            format!("needs {short_by} more on each of the most devices of one server"),
            None,
        ),
        (None, None) => (
            "no speed was measured on a device like it with an engine that runs there".to_owned(),
            None,
        ),
    };
    Unfit {
        gpu: device.id(),
        reason,
        short_by: missed.short_by.filter(|_| missed.slow.is_none()),
        times_too_slow,
    }
}

fn too_slow(times: &Times, target: &Target, (count, split): (u64, Split)) -> String {
    let demands = &target.demands;
    let parts = [
        (
            "time to first token",
            times.first_token,
            demands.first_token,
        ),
        (
            "time per output token",
            times.output_token,
            demands.output_token,
        ),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter_map(|(name, actual, limit)| {
            let limit = limit.filter(|limit| actual > *limit)?;
            Some(format!(
                "{name} {} where {} is asked for",
                Seconds(actual),
                Seconds(limit)
            ))
        })
        .collect();
    format!(
        "{} on {count} (tensor {}, pipeline {}, data {}, expert {})",
        words.join(", "),
        split.tensor,
        split.pipeline,
        split.data,
        split.expert
    )
}

/// Slow ones come nearest, then those that lack memory.
fn nearness(unfit: &Unfit) -> f64 {
    match (unfit.times_too_slow, unfit.short_by) {
        (Some(times), _) => times,
        (None, Some(short_by)) => 1e6 + short_by.gib(),
        (None, None) => f64::INFINITY,
    }
}
