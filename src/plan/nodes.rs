//! Servers, and the network between them.

use super::Answer;
use crate::request::Request;
use crate::units::{count, float};

/// Servers that the devices take.
pub(super) fn nodes(request: &Request) -> u64 {
    request
        .hardware
        .as_ref()
        .map_or(1, |hardware| hardware.nodes(count(hardware.devices.len())))
}

/// What the figures leave out when servers are joined.
pub(super) fn note(answer: &mut Answer, request: &Request) {
    let Some(hardware) = &request.hardware else {
        return;
    };
    let (nodes, Some(each)) = (nodes(request), hardware.per_node()) else {
        return;
    };
    if nodes < 2 {
        return;
    }
    answer.notes.push(match hardware.network {
        Some(rate) => format!(
            "{nodes} servers of {each} devices each; what is shared by more than one goes at the network's {:.0} Gbit/s; its delay was not measured and is left out",
            float(rate) * 8.0 / 1e9
        ),
        None => format!(
            "{nodes} servers of {each} devices each; how fast they are joined is not known (--network-gbps)"
        ),
    });
}
