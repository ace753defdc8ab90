//! The weight formats to try: the one that was asked for, else those that lose more and more.

use super::Wish;
use crate::catalog::{Catalog, Format};
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
                && runs_on(format, request)
        })
        .collect();
    let loss = |format: &Format| format.known_loss().unwrap_or(1.0);
    others.sort_by(|one, other| loss(one).total_cmp(&loss(other)));
    all.extend(others.into_iter().cloned());
    Ok(all)
}

/// Whether every device has the compute capability that a format needs; unknown capabilities pass.
fn runs_on(format: &Format, request: &Request) -> bool {
    let Some(needed) = format.compute.needs_compute_capability else {
        return true;
    };
    request
        .hardware
        .iter()
        .flat_map(|hardware| &hardware.devices)
        .all(|device| {
            let own = device.gpu.as_ref().and_then(|gpu| gpu.compute_capability);
            own.is_none_or(|own| own >= needed)
        })
}
