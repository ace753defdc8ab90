//! Part of a model in the host's memory, as llama.cpp lays it: routed experts first, else whole layers.

use crate::calc::estimate::{Estimate, estimate};
use crate::calc::hardware::Hardware;
use crate::calc::llama_cpp::Rows;
use crate::calc::load::{LayerSplit, Options};
use crate::catalog::Allocator;
use crate::catalog::shape::FeedForward;
use crate::error::{Error, Result};
use crate::request::Request;
use crate::units::Bytes;

/// The least that must stay with the host for the model to fit; none where that is not possible or not said.
///
/// Routed experts are read by few tokens each, so they cost the least speed in slow memory.
pub(super) fn with_host(request: &Request) -> Result<Option<(Request, Estimate)>> {
    let by_layers = request
        .engine
        .as_ref()
        .is_some_and(|engine| engine.allocator == Allocator::LlamaCpp);
    let has_host = request
        .hardware
        .as_ref()
        .is_some_and(|hardware| hardware.host.is_some() && !Hardware::is_cpu(hardware));
    let options = &request.options;
    let chosen =
        options.gpu_layers.is_some() || options.host_experts > 0 || options.layer_split.is_some();
    if !by_layers || !has_host || chosen {
        return Ok(None);
    }
    let found = match request.model.shape.feed_forward {
        FeedForward::Experts { .. } => experts(request),
        FeedForward::Dense { .. } => layers(request),
    };
    match found {
        Err(Error::Unanswerable(_)) => Ok(None),
        other => other,
    }
}

/// The fewest layers whose routed experts stay with the host, on several devices with the split that makes them so.
fn experts(request: &Request) -> Result<Option<(Request, Estimate)>> {
    let devices = request
        .hardware
        .iter()
        .flat_map(|hardware| &hardware.devices);
    let budgets: Option<Vec<Bytes>> = devices.map(|device| Some(device.usable?.bytes)).collect();
    let Some(budgets) = budgets else {
        return Ok(None);
    };
    let Some(found) = Rows::of(&request.load())?.fewest_in_host(&budgets) else {
        return Ok(None);
    };
    let own = laid(
        request,
        Options {
            host_experts: found.host_experts,
            layer_split: LayerSplit::of(&found.layers).filter(|_| budgets.len() > 1),
            ..request.options
        },
    );
    let estimate = estimate(&own.load())?;
    Ok((estimate.fits == Some(true)).then_some((own, estimate)))
}

/// The most layers that the devices hold.
fn layers(request: &Request) -> Result<Option<(Request, Estimate)>> {
    let held = |gpu_layers: u32| {
        let own = laid(
            request,
            Options {
                gpu_layers: Some(gpu_layers),
                ..request.options
            },
        );
        let estimate = estimate(&own.load())?;
        Ok::<_, Error>((own, estimate))
    };
    let on_devices = |found: &(Request, Estimate)| {
        let estimate = &found.1;
        estimate
            .available
            .is_some_and(|available| estimate.memory.fullest().total() <= available)
    };
    let (mut most, mut beyond) = (0, request.model.shape.layers + 1);
    while beyond - most > 1 {
        let middle = most + (beyond - most) / 2;
        if on_devices(&held(middle)?) {
            most = middle;
        } else {
            beyond = middle;
        }
    }
    if most == 0 {
        return Ok(None);
    }
    let found = held(most)?;
    Ok((found.1.fits == Some(true)).then_some(found))
}

fn laid(request: &Request, options: Options) -> Request {
    Request {
        options,
        ..request.clone()
    }
}
