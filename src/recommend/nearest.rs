//! What would serve when nothing does: a shorter context, another format, a bigger card.

use std::cell::RefCell;

use super::Demands;
use super::candidate::Space;
use crate::calc::estimate::estimate;
use crate::calc::hardware::{Device, Hardware};
use crate::calc::load::Load;
use crate::catalog::{Format, Model};
use crate::error::Result;
use crate::units::{Bytes, Tokens, count};

/// A change that would make something fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// The model that would fit.
    pub model: String,
    /// In which format.
    pub format: String,
    /// What to change.
    pub change: Change,
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A context no longer than this.
    ShorterContext(Tokens),
    /// A device of the catalog, by id and name.
    BiggerDevice(String, String),
    /// More memory on each device.
    MoreMemory(Bytes),
    /// One of the engine's smaller formats, whose loss of accuracy nobody published.
    SmallerFormat,
}

/// The shortest context worth offering, in tokens.
const SHORTEST: u64 = 512;

/// The nearest things that would serve: at most one of each kind.
pub(super) fn nearest(space: &Space<'_>, models: &[Model]) -> Result<Vec<Nearest>> {
    let tried: Vec<&Format> = space.formats.iter().collect();
    let Some((missing, model, format)) = closest(space, models, &tried) else {
        return Ok(longest_window(space, models, &tried).into_iter().collect());
    };
    if missing == Bytes::ZERO {
        // Something fits: it is another demand that nothing meets.
        return Ok(Vec::new());
    }
    let mut answers = vec![found(Change::MoreMemory(missing), (model, format))];
    let run_by_engine = |format: &&Format| {
        format.engines.contains(&space.engine.id) && space.hardware.runs(space.engine, format)
    };
    let every: Vec<&Format> = space
        .catalog
        .formats()?
        .iter()
        .filter(run_by_engine)
        .collect();
    if let Some((Bytes::ZERO, model, format)) = closest(space, models, &every) {
        answers.push(found(Change::SmallerFormat, (model, format)));
    }
    if let Some(context) = shorter(space, (model, format))? {
        answers.push(found(Change::ShorterContext(context), (model, format)));
    }
    if let Some(device) = bigger(space, (model, format))? {
        answers.push(found(device, (model, format)));
    }
    Ok(answers)
}

fn found(change: Change, (model, format): (&Model, &Format)) -> Nearest {
    Nearest {
        model: model.id.clone(),
        format: format.id.clone(),
        change,
    }
}

/// The longest window of those models that fit with it, when no window is long enough.
fn longest_window(space: &Space<'_>, models: &[Model], formats: &[&Format]) -> Option<Nearest> {
    let mut windows: Vec<u64> = models
        .iter()
        .map(|model| model.shape.window_tokens)
        .filter(|window| *window < space.demands.context.0)
        .collect();
    windows.sort_unstable();
    windows.dedup();
    windows.into_iter().rev().find_map(|window| {
        let demands = Demands {
            context: Tokens(window),
            ..space.demands.clone()
        };
        let shorter = Space {
            demands: &demands,
            common: RefCell::default(),
            ..*space
        };
        match closest(&shorter, models, formats)? {
            (Bytes::ZERO, model, format) => Some(found(
                Change::ShorterContext(demands.context),
                (model, format),
            )),
            _ => None,
        }
    })
}

/// The model and format that lack least.
fn closest<'a>(
    space: &Space<'_>,
    models: &'a [Model],
    formats: &[&'a Format],
) -> Option<(Bytes, &'a Model, &'a Format)> {
    let long_enough = |model: &&Model| {
        model.shape.window_tokens >= space.demands.context.0
            && space.hardware.model_refusal(space.engine, model).is_none()
    };
    models
        .iter()
        .filter(long_enough)
        .flat_map(|model| formats.iter().map(move |format| (model, *format)))
        .filter(|(model, format)| space.offers(model, format))
        .filter_map(|(model, format)| {
            let estimate = space.estimate(model, format).ok()?;
            Some((estimate.short_by, model, format))
        })
        .min_by_key(|(missing, ..)| *missing)
}

fn shorter(space: &Space<'_>, (model, format): (&Model, &Format)) -> Result<Option<Tokens>> {
    let mut context = space.demands.context.0 / 2;
    while context >= SHORTEST {
        let load = Load {
            context: Tokens(context),
            ..space.load(model, format)
        };
        if estimate(&load)?.short_by == Bytes::ZERO {
            return Ok(Some(Tokens(context)));
        }
        context /= 2;
    }
    Ok(None)
}

/// The smallest device of the catalog that would hold it, as many as now.
fn bigger(space: &Space<'_>, (model, format): (&Model, &Format)) -> Result<Option<Change>> {
    let bare = &space.catalog.defaults()?.bare_memory;
    let mut best: Option<(Bytes, &str, &str)> = None;
    for gpu in space.catalog.gpus()?.iter().filter(|gpu| !gpu.laptop) {
        let Some(device) = Device::of(gpu, None, bare) else {
            continue;
        };
        let runs = device.runs(space.engine, format)
            && device.model_refusal(space.engine, model).is_none();
        let Some(usable) = device.usable.filter(|_| runs) else {
            continue;
        };
        let hardware = Hardware::of(&device, count(space.hardware.devices.len()));
        let load = Load {
            hardware: Some(&hardware),
            ..space.load(model, format)
        };
        let fits = estimate(&load).is_ok_and(|found| found.short_by == Bytes::ZERO);
        if fits && best.is_none_or(|(least, ..)| usable.bytes < least) {
            best = Some((usable.bytes, &gpu.id, &gpu.name));
        }
    }
    Ok(best.map(|(_, id, name)| Change::BiggerDevice(id.to_owned(), name.to_owned())))
}
