//! Memory of one split on many kinds of device: what does not depend on the device is calculated once.

use super::estimate::estimate;
use super::hardware::{Device, Hardware};
use super::load::Load;
use super::memory::Parts;
use super::{llama_cpp, sglang, vllm};
use crate::catalog::Allocator;
use crate::catalog::gpu::GpuKind;
use crate::units::Bytes;

/// One split of a question, for any number of kinds of device.
#[derive(Debug)]
pub struct Footprints<'a> {
    load: Load<'a>,
    known: Vec<(Class, Option<Parts>)>,
}

/// What the devices of a split hold, and whether that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The fullest device.
    pub parts: Parts,
    /// What the engine may use of it.
    pub available: Bytes,
    /// What is missing; zero when it fits.
    pub short_by: Bytes,
}

/// Devices on which an engine takes the same memory for the same question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// vLLM sets batch and block by the device.
    Vllm(vllm::Settings),
    /// SGLang sets batch and graphs by the device; what it leaves free is calculated for each.
    Sglang(sglang::Defaults),
    /// llama.cpp's two kinds of memory.
    LlamaCpp {
        /// Whether it is the processor's.
        processor: bool,
        /// The device context, which differs by architecture.
        context: Bytes,
    },
    /// The engine does not look at the device.
    Any,
}

impl<'a> Footprints<'a> {
    /// The question of `load`, whose hardware does not matter, on equal devices.
    #[must_use]
    pub fn of(load: &Load<'a>) -> Self {
        Self {
            load: Load {
                hardware: None,
                explain: false,
                ..*load
            },
            known: Vec::new(),
        }
    }

    /// What `device` holds; none where its memory or the engine's need is not known.
    pub fn on(&mut self, device: &Device) -> Option<Fit> {
        let usable = device.usable?.bytes;
        let class = self.class(device, usable);
        let found = self.known.iter().find(|(known, _)| *known == class);
        let known = found.map(|(_, parts)| *parts);
        let parts = known.unwrap_or_else(|| {
            let parts = self.calculate(device);
            self.known.push((class, parts));
            parts
        })?;
        let (parts, available) = match class {
            Class::Vllm(_) => (parts, vllm::budget(&self.load, usable)),
            Class::Sglang(_) => {
                let compute = sglang::slack_on(&self.load, Some(usable)).ok()?;
                (Parts { compute, ..parts }, usable)
            }
            Class::LlamaCpp { .. } | Class::Any => (parts, usable),
        };
        Some(Fit {
            parts,
            available,
            short_by: parts.total() - available,
        })
    }

    fn class(&self, device: &Device, usable: Bytes) -> Class {
        match self.load.engine.map(|engine| engine.allocator) {
            Some(Allocator::Vllm) => Class::Vllm(vllm::settings_on(&self.load, device, usable)),
            Some(Allocator::Sglang) => {
                Class::Sglang(sglang::defaults(Some(usable), &self.load.split))
            }
            Some(Allocator::LlamaCpp) => Class::LlamaCpp {
                processor: device.kind == GpuKind::Cpu,
                context: llama_cpp::context_on(&self.load, Some(device)),
            },
            Some(Allocator::Transformers) | None => Class::Any,
        }
    }

    fn calculate(&self, device: &Device) -> Option<Parts> {
        let hardware = Hardware::of(device, self.load.split.devices());
        let load = Load {
            hardware: Some(&hardware),
            ..self.load
        };
        Some(estimate(&load).ok()?.memory.fullest())
    }
}
