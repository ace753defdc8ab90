//! A run as a calibration: what was measured over what is predicted without any.

use super::comparison::{Prediction, predict};
use super::run::Run;
use super::statistics::Summary;
use crate::calc::speed::View;
use crate::catalog::{Calibration, Origin};
use crate::error::{Error, Result};
use crate::request::Request;
use crate::units::count;

/// Levels from which on their spread is a range.
const ENOUGH: usize = 5;

/// Measured over predicted, at one level.
struct Ratio {
    first_token: f64,
    output_token: f64,
}

/// The calibration that `run` makes of `request`, measured on `date` (`YYYY-MM-DD`).
///
/// # Errors
/// When nothing was predicted or measured that could be held against each other.
pub fn calibration(request: &Request, run: &Run, date: &str) -> Result<Calibration> {
    let engine = request
        .engine
        .as_ref()
        .ok_or_else(|| unsaved("no engine is named (--engine)"))?;
    let hardware = request
        .hardware
        .as_ref()
        .ok_or_else(|| unsaved("no hardware is named (--gpu)"))?;
    let gpu = hardware
        .devices
        .first()
        .and_then(|device| device.gpu.as_ref())
        .ok_or_else(|| unsaved("the device is not in the catalog"))?;
    let ratios = ratios(request, run)?;
    let first: Vec<f64> = ratios.iter().map(|ratio| ratio.first_token).collect();
    let output: Vec<f64> = ratios.iter().map(|ratio| ratio.output_token).collect();
    let (first_token_scale, first_token_range) = scale(&first)?;
    let (output_token_scale, output_token_range) = scale(&output)?;
    let model = (request.model.origin != Origin::File).then(|| request.model.id.clone());
    let format = model.as_ref().map(|_| request.format.id.clone());
    let devices = count(hardware.devices.len());
    let named = [
        Some(&engine.id),
        Some(&gpu.id),
        model.as_ref(),
        format.as_ref(),
    ];
    let id = named.into_iter().flatten().fold(String::new(), |id, part| {
        if id.is_empty() {
            part.clone()
        } else {
            format!("{id}-{part}")
        }
    });
    let levels: Vec<String> = run
        .levels
        .iter()
        .map(|compared| compared.level.concurrency.to_string())
        .collect();
    Ok(Calibration {
        id: format!("{id}-{devices}"),
        engine: engine.id.clone(),
        gpu: gpu.id.clone(),
        model,
        format,
        devices: Some(devices),
        output_token_scale,
        first_token_scale,
        output_token_range,
        first_token_range,
        rows: count(ratios.len()),
        date: date.to_owned(),
        source: format!(
            "dsk bench, {} at {}, {} tokens in, {} out, concurrency {}",
            run.ask.model,
            run.url,
            run.input_tokens,
            run.ask.output_tokens,
            levels.join(", ")
        ),
    })
}

fn ratios(request: &Request, run: &Run) -> Result<Vec<Ratio>> {
    let load = request.load();
    let tokens = (run.input_tokens, run.ask.output_tokens);
    let mut reason = "nothing was measured".to_owned();
    let mut ratios = Vec::new();
    for compared in &run.levels {
        let level = &compared.level;
        let (Some(first), Some(output)) = (level.first_token, level.output_token) else {
            continue;
        };
        let plain = predict(&load, level, (tokens, &[]));
        let speed = &plain.speed;
        match (speed.time_to_first_token, speed.time_per_output_token) {
            (Some(first_token), Some(output_token)) if is_like(&plain, level.concurrency) => {
                ratios.push(Ratio {
                    first_token: first.mean / first_token.value,
                    output_token: output.mean / output_token.value,
                });
            }
            (Some(_), Some(_)) => {
                "this engine's queue is not modelled: measure one client (--concurrency 1)"
                    .clone_into(&mut reason);
            }
            _ => reason = speed.notes.join("; "),
        }
    }
    if ratios.is_empty() {
        return Err(unsaved(&reason));
    }
    Ok(ratios)
}

/// Whether a level is what was predicted: clients in a loop, or one, whose loop is the batch at once.
fn is_like(prediction: &Prediction, concurrency: u64) -> bool {
    prediction.view != View::Static || concurrency == 1
}

/// The median, and the 10th to 90th percentile around it where there are enough.
fn scale(ratios: &[f64]) -> Result<(f64, Option<[f64; 2]>)> {
    let summary = Summary::of(ratios.to_vec()).ok_or_else(|| unsaved("nothing was measured"))?;
    let turned = Summary::of(ratios.iter().map(|ratio| -ratio).collect());
    let range = turned
        .filter(|_| ratios.len() >= ENOUGH)
        .map(|turned| [-turned.p90 / summary.p50, summary.p90 / summary.p50]);
    Ok((summary.p50, range))
}

fn unsaved(reason: &str) -> Error {
    Error::Unanswerable(format!("no calibration can be saved: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_scales_and_five_levels_make_a_range() {
        let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        let (median, range) = scale(&[1.0, 3.0, 2.0]).expect("three");
        assert!(close(median, 2.0) && range.is_none());
        let (median, range) = scale(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("five");
        let [low, high] = range.expect("enough");
        assert!(close(median, 3.0) && close(low, 1.4 / 3.0) && close(high, 4.6 / 3.0));
    }
}
