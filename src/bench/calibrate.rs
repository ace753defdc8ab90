//! A run as a calibration: what was measured over what is predicted without any.

use super::comparison::{Prediction, predict};
use super::run::{Compared, Run};
use super::statistics::Summary;
use crate::calc::hardware::{Device, Hardware};
use crate::calc::speed::{Range, View, prepared};
use crate::catalog::calibration::{ANY_PROCESSOR, Level};
use crate::catalog::gpu::GpuKind;
use crate::catalog::{Calibration, Engine, Origin};
use crate::error::{Error, Result};
use crate::request::Request;
use crate::units::count;

/// Levels as they are saved, and what could not be.
#[derive(Debug, Default)]
pub struct Kept {
    /// What holds from now on.
    pub levels: Vec<Level>,
    /// Why some of what was measured is left out, in sentences.
    pub left_out: Vec<String>,
}

/// The calibration that runs of `request` are added to, still without levels.
///
/// # Errors
/// When the question leaves open what it would hold for, or nothing is predicted for it.
pub fn place(request: &Request) -> Result<Calibration> {
    let (engine, hardware, device) = machine(request)?;
    let gpu = match (&device.gpu, device.kind) {
        (Some(gpu), _) => gpu.id.as_str(),
        (None, GpuKind::Cpu) => ANY_PROCESSOR,
        (None, _) => {
            return Err(unsaved(&format!(
                "{} is no device of the catalog: --gpu NAME (dsk list gpus)",
                device.name
            )));
        }
    };
    prepared(&request.load(), &[]).map_err(|reason| unsaved(&reason))?;
    let model = (request.model.origin != Origin::File).then(|| request.model.id.clone());
    let format = model.as_ref().map(|_| request.format.id.clone());
    let devices = count(hardware.devices.len());
    let named = [
        Some(engine.id.as_str()),
        Some(gpu),
        model.as_deref(),
        format.as_deref(),
    ];
    let named: Vec<&str> = named.into_iter().flatten().collect();
    Ok(Calibration {
        id: format!("{}-{devices}", named.join("-")),
        engine: engine.id.clone(),
        gpu: gpu.to_owned(),
        ram_bandwidth_bytes_per_second: ram_bandwidth(hardware, device),
        model,
        format,
        devices: Some(devices),
        output_token_scale: None,
        first_token_scale: None,
        output_token_range: None,
        first_token_range: None,
        rows: None,
        date: None,
        source: "dsk bench --save".to_owned(),
        levels: Vec::new(),
    })
}

/// The levels of `run`, measured on `date` (`YYYY-MM-DD`), as `calibration` keeps them.
///
/// # Errors
/// When nothing was predicted and measured that could be held against each other.
pub fn levels(
    (request, run): (&Request, &Run),
    (calibration, date): (&Calibration, &str),
) -> Result<Kept> {
    let request = as_saved(request, calibration);
    let mut kept = Kept::default();
    for compared in &run.levels {
        match level((&request, run), (compared, date)) {
            Ok(level) => kept.levels.push(level),
            Err(reason) => kept.left_out.push(format!(
                "concurrency {}: {reason}",
                compared.level.concurrency
            )),
        }
    }
    if kept.levels.is_empty() {
        let reason = kept.left_out.join("; ");
        return Err(unsaved(if reason.is_empty() {
            "nothing was measured"
        } else {
            &reason
        }));
    }
    Ok(kept)
}

/// The question with the bandwidth that all levels of a file are held against.
fn as_saved(request: &Request, calibration: &Calibration) -> Request {
    let mut request = request.clone();
    if let (Some(hardware), Some(bandwidth)) = (
        request.hardware.as_mut(),
        calibration.ram_bandwidth_bytes_per_second,
    ) {
        hardware.host_bandwidth = Some(bandwidth);
    }
    request
}

fn machine(request: &Request) -> Result<(&Engine, &Hardware, &Device)> {
    let hardware = request.hardware.as_ref();
    let (hardware, device) = hardware
        .and_then(|hardware| Some((hardware, hardware.devices.first()?)))
        .ok_or_else(|| unsaved("no hardware is named: --gpu this, or --gpu NAME"))?;
    let engine = request
        .engine
        .as_ref()
        .ok_or_else(|| unsaved("no engine is named: --engine NAME"))?;
    Ok((engine, hardware, device))
}

/// What a processor's memory was taken to give; none for other devices.
fn ram_bandwidth(hardware: &Hardware, device: &Device) -> Option<u64> {
    let listed = device.gpu.as_ref();
    let listed = listed.map(|gpu| gpu.memory.bandwidth_bytes_per_second);
    let said = hardware.host_bandwidth.or(listed);
    said.filter(|_| device.kind == GpuKind::Cpu)
}

/// One level, or why it is left out.
fn level(
    (request, run): (&Request, &Run),
    (compared, date): (&Compared, &str),
) -> std::result::Result<Level, String> {
    let level = &compared.level;
    if level.completed == 0 {
        return Err("nothing was answered".to_owned());
    }
    let asked = (run.input_tokens, run.ask.output_tokens);
    let plain = predict(&request.load(), level, (asked, &[]));
    let speed = &plain.speed;
    if speed.time_per_output_token.is_none() {
        return Err(speed.notes.join("; "));
    }
    if !is_like(&plain, level.concurrency) {
        return Err(
            "what clients in a loop take is not predicted here, only one client (--concurrency 1)"
                .to_owned(),
        );
    }
    let output_token_scale = ratio(level.output_token, speed.time_per_output_token);
    let first_token_scale = ratio(level.first_token, speed.time_to_first_token);
    if output_token_scale.is_none() && first_token_scale.is_none() {
        return Err("no time was measured that is predicted too".to_owned());
    }
    let file = (request.model.origin == Origin::File).then_some(request);
    Ok(Level {
        concurrency: level.concurrency,
        input_tokens: run.input_tokens,
        output_tokens: run.ask.output_tokens,
        model: file.map(|file| file.model.id.clone()),
        format: file.map(|file| file.format.id.clone()),
        output_token_scale,
        first_token_scale,
        rows: level.completed,
        date: date.to_owned(),
        source: format!("dsk bench, {} at {}", run.ask.model, run.url),
    })
}

/// Measured over predicted, where both are there.
fn ratio(measured: Option<Summary>, predicted: Option<Range>) -> Option<f64> {
    let ratio = measured?.mean / predicted?.value;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

/// Whether a level is what was predicted: clients in a loop, or one, whose loop is the batch at once.
fn is_like(prediction: &Prediction, concurrency: u64) -> bool {
    prediction.view != View::Static || concurrency == 1
}

fn unsaved(reason: &str) -> Error {
    Error::Unanswerable(format!("no calibration can be saved: {reason}"))
}
