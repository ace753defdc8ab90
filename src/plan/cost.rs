//! What devices and answers cost.

use super::Figures;
use crate::catalog::Gpu;
use crate::request::Request;
use crate::units::count;

/// A price per device, and what it pays for.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// US dollars per device and hour.
    pub usd_per_hour: f64,
    /// What is paid for: on-demand, rental-3-year, owner-cost-...
    pub kind: String,
    /// Day of the price, ISO 8601.
    pub date: String,
    /// Where it was listed.
    pub source: String,
}

/// What a plan costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// US dollars per hour for all devices.
    pub usd_per_hour: f64,
    /// US dollars for a million output tokens at full load.
    pub usd_per_million_output_tokens: f64,
    /// The price that it rests on.
    pub price: Price,
}

/// How far a kind of price stands from the one that most devices of servers have, and that others are compared by.
pub(super) fn price_rank(kind: &str) -> u8 {
    if kind.starts_with("rental") {
        0
    } else if kind == "on-demand" {
        1
    } else {
        2
    }
}

/// What a device rents for: for years where that is sourced, else on demand, else what it costs an owner.
#[must_use]
pub fn price(gpu: &Gpu) -> Option<Price> {
    let best = gpu.prices.iter().min_by(|one, other| {
        price_rank(&one.kind)
            .cmp(&price_rank(&other.kind))
            .then(one.usd_per_hour.total_cmp(&other.usd_per_hour))
    })?;
    Some(Price {
        usd_per_hour: best.usd_per_hour,
        kind: best.kind.clone(),
        date: best.date.clone(),
        source: best.source.clone(),
    })
}

/// The cost of a plan at full load; none without a sourced price of every device, or without a throughput.
pub(super) fn cost(request: &Request, full: &Figures) -> Option<Cost> {
    let devices = &request.hardware.as_ref()?.devices;
    let prices = devices
        .iter()
        .map(|device| price(device.gpu.as_ref()?))
        .collect::<Option<Vec<Price>>>()?;
    debug_assert_eq!(count(prices.len()), count(devices.len()));
    let usd_per_hour: f64 = prices.iter().map(|price| price.usd_per_hour).sum();
    let rate = full.speed.throughput?.value;
    Some(Cost {
        usd_per_hour,
        usd_per_million_output_tokens: usd_per_hour / 3600.0 / rate * 1e6,
        price: prices.into_iter().next()?,
    })
}
