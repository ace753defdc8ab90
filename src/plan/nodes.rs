//! Servers, and the network between them.

use super::{Answer, Wish};
use crate::calc::hardware::Hardware;
use crate::catalog::gpu::Link;
use crate::catalog::shape::FeedForward;
use crate::request::Request;
use crate::units::{count, whole};

/// Devices that one server holds; none where the catalog does not say.
fn per_node(request: &Request) -> Option<u64> {
    let device = request.hardware.as_ref()?.devices.first()?;
    let each = device.gpu.as_ref()?.gpus_per_node?;
    (each > 0).then_some(u64::from(each))
}

fn devices(request: &Request) -> u64 {
    request
        .hardware
        .as_ref()
        .map_or(1, |hardware| count(hardware.devices.len()))
}

/// Servers that the devices take; one where the catalog does not say how many a server holds.
pub(super) fn nodes(request: &Request) -> u64 {
    per_node(request).map_or(1, |each| devices(request).div_ceil(each))
}

/// Whether devices that share each layer stand in different servers.
pub(super) fn spans(request: &Request) -> bool {
    match per_node(request) {
        Some(each) if devices(request) > each => !each.is_multiple_of(request.split.tensor.max(1)),
        Some(_) | None => false,
    }
}

/// The same devices with the network as their link, where it is the slower one and its rate is known.
pub(super) fn over_network(request: &Request, network: Option<f64>) -> Option<Hardware> {
    let rate = whole(network?);
    let mut hardware = request.hardware.clone()?;
    for device in &mut hardware.devices {
        let gpu = device.gpu.as_mut()?;
        let link = gpu.link.get_or_insert_with(|| Link {
            pcie: None,
            nvlink_bytes_per_second: None,
            source: String::new(),
        });
        let own = link.nvlink_bytes_per_second.unwrap_or(u64::MAX);
        link.nvlink_bytes_per_second = Some(rate.min(own));
    }
    Some(hardware)
}

/// What the figures leave out when servers are joined.
pub(super) fn note(answer: &mut Answer, request: &Request, wish: &Wish) {
    let nodes = nodes(request);
    if nodes < 2 {
        return;
    }
    let each = per_node(request).unwrap_or(1);
    answer.notes.push(match wish.network {
        Some(rate) => format!(
            "{nodes} servers of {each} devices each; tensor parallelism over more than one goes at the network's {:.0} Gbit/s; its delay was not measured and is left out",
            rate * 8.0 / 1e9
        ),
        None => format!(
            "{nodes} servers of {each} devices each; how fast they are joined is not known (--network-gbps)"
        ),
    });
    if matches!(
        request.model.shape.feed_forward,
        FeedForward::Experts { .. }
    ) {
        answer.notes.push(
            "tokens that go to experts in another server are not in the speed: no such run was measured".to_owned(),
        );
    }
}
