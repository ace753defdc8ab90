//! The one door to the memory models: which engine's applies, whether it fits, and what else would.

use super::hardware::Device;
use super::load::{Load, Options, Split};
use super::memory::{Capacity, Memory};
use super::{llama_cpp, plain, sglang, transformers, vllm};
use crate::catalog::format::Storage;
use crate::catalog::gpu::{GpuKind, Vendor};
use crate::catalog::{Allocator, Basis, Engine, Format, KvFormat, Model};
use crate::error::Result;
use crate::units::{Bytes, Tokens};

/// The longest context that is looked for, in tokens: beyond every model's window.
const LONGEST: u64 = 1 << 30;
/// The most sequences that are looked for.
const MOST_SEQUENCES: u64 = 1 << 20;

/// Memory, and how it stands against the hardware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// What it takes.
    pub memory: Memory,
    /// What the tightest device offers; none without hardware.
    pub available: Option<Bytes>,
    /// How the available memory is known.
    pub available_basis: Option<Basis>,
    /// What is left on the device that has least left; none without hardware or with memory unknown.
    pub left: Option<Bytes>,
    /// Whether it fits; none when that cannot be said.
    pub fits: Option<bool>,
    /// What is missing on the device that lacks most; zero when it fits.
    pub short_by: Bytes,
}

impl Estimate {
    /// What is left on the device that has least left; none where its memory is not known.
    #[must_use]
    pub fn spare(&self) -> Option<Bytes> {
        self.left
    }

    /// The same for people.
    #[must_use]
    pub fn spare_words(&self) -> Option<String> {
        let spare = self.spare()?;
        Some(format!("fits with {spare} to spare on the fullest device"))
    }
}

/// What the formats of a model have in common, so that comparing them costs it once.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// llama.cpp's cache and buffers.
    LlamaCpp(Box<llama_cpp::Prepared>),
    /// Nothing: the engine's figures depend on the format throughout.
    Nothing,
}

/// Calculates what does not depend on the format of `load`.
///
/// # Errors
/// When the engine's memory for this model cannot be calculated.
pub fn prepare(load: &Load<'_>) -> Result<Prepared> {
    match load.engine.map(|engine| engine.allocator) {
        Some(Allocator::LlamaCpp) => Ok(Prepared::LlamaCpp(Box::new(llama_cpp::prepare(load)?))),
        Some(Allocator::Vllm | Allocator::Sglang | Allocator::Transformers) | None => {
            Ok(Prepared::Nothing)
        }
    }
}

/// What it takes, and whether it fits.
///
/// # Errors
/// When the engine's memory for this model cannot be calculated.
pub fn estimate(load: &Load<'_>) -> Result<Estimate> {
    Ok(held_against(load, memory(load)?))
}

/// What it takes, and whether it fits; `prepared` comes from the same question in any format.
///
/// # Errors
/// When the engine's memory for this model cannot be calculated.
pub fn estimate_prepared(load: &Load<'_>, prepared: &Prepared) -> Result<Estimate> {
    let memory = match prepared {
        Prepared::LlamaCpp(prepared) => llama_cpp::with_weights(load, prepared)?,
        Prepared::Nothing => memory(load)?,
    };
    Ok(held_against(load, memory))
}

/// Holds `memory` against the hardware.
fn held_against(load: &Load<'_>, mut memory: Memory) -> Estimate {
    let Some(hardware) = load.hardware else {
        return Estimate {
            memory,
            available: None,
            available_basis: None,
            left: None,
            fits: None,
            short_by: Bytes::ZERO,
        };
    };
    // What was measured and imitated are the engines' CUDA and CPU paths.
    let imitated =
        |device: &Device| device.vendor() == Vendor::Nvidia || device.kind == GpuKind::Cpu;
    if load.engine.is_some() && !hardware.devices.iter().all(imitated) {
        memory.basis = memory.basis.and(Basis::Modelled);
    }
    let mut short_by = Bytes::ZERO;
    let mut left: Option<Bytes> = None;
    let mut known = true;
    for (device, parts) in hardware.devices.iter().zip(&memory.devices) {
        match device.usable {
            Some(usable) => {
                let (total, budget) = (parts.total(), budget(load, usable.bytes));
                short_by = short_by.max(total - budget);
                let own = budget - total;
                left = Some(left.map_or(own, |least| least.min(own)));
            }
            None => known = false,
        }
    }
    if let (Some(host), false) = (hardware.host, hardware.is_cpu()) {
        short_by = short_by.max(memory.host.total() - host);
    }
    let tightest = hardware.smallest().and_then(|device| device.usable);
    Estimate {
        memory,
        available: tightest.map(|usable| budget(load, usable.bytes)),
        available_basis: tightest.map(|usable| usable.basis),
        left: left.filter(|_| known),
        fits: known.then_some(short_by == Bytes::ZERO),
        short_by,
    }
}

/// What the engine may use of a device with `usable` bytes.
fn budget(load: &Load<'_>, usable: Bytes) -> Bytes {
    match load.engine.map(|engine| engine.allocator) {
        Some(Allocator::Vllm) => vllm::budget(load, usable),
        Some(Allocator::Sglang | Allocator::LlamaCpp | Allocator::Transformers) | None => usable,
    }
}

fn memory(load: &Load<'_>) -> Result<Memory> {
    match load.engine.map(|engine| engine.allocator) {
        Some(Allocator::LlamaCpp) => llama_cpp::memory(load),
        Some(Allocator::Vllm) => vllm::memory(load),
        Some(Allocator::Sglang) => sglang::memory(load),
        Some(Allocator::Transformers) => transformers::memory(load),
        None => plain::memory(load),
    }
}

/// Bytes of a model's weights in a format, as `engine` holds them on all devices and the host.
///
/// # Errors
/// When the format is not one that the engine, or a plain checkpoint, holds.
pub fn weights(model: &Model, format: &Format, engine: Option<&Engine>) -> Result<Bytes> {
    let plain = !matches!(format.storage, Storage::Gguf { .. });
    let memory = memory(&Load {
        model,
        format,
        kv: KvFormat::F16,
        context: Tokens(1),
        sequences: 1,
        engine: if plain { None } else { engine },
        hardware: None,
        split: Split::SINGLE,
        options: Options::default(),
        explain: false,
    })?;
    Ok(memory.sum().weights + memory.host.weights)
}

/// Bytes of all tensors in the file that holds the model in that format, draft layers included;
/// none where the format is made only in memory.
#[must_use]
pub fn file_bytes(load: &Load<'_>) -> Option<Bytes> {
    match &load.format.storage {
        Storage::Gguf { .. } => llama_cpp::file_bytes(load),
        Storage::Plain {} | Storage::Scaled(_) | Storage::Native {} => {
            weights(load.model, load.format, None).ok()
        }
    }
}

/// What fits beside the weights on the hardware of `load`; none without hardware or with memory unknown.
///
/// # Errors
/// When the engine's memory for this model cannot be calculated.
pub fn capacity(load: &Load<'_>) -> Result<Option<Capacity>> {
    if estimate(load)?.fits.is_none() {
        return Ok(None);
    }
    let largest = |sequences: u64| {
        largest(LONGEST / sequences.max(1), |context| {
            fits(&Load {
                context: Tokens(context),
                sequences,
                ..*load
            })
        })
    };
    let largest_context = largest(load.sequences)?;
    let sequences = self::largest(MOST_SEQUENCES, |sequences| {
        fits(&Load { sequences, ..*load })
    })?;
    let pool = match load.engine.map(|engine| engine.allocator) {
        Some(Allocator::Vllm) => vllm::pool_tokens(load)?,
        Some(Allocator::Sglang) => sglang::pool_tokens(load)?,
        Some(Allocator::LlamaCpp | Allocator::Transformers) | None => None,
    };
    let kv_tokens = match (pool, load.sequences) {
        (Some(tokens), _) => tokens,
        (None, 1) => Tokens(largest_context),
        (None, _) => Tokens(largest(1)?),
    };
    Ok(Some(Capacity {
        kv_tokens,
        sequences,
        largest_context: Tokens(largest_context),
    }))
}

fn fits(load: &Load<'_>) -> Result<bool> {
    Ok(estimate(load)?.fits == Some(true))
}

/// The largest number up to `limit` that `fits`, given that smaller ones fit when a larger one does; 0 when none.
fn largest(limit: u64, fits: impl Fn(u64) -> Result<bool>) -> Result<u64> {
    if !fits(1)? {
        return Ok(0);
    }
    let (mut good, mut bad) = (1, 2);
    while bad <= limit && fits(bad)? {
        good = bad;
        bad = bad.saturating_mul(2);
    }
    bad = bad.min(limit.saturating_add(1));
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_found_between_powers() {
        assert_eq!(largest(1 << 30, |n| Ok(n <= 13_313)).ok(), Some(13_313));
        assert_eq!(largest(100, |_| Ok(true)).ok(), Some(100));
        assert_eq!(largest(100, |_| Ok(false)).ok(), Some(0));
    }
}
