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
    let serves = matches!(launch.engine.allocator, Allocator::Vllm | Allocator::Sglang);
    let stored = match &format.storage {
        Storage::Plain {} | Storage::Native {} | Storage::Gguf { .. } => true,
        Storage::Scaled(_) => {
            format.id == launch.model.native
                || quantized_while_loading(format.id.as_str()).is_some()
        }
    };
    if stored || !serves {
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

/// What vLLM and SGLang call a format that they make of a 16-bit checkpoint while they load it.
pub(super) fn quantized_while_loading(format: &str) -> Option<&'static str> {
    match format {
        "fp8" => Some("fp8"),
        "mxfp4" => Some("mxfp4"),
        _ => None,
    }
}
