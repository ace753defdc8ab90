//! Weights that must be made before an engine can load them.

use super::launch::Launch;
use super::words::{Command, operand};
use crate::catalog::Allocator;
use crate::catalog::format::Storage;
use crate::error::{Error, Result};

/// What makes a checkpoint in another format.
pub(super) struct Making {
    /// The command.
    pub(super) step: Command,
    /// The folder that it leaves.
    pub(super) folder: String,
}

/// What makes the checkpoint of `launch` in its format; none where the engine loads what there is.
///
/// # Errors
/// When nobody is known to make it, or its name cannot stand in the command.
pub(super) fn making(launch: &Launch<'_>) -> Result<Option<Making>> {
    let format = launch.format;
    if format.id == launch.model.native || launch.ready().is_some() {
        return Ok(None);
    }
    check_plain(launch)?;
    let stored = match &format.storage {
        Storage::Plain {} | Storage::Native {} | Storage::Gguf { .. } => true,
        Storage::Scaled(_) => told_to_quantize(launch).is_some(),
    };
    if stored {
        return Ok(None);
    }
    let (Some(make), Some(folder)) = (&format.make, &format.makes) else {
        return Err(Error::Unanswerable(format!(
            "nobody is known to make {} of {}; `dsk quantize {}` lists what can be made",
            format.name, launch.model.id, launch.model.id
        )));
    };
    let weights = launch.weights();
    // The command is a line of Python with the name between its quotes.
    if weights.contains(['\'', '\\']) || weights.chars().any(super::text::breaks) {
        return Err(Error::Unanswerable(format!(
            "`{}` cannot stand in the command that makes {}: rename it",
            weights.escape_debug(),
            format.name
        )));
    }
    let trimmed = weights.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or(trimmed);
    let filled = |text: &str| text.replace("{repo}", weights).replace("{name}", name);
    let words = super::words::split(make).ok_or_else(|| {
        Error::Unanswerable(format!("`make` of {} is no command line", format.id))
    })?;
    Ok(Some(Making {
        step: Command {
            program: words.iter().map(|word| filled(word)).collect(),
            ..Command::default()
        },
        folder: operand(&filled(folder)),
    }))
}

/// Refuses to make or load another format of a checkpoint that a method has quantized already.
///
/// Engines load it by that method alone (vLLM 0.32.0 `config/model.py`, `_verify_quantization`), and those who
/// quantize read 16 bits.
///
/// # Errors
/// Which formats can be had instead.
pub(super) fn check_plain(launch: &Launch<'_>) -> Result<()> {
    let (model, format) = (launch.model, launch.format);
    if model.is_plain() || model.native == format.id || launch.ready().is_some() {
        return Ok(());
    }
    let ready = model.checkpoint.iter().flat_map(|weights| &weights.ready);
    let known: Vec<String> = ready
        .map(|ready| format!("{} ({})", ready.format, ready.repo))
        .collect();
    let others = if known.is_empty() {
        String::new()
    } else {
        format!("; published beside it: {}", known.join(", "))
    };
    Err(Error::Unanswerable(format!(
        "{} is published in {}, and {} is made of 16-bit weights only{others}",
        model.id, model.native, format.name
    )))
}

/// What the engine is told to quantize the weights to while it loads them; none where it loads them as they are.
pub(crate) fn told_to_quantize(launch: &Launch<'_>) -> Option<&'static str> {
    let serves = match launch.engine.allocator {
        Allocator::Vllm | Allocator::Sglang => true,
        Allocator::LlamaCpp | Allocator::Transformers => false,
    };
    match launch.format.id.as_str() {
        _ if !serves || !launch.model.is_plain() => None,
        id if id == launch.model.native => None,
        "fp8" => Some("fp8"),
        "mxfp4" => Some("mxfp4"),
        _ => None,
    }
}

/// Weights as an engine reads them from this machine or the hub.
pub(crate) struct Weights {
    /// What makes them, in order.
    pub(crate) steps: Vec<Command>,
    /// The repository, file or folder that is read.
    pub(crate) place: String,
}

/// The weights of `launch` for tools that take no conversion from the hub: a GGUF is always a file here.
///
/// # Errors
/// When nobody is known to make them.
pub(crate) fn weights(launch: &Launch<'_>) -> Result<Weights> {
    match launch.engine.allocator {
        Allocator::LlamaCpp => Ok(super::llama_cpp::file(launch)),
        Allocator::Vllm | Allocator::Sglang | Allocator::Transformers => Ok(Weights {
            steps: making(launch)?.into_iter().map(|made| made.step).collect(),
            place: launch.loaded()?,
        }),
    }
}
