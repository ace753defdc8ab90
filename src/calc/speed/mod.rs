//! How fast: time to first token, time per output token, throughput, each with a range.
//!
//! A closed form with the engine's measured constants (`catalog::engine_speed`). Reading, arithmetic, links
//! and fixed times are added: on published runs the sum came nearer than the largest of them.

mod cache;
mod decode;
mod factors;
mod host;
mod machine;
mod places;
mod prefill;
mod prepared;
mod scale;
mod served;
mod spread;
mod volume;
mod workload;

use super::load::Load;
use crate::catalog::Calibration;
use crate::catalog::calibration::{ANY_PROCESSOR, Place, closest};
use crate::units::count;

pub(crate) use machine::link;
pub use places::Unknown;
pub use prepared::{Prepared, Refitted};
pub use workload::{Bound, Range, Routing, Speed, Times, View, Workload};

/// How fast the model of `load` answers `workload`, by what was measured of its engine on machines.
#[must_use]
pub fn speed(load: &Load<'_>, workload: &Workload) -> Speed {
    calibrated(load, workload, calibrations(load))
}

/// What was measured of the engine of `load` on machines.
#[must_use]
pub fn calibrations<'a>(load: &Load<'a>) -> &'a [Calibration] {
    load.engine
        .map(|engine| engine.calibrations.as_slice())
        .unwrap_or_default()
}

/// The same, scaled by the most particular of `calibrations` that fits.
#[must_use]
pub fn calibrated(load: &Load<'_>, workload: &Workload, calibrations: &[Calibration]) -> Speed {
    match prepared(load, calibrations) {
        Ok(prepared) => prepared.speed((load.split, devices(load)), workload),
        Err(reason) => Speed::unknown(load.model.basis, reason),
    }
}

/// The question of `load`, scaled by the most particular of `calibrations` that fits.
///
/// # Errors
/// When the speed of such a question cannot be said: the reason.
pub fn prepared<'a>(load: &Load<'a>, calibrations: &[Calibration]) -> Result<Prepared<'a>, String> {
    let devices = devices(load);
    let ram = calibrated_bandwidth(load, (devices, calibrations));
    Ok(Prepared::with_bandwidth(load, ram)?.calibrated((load, devices), calibrations))
}

/// Bytes per second of a processor's memory that a calibration was made with: its scale holds for no other.
fn calibrated_bandwidth(
    load: &Load<'_>,
    (devices, calibrations): (u64, &[Calibration]),
) -> Option<u64> {
    let hardware = load.hardware.filter(|hardware| hardware.is_cpu())?;
    let listed = hardware.devices.first()?.gpu.as_ref();
    let place = Place {
        engine: &load.engine?.id,
        gpu: listed.map_or(ANY_PROCESSOR, |gpu| &gpu.id),
        model: &load.model.id,
        format: &load.format.id,
        devices,
    };
    closest(calibrations, place)?.ram_bandwidth_bytes_per_second
}

fn devices(load: &Load<'_>) -> u64 {
    load.hardware
        .map_or(0, |hardware| count(hardware.devices.len()))
}
