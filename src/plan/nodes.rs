//! Servers, and the network between them.

use super::Answer;
use crate::request::Request;
use crate::units::{count, float};

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

/// What the figures leave out when servers are joined.
pub(super) fn note(answer: &mut Answer, request: &Request) {
    let nodes = nodes(request);
    if nodes < 2 {
        return;
    }
    let each = per_node(request).unwrap_or(1);
    let network = request.hardware.as_ref().and_then(|found| found.network);
    answer.notes.push(match network {
        Some(rate) => format!(
            "{nodes} servers of {each} devices each; what is shared by more than one goes at the network's {:.0} Gbit/s; its delay was not measured and is left out",
            float(rate) * 8.0 / 1e9
        ),
        None => format!(
            "{nodes} servers of {each} devices each; how fast they are joined is not known (--network-gbps)"
        ),
    });
}
