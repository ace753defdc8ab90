//! How fast one model answers: as asked, for one user alone, and at full load.

use crate::calc::estimate::{Estimate, capacity, estimate};
use crate::calc::load::Load;
use crate::calc::speed::Speed;
use crate::calc::tensors::parameters;
use crate::calc::tier::tier;
use crate::calc::vllm;
use crate::catalog::defaults::Tier;
use crate::catalog::{Allocator, Catalog};
use crate::error::Result;
use crate::request::{Request, Traffic};
use crate::units::Bytes;

/// The most sequences at once that llama.cpp is built for: `LLAMA_MAX_SEQ` in its `llama-cparams.h`.
const LLAMA_CPP_SEQUENCES: u64 = 256;

/// The answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The article's tier of this size.
    pub tier: Option<Tier>,
    /// Memory and fit.
    pub estimate: Estimate,
    /// As asked.
    pub asked: Point,
    /// One user.
    pub alone: Point,
    /// As many as were asked for, else as the cache holds; none when that is not known.
    pub full_load: Option<Point>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The speed with so many sequences at once, or clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Sequences at once, or clients.
    pub sequences: u64,
    /// The speed.
    pub speed: Speed,
}

impl Point {
    /// Tokens per second of each sequence while it is being written.
    #[must_use]
    pub fn each(&self) -> Option<f64> {
        let time = self.speed.time_per_output_token?;
        Some(1.0 / time.value)
    }
}

/// How fast the model of `request` answers `traffic`.
///
/// # Errors
/// When the engine does not hold the model.
pub fn speed(catalog: &Catalog, request: &Request, traffic: &Traffic) -> Result<Answer> {
    let load = request.load();
    let estimate = estimate(&load)?;
    let point = |sequences: u64| Point {
        sequences,
        speed: traffic.speed(&load, sequences),
    };
    let asked = point(traffic.concurrency.unwrap_or(request.sequences));
    let mut notes = request.notes.clone();
    notes.extend(estimate.memory.notes.iter().cloned());
    if estimate.fits == Some(false) {
        notes.push(format!(
            "it does not fit: short by {} ({} bytes) per device; the speed is what it would be if it did",
            estimate.short_by, estimate.short_by.0
        ));
    }
    let full = most_sequences(&load, request.sequences)?;
    if let (Some(clients), Some(held)) = (traffic.concurrency, full)
        && held < clients
    {
        notes.push(format!(
            "{held} of {clients} requests are served at once, the others wait"
        ));
    }
    notes.extend(match request.hardware {
        Some(_) => asked.speed.notes.clone(),
        None => vec![
            "no hardware is named, so no speed can be said: --gpu NAME, or --gpu this".to_owned(),
        ],
    });
    let tiers = &catalog.defaults()?.tiers;
    Ok(Answer {
        tier: tier(tiers, parameters(&request.model.shape).main).cloned(),
        alone: point(1),
        full_load: full.map(point),
        asked,
        estimate,
        notes,
    })
}

/// Sequences at full load: `asked` where it is more than one, else what cache and engine hold.
///
/// None when nothing fits or the memory is not known.
fn most_sequences(load: &Load<'_>, asked: u64) -> Result<Option<u64>> {
    if asked > 1 {
        return Ok(Some(asked));
    }
    let held = capacity(load)?.map_or(0, |capacity| capacity.sequences);
    let most = match load.engine.map(|engine| engine.allocator) {
        Some(Allocator::Vllm) => vllm_sequences(load).saturating_mul(load.split.data.max(1)),
        Some(Allocator::LlamaCpp) => LLAMA_CPP_SEQUENCES,
        Some(Allocator::Sglang | Allocator::Transformers) | None => u64::MAX,
    };
    Ok(Some(held.min(most)).filter(|number| *number > 0))
}

/// Sequences that one vLLM server takes at once by default.
fn vllm_sequences(load: &Load<'_>) -> u64 {
    let device = load.hardware.and_then(|hardware| hardware.smallest());
    let usable = device.and_then(|device| device.usable);
    let is_a100 = device
        .and_then(|device| device.gpu.as_ref())
        .is_some_and(|gpu| gpu.architecture == "ampere");
    let bytes = usable.map_or(Bytes::ZERO, |usable| usable.bytes);
    vllm::defaults(bytes, is_a100, vllm::Usage::Server).sequences
}
