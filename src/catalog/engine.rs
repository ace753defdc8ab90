//! Engines: `catalog/engines/<id>.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::calibration::Calibration;
use super::deployment::{Image, Metrics};
use super::engine_launch::EngineLaunch;
use super::engine_memory::EngineMemory;
use super::engine_speed::EngineSpeed;
use super::entry::{Entry, named};
use super::gpu::{GpuKind, Vendor};
use super::kv::KvFormat;
use super::runs::{EngineRuns, Site, Traits};
use super::shape::Architecture;

/// What runs a model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// The id, equal to the file's name.
    pub id: String,
    /// The name as its project writes it.
    pub name: String,
    /// Other names that people type.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whose memory model applies.
    pub allocator: Allocator,
    /// The version that the figures were checked against.
    pub version: String,
    /// Kinds of device that it is the usual choice for.
    #[serde(default)]
    pub suits: Vec<GpuKind>,
    /// Devices that it runs on in a way that is not calculated.
    #[serde(default, rename = "uncalculated")]
    pub uncalculated: Vec<Uncalculated>,
    /// Where it runs, and where models of some classes do on it.
    #[serde(default)]
    pub runs: Vec<EngineRuns>,
    /// How it can store the cache.
    #[serde(default)]
    pub caches: Vec<KvFormat>,
    /// Which format stands for a general one: `int8` is `q8_0` here.
    #[serde(default)]
    pub formats: BTreeMap<String, String>,
    /// Model classes that it does not run yet.
    #[serde(default)]
    pub lacks: Vec<Architecture>,
    /// What a process of it takes on a device before anything is loaded, where that is no part of its budget.
    #[serde(default)]
    pub runtime: Option<Runtime>,
    /// The constants of its memory model.
    #[serde(default)]
    pub memory: Option<EngineMemory>,
    /// How it is started; none where its command line is not known.
    #[serde(default)]
    pub launch: Option<EngineLaunch>,
    /// The constants of its speed model; none where nobody measured it.
    #[serde(default)]
    pub speed: Option<EngineSpeed>,
    /// What was measured of it on machines, from folders that were added.
    #[serde(skip)]
    pub calibrations: Vec<Calibration>,
    /// The engine whose speed it has, where it runs on that one.
    #[serde(default)]
    pub speed_as: Option<String>,
    /// Its container images.
    #[serde(default, rename = "image")]
    pub images: Vec<Image>,
    /// Its metrics; none where it exposes none.
    #[serde(default)]
    pub metrics: Option<Metrics>,
    /// Where the facts come from.
    pub source: String,
}

/// Gives every engine that runs on another one the speed of that one.
pub(super) fn share_speed(engines: &mut [Engine]) {
    let known: Vec<(String, Option<EngineSpeed>)> = engines
        .iter()
        .map(|engine| (engine.id.clone(), engine.speed.clone()))
        .collect();
    for engine in engines {
        if let Some(other) = &engine.speed_as {
            let speed = known.iter().find(|(id, _)| id == other);
            engine.speed = speed.and_then(|(_, speed)| speed.clone());
        }
    }
}

/// Devices that an engine runs on in another way than the one that is calculated, if at all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uncalculated {
    /// Their kind; none for all kinds.
    #[serde(default)]
    pub kind: Option<GpuKind>,
    /// Who makes them; none for all vendors.
    #[serde(default)]
    pub vendor: Option<Vendor>,
    /// What it does there, to follow its name.
    pub reason: String,
    /// Where that is said.
    pub source: String,
}

impl Engine {
    /// What it does on a device in a way that is not calculated, to follow its name; none where it does nothing so.
    #[must_use]
    pub fn uncalculated_on(&self, device: &Traits<'_>) -> Option<&str> {
        let matches = |other: &&Uncalculated| {
            other.kind.is_none_or(|own| own == device.kind)
                && other.vendor.is_none_or(|own| own == device.vendor)
        };
        let found = self.uncalculated.iter().find(matches)?;
        Some(&found.reason)
    }

    /// Where it runs at all.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.runs
            .iter()
            .filter(|runs| runs.models.is_empty())
            .flat_map(|runs| &runs.on)
    }

    /// Where it runs models of a class; none where that needs no more than the engine.
    #[must_use]
    pub fn sites_of(&self, class: Architecture) -> Option<Vec<&Site>> {
        let own: Vec<&Site> = self
            .runs
            .iter()
            .filter(|runs| runs.models.contains(&class))
            .flat_map(|runs| &runs.on)
            .collect();
        (!own.is_empty()).then_some(own)
    }

    /// Whether it can store the cache so.
    #[must_use]
    pub fn keeps(&self, kv: KvFormat) -> bool {
        kv == KvFormat::F16 || self.caches.contains(&kv)
    }

    /// What a user must know of it on a device: of the entries that cover it, the first.
    #[must_use]
    pub fn note_on(&self, device: &Traits<'_>) -> Option<&str> {
        let covers = |runs: &&EngineRuns| {
            runs.models.is_empty() && runs.on.iter().any(|site| site.covers(device))
        };
        self.runs.iter().find(covers)?.note.as_deref()
    }
}

/// How an engine lays out memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allocator {
    /// llama.cpp: one cache for all sequences, compute buffers of one micro-batch.
    LlamaCpp,
    /// vLLM: a budget of the device, blocks of cache.
    Vllm,
    /// SGLang: a static fraction, a token pool.
    Sglang,
    /// Transformers: the plain checkpoint and a cache as long as the context.
    Transformers,
}

/// What a process of the engine takes on a device before anything is loaded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Bytes of the device context and the engine's libraries.
    pub context_bytes: crate::units::Bytes,
    /// Where that was measured.
    pub source: String,
    /// The same on architectures where it was measured to be something else.
    #[serde(default)]
    pub measured: Vec<MeasuredContext>,
}

impl Runtime {
    /// Bytes of the device context on devices of `architecture`.
    #[must_use]
    pub fn on(&self, architecture: &str) -> crate::units::Bytes {
        let holds = |measured: &&MeasuredContext| {
            let mut names = measured.architectures.iter();
            names.any(|name| name == architecture)
        };
        let measured = self.measured.iter().find(holds);
        measured.map_or(self.context_bytes, |measured| measured.context_bytes)
    }
}

/// The device context of an architecture.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredContext {
    /// The architectures, as devices name theirs.
    pub architectures: Vec<String>,
    /// Bytes of the device context and the engine's libraries.
    pub context_bytes: crate::units::Bytes,
    /// Where that was measured.
    pub source: String,
}

impl Entry for Engine {
    const KIND: &'static str = "engine";
    const FOLDER: &'static str = "engines";

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        named(&self.name, &self.aliases)
    }

    fn check(&self) -> Result<(), String> {
        let fault = self.launch.as_ref().and_then(EngineLaunch::fault);
        fault.map_or(Ok(()), Err)
    }
}
