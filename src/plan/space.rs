//! The whole space of what-ifs: models x formats x engines x devices x splits, hundreds of thousands a second.
//!
//! A configuration is one model in one format on one engine, split over a number of equal devices. For each its
//! memory on the fullest device, whether that fits, and its times are calculated as [`super::plan`] does: the parts
//! that several configurations have in common once.

use crate::calc::footprint::{Fit, Footprints};
use crate::calc::hardware::{Device, Hardware};
use crate::calc::load::{Load, Split};
use crate::calc::parallel::{check, replica, splits};
use crate::calc::speed::{Prepared, Times, calibrations, prepared};
use crate::request::Traffic;

/// One configuration of a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Configuration {
    /// The device, by its place in the list.
    pub device: usize,
    /// The split; its devices are so many equal ones.
    pub split: Split,
    /// Memory of the fullest device; none where that is not known.
    pub fit: Option<Fit>,
    /// Seconds and tokens per second; none where nobody measured the like.
    pub times: Option<Times>,
}

/// A model in a format on an engine, prepared for a list of devices.
pub struct Space<'a> {
    load: Load<'a>,
    traffic: Traffic,
    devices: &'a [Device],
    speeds: Vec<Option<Prepared<'a>>>,
}

/// One of each device, as the speed model takes its hardware.
#[must_use]
pub fn singles(devices: &[Device]) -> Vec<Hardware> {
    devices
        .iter()
        .map(|device| Hardware::of(device, 1))
        .collect()
}

/// The speed model on each of `hardware`, by what was measured there; none where nobody measured the like.
fn rates<'a>(load: &Load<'a>, hardware: &'a [Hardware]) -> Vec<Option<Prepared<'a>>> {
    let rate = |hardware: &'a Hardware| {
        let own = Load {
            hardware: Some(hardware),
            split: Split::SINGLE,
            ..*load
        };
        prepared(&own, calibrations(&own)).ok()
    };
    hardware.iter().map(rate).collect()
}

impl<'a> Space<'a> {
    /// Prepares `load`, whose hardware and split do not matter; `singles` holds one of each device.
    #[must_use]
    pub fn of(
        load: &Load<'a>,
        traffic: Traffic,
        (devices, singles): (&'a [Device], &'a [Hardware]),
    ) -> Self {
        Self {
            load: *load,
            traffic,
            devices,
            speeds: rates(load, singles),
        }
    }

    /// Calls `each` with every configuration of so many devices.
    pub fn each(&self, count: u64, mut each: impl FnMut(&Configuration)) {
        // What was measured on machines may hold for so many devices only.
        let (several, counted): (Vec<Hardware>, Vec<Option<Prepared<'_>>>);
        let speeds = if calibrations(&self.load).is_empty() {
            &self.speeds
        } else {
            several = self
                .devices
                .iter()
                .map(|device| Hardware::of(device, count))
                .collect();
            counted = rates(&self.load, &several);
            &counted
        };
        for split in splits(&self.load.model.shape, count) {
            let load = Load { split, ..self.load };
            if check(&load).is_ok() {
                self.each_device(&load, speeds, &mut each);
            }
        }
    }

    fn each_device(
        &self,
        load: &Load<'_>,
        speeds: &[Option<Prepared<'_>>],
        each: &mut impl FnMut(&Configuration),
    ) {
        let mut footprints = Footprints::of(load);
        let asked = self.traffic.concurrency.unwrap_or(self.load.sequences);
        // One sequence on each replica at least.
        let most = asked.max(load.split.data);
        let (split, each_one, replicas) = replica(&self.load.model.shape, load.split, most);
        let workload = self.traffic.workload(each_one);
        let at = (split, split.devices());
        for ((number, device), speed) in self.devices.iter().enumerate().zip(speeds) {
            each(&Configuration {
                device: number,
                split: load.split,
                fit: footprints.on(device),
                times: speed
                    .as_ref()
                    .and_then(|speed| speed.times(at, &workload).ok())
                    .map(|times| Times {
                        throughput: times.throughput * replicas,
                        ..times
                    }),
            });
        }
    }
}

impl Configuration {
    /// Whether it is known to fit.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.fit.is_some_and(|fit| fit.short_by.0 == 0)
    }
}
