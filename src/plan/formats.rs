//! The weight formats to try: the one that was asked for, else those that lose more and more.

use super::Wish;
use crate::calc::accuracy::is_native;
use crate::catalog::{Catalog, Engine, Format, Model};
use crate::error::Result;
use crate::request::Request;

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
                && format.bits <= request.format.bits
                && format.known_loss().is_some()
                && request
                    .hardware
                    .as_ref()
                    .is_none_or(|hardware| hardware.runs(engine, format))
        })
        .collect();
    let loss = |format: &Format| format.known_loss().unwrap_or(1.0);
    others.sort_by(|one, other| loss(one).total_cmp(&loss(other)));
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
        runs(format) && (native || !format.only_native && little)
    });
    Ok(all.collect())
}

/// The share of the accuracy that a format loses; nothing where it is the checkpoint's own.
pub(super) fn loss(model: &Model, (format, engine): (&Format, &Engine)) -> f64 {
    if is_native(model, format, Some(engine)) {
        0.0
    } else {
        format.known_loss().unwrap_or(1.0)
    }
}
