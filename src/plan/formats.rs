//! The weight formats to try: the one that was asked for, else those that lose more and more.

use super::Wish;
use crate::calc::accuracy::is_native;
use crate::calc::availability::{Availability, availability};
use crate::catalog::find::find;
use crate::catalog::{Catalog, Engine, Format, Model};
use crate::error::Result;
use crate::request::Request;
use crate::units::whole;

/// The request's format first, then, where any will do, those of its engine by what they lose.
pub(super) fn candidates(catalog: &Catalog, request: &Request, wish: &Wish) -> Result<Vec<Format>> {
    let mut all = vec![request.format.clone()];
    let own_file = request.model.file.as_ref().is_some_and(|file| file.is_gguf);
    let Some(engine) = request
        .engine
        .as_ref()
        .filter(|_| wish.any_format && !own_file)
    else {
        return Ok(all);
    };
    let mut others: Vec<&Format> = catalog
        .formats()?
        .iter()
        .filter(|format| {
            format.engines.contains(&engine.id)
                && format.id != request.format.id
                && !format.only_native
                && request.model.can_be_had(format)
                && format.bits <= request.format.bits
                && format.known_loss().is_some()
                && request
                    .hardware
                    .as_ref()
                    .is_none_or(|hardware| hardware.runs(engine, format))
        })
        .collect();
    let native = find(catalog.formats()?, &request.model.native)?;
    others.sort_by_key(|format| rank(&request.model, (format, native), engine));
    all.extend(others.into_iter().cloned());
    Ok(all)
}

/// The formats of an engine to try on any device: the one asked for, else the checkpoint's own and those that lose little.
pub(super) fn of_engine<'a>(
    catalog: &'a Catalog,
    request: &'a Request,
    (engine, wish): (&Engine, &Wish),
) -> Result<Vec<&'a Format>> {
    let runs = |format: &Format| format.engines.contains(&engine.id);
    if !wish.any_format {
        return Ok(vec![&request.format]
            .into_iter()
            .filter(|format| runs(format))
            .collect());
    }
    let most_loss = catalog.defaults()?.request.most_loss;
    let model = &request.model;
    let all = catalog.formats()?.iter().filter(|format| {
        let native = is_native(model, format, Some(engine));
        let little = format.known_loss().is_some_and(|loss| loss <= most_loss);
        runs(format) && (native || !format.only_native && little && model.can_be_had(format))
    });
    Ok(all.collect())
}

/// The order of a model's formats: those that lose less first, as far as measurements tell them apart (0.1%), then
/// those whose weights can be had as they are, then by the rest of the loss.
pub(super) fn rank(
    model: &Model,
    (format, native): (&Format, &Format),
    engine: &Engine,
) -> (u64, Availability, u64) {
    let loss = if is_native(model, format, Some(engine)) {
        0.0
    } else {
        format.known_loss().unwrap_or(1.0)
    };
    let parts = |unit: f64| whole((loss * unit).round());
    let by = availability(model, (format, native), Some(engine));
    (parts(1e3), by, parts(1e9))
}
