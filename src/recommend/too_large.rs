//! Models that fit in no format: which one lacks least, without a look at those that cannot be it.

use super::candidate::Space;
use super::misses::Misses;
use crate::calc::tensors::{ParameterCount, parameters};
use crate::catalog::{Format, Model};
use crate::units::{Bytes, count};

/// What keeps every format of `model` from fitting; none where its weights may fit in one.
///
/// No tensor is stored in fewer bits than a format's name says, so the weights take as much at least.
pub(super) fn too_large(space: &Space<'_>, model: &Model) -> Option<Misses> {
    let devices = &space.hardware.devices;
    let usable: Option<Vec<Bytes>> = devices
        .iter()
        .map(|device| Some(device.usable?.bytes))
        .collect();
    let usable: Bytes = usable?.into_iter().sum();
    let parameters = parameters(&model.shape);
    let least = |format: &Format| least_bytes(&parameters, format) - usable;
    let mut formats: Vec<&Format> = space.formats_of(model).collect();
    if formats.iter().any(|format| least(format) == Bytes::ZERO) {
        return None;
    }
    formats.sort_by_key(|format| format.bits);
    let mut misses = Misses::default();
    let each = count(devices.len()).max(1);
    for format in formats {
        if misses
            .least_short()
            .is_some_and(|known| least(format).0 / each > known.0)
        {
            break;
        }
        // What cannot be calculated is told with all formats before one.
        let estimate = space.estimate(model, format).ok()?;
        misses.note_short(estimate.short_by, format);
    }
    Some(misses)
}

/// The least that `parameters` take on devices: tables may stay with the host, and a text engine has no vision tower.
fn least_bytes(parameters: &ParameterCount, format: &Format) -> Bytes {
    let elsewhere = [parameters.embedding, parameters.engram, parameters.vision];
    let left = elsewhere
        .iter()
        .fold(parameters.main.0, |left, part| left.saturating_sub(part.0));
    Bytes(left.saturating_mul(format.bits) / 8)
}
