//! What lies where.

use crate::calc::estimate::Estimate;
use crate::calc::llama_cpp::layers_by_device;
use crate::calc::memory::Parts;
use crate::catalog::Allocator;
use crate::catalog::shape::FeedForward;
use crate::request::Request;
use crate::units::{Bytes, index};

/// Where something lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A device, counted from 0.
    Device {
        /// Its number.
        number: u64,
        /// Its name.
        name: String,
    },
    /// The host's memory.
    Host,
}

/// What one device or the host holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Where.
    pub place: Place,
    /// The layers, first and one past the last.
    pub layers: (u32, u32),
    /// Which part of them, in words.
    pub what: String,
    /// The layers whose routed experts lie here, first and one past the last; none without experts.
    pub experts: Option<(u32, u32)>,
    /// Bytes of weights.
    pub weights: Bytes,
    /// Bytes in all.
    pub total: Bytes,
}

/// What lies where, device by device; empty where all devices hold the same.
pub(super) fn placement(request: &Request, estimate: &Estimate) -> Vec<Placement> {
    let Some(hardware) = &request.hardware else {
        return Vec::new();
    };
    let whole_layers = request
        .engine
        .as_ref()
        .is_some_and(|engine| engine.allocator == Allocator::LlamaCpp);
    let host = estimate.memory.host;
    let differ = hardware
        .devices
        .windows(2)
        .any(|pair| pair[0].name != pair[1].name);
    let kept = request.options.host_experts;
    let layers_kept = request.options.gpu_layers.is_some();
    if !whole_layers || !(differ || kept > 0 || layers_kept) {
        return Vec::new();
    }
    let held = layers_by_device(&request.load());
    let mut all: Vec<Placement> = held
        .into_iter()
        .zip(&estimate.memory.devices)
        .zip(&hardware.devices)
        .zip(0..)
        .map(|((((layers, output), parts), device), number)| Placement {
            place: Place::Device {
                number,
                name: device.name.clone(),
            },
            layers: (layers.start, layers.end),
            what: on_device(request, output),
            experts: experts(request, (layers.start.max(kept), layers.end)),
            weights: parts.weights,
            total: Parts::total(*parts),
        })
        .collect();
    let first = all.iter().map(|placed| placed.layers.0).min().unwrap_or(0);
    all.push(Placement {
        place: Place::Host,
        layers: (0, first),
        what: in_host(kept, first),
        experts: experts(request, (0, kept.max(first))),
        weights: host.weights,
        total: host.total(),
    });
    all
}

fn on_device(request: &Request, output: bool) -> String {
    let inner = match request.model.shape.feed_forward {
        FeedForward::Experts { .. } => "attention, dense and shared feed-forward, cache",
        FeedForward::Dense { .. } => "attention, feed-forward, cache",
    };
    if output {
        format!("{inner}, output head")
    } else {
        inner.to_owned()
    }
}

fn in_host(kept: u32, first: u32) -> String {
    match (kept, first) {
        (0, 0) => "token embedding, buffers".to_owned(),
        (0, _) => "whole layers, token embedding, buffers".to_owned(),
        (_, 0) => "routed experts, token embedding, buffers".to_owned(),
        (_, _) => "whole layers, routed experts, token embedding, buffers".to_owned(),
    }
}

/// The layers among `layers` that have routed experts.
fn experts(request: &Request, (start, end): (u32, u32)) -> Option<(u32, u32)> {
    let dense = request
        .model
        .shape
        .feed_forward
        .dense_layers(request.model.shape.layers);
    debug_assert!(index(u64::from(dense)) <= index(u64::from(u32::MAX)));
    let start = start.max(dense);
    (start < end).then_some((start, end))
}
