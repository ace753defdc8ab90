//! Devices, split and the constants of the engine on them.

use super::factors::{Key, find};
use crate::calc::hardware::Device;
use crate::calc::load::Load;
use crate::catalog::engine_speed::{EngineSpeed, Factor, Kernel, ModelClass};
use crate::catalog::format::{Arithmetic, Format, Storage};
use crate::catalog::gpu::{GpuKind, Peak};
use crate::catalog::shape::FeedForward;
use crate::catalog::{Allocator, Gpu};
use crate::units::{Bytes, count, float};

/// Bytes per second in one direction of sixteen lanes, by generation of PCI Express.
///
/// Source: PCI-SIG base specifications: 8, 16, 32 and 64 GT/s a lane, less the 128b/130b encoding.
const PCIE: [(&str, f64); 4] = [
    ("3.0", 15.75e9),
    ("4.0", 31.5e9),
    ("5.0", 63.0e9),
    ("6.0", 126.0e9),
];

/// What the model runs on, with every constant looked up.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    /// The engine's name.
    pub(super) engine: &'a str,
    /// The name of the first device.
    pub(super) device: &'a str,
    /// The ids of both.
    pub(super) ids: (&'a str, &'a str),
    /// The engine's constants that need no look-up.
    pub(super) constants: &'a EngineSpeed,
    /// How the engine spreads layers.
    pub(super) lay: Lay,
    /// Bytes per second of each device's memory; the harmonic mean of devices in a row.
    pub(super) bandwidth: f64,
    /// Operations per second of the kernel.
    pub(super) peak: f64,
    /// 16-bit operations per second.
    pub(super) peak16: f64,
    /// Bytes per second of a link, one direction, where it is sourced.
    pub(super) link: Option<f64>,
    /// Memory of the smallest device.
    pub(super) usable: Option<Bytes>,
    /// Constants for this device, class and kernel.
    pub(super) found: Constants,
    /// Whether some constant was measured on another device or class.
    pub(super) unseen: bool,
    /// What the figures rest on.
    pub(super) notes: Vec<String>,
}

/// How an engine spreads layers over devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lay {
    /// One device after another, as llama.cpp does.
    InARow,
    /// As the split says.
    Sharded,
}

/// Constants of the engine for one device, class and kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constants {
    pub(super) layer: f64,
    pub(super) weights: f64,
    pub(super) cache: f64,
    pub(super) unpack: Option<f64>,
    pub(super) decode: f64,
    pub(super) prefill: f64,
    pub(super) attention: f64,
    pub(super) chunk_layer: f64,
}

impl<'a> Machine<'a> {
    /// The machine of a question, or why its speed cannot be said.
    pub(super) fn of(load: &Load<'a>) -> Result<Self, String> {
        let engine = load.engine.ok_or("speed needs an engine (--engine)")?;
        let constants = engine
            .speed
            .as_ref()
            .ok_or_else(|| format!("no speed of {} was measured", engine.name))?;
        let hardware = load.hardware.ok_or("speed needs hardware (--gpu)")?;
        let gpus = hardware
            .devices
            .iter()
            .map(|device| known(device, constants, &engine.name))
            .collect::<Result<Vec<&Gpu>, String>>()?;
        let first = gpus.first().ok_or("speed needs hardware (--gpu)")?;
        offload(load)?;
        let key = Key {
            architecture: &first.architecture,
            class: class(load),
            kernel: kernel(load.format, &first.architecture),
        };
        let (found, exact) = look_up(constants, key)?;
        let lay = match engine.allocator {
            Allocator::LlamaCpp => Lay::InARow,
            Allocator::Vllm | Allocator::Sglang | Allocator::Transformers => Lay::Sharded,
        };
        let slowest = |kernel| slowest_peak(&gpus, kernel);
        Ok(Self {
            engine: &engine.name,
            device: &first.name,
            ids: (&engine.id, &first.id),
            constants,
            lay,
            bandwidth: bandwidth(&gpus),
            peak: slowest(key.kernel)?,
            peak16: slowest(Kernel::Fp16)?,
            link: link(first),
            usable: hardware
                .smallest()
                .and_then(|device| device.usable)
                .map(|usable| usable.bytes),
            found,
            unseen: !exact,
            notes: notes(constants, !exact, (&first.architecture, &engine.name)),
        })
    }
}

fn known<'d>(device: &'d Device, constants: &EngineSpeed, engine: &str) -> Result<&'d Gpu, String> {
    let gpu = device.gpu.as_ref().ok_or_else(|| {
        format!(
            "{} has no sourced bandwidth and peak; name a device",
            device.name
        )
    })?;
    if gpu.kind == GpuKind::Cpu || !constants.vendors.contains(&gpu.vendor) {
        return Err(format!(
            "no speed of {engine} was measured on a device like {}",
            gpu.name
        ));
    }
    Ok(gpu)
}

/// Layers left in host memory were not measured.
fn offload(load: &Load<'_>) -> Result<(), String> {
    let layers = load.model.shape.layers;
    match load.options.gpu_layers {
        Some(held) if held < layers => Err(format!(
            "{} of {layers} layers stay in host memory, whose speed was not measured",
            layers - held
        )),
        Some(_) | None => Ok(()),
    }
}

fn class(load: &Load<'_>) -> ModelClass {
    match load.model.shape.feed_forward {
        FeedForward::Dense { .. } => ModelClass::Dense,
        FeedForward::Experts { .. } => ModelClass::Experts,
    }
}

/// Formats that a device does not compute on are unpacked to 16 bits.
fn kernel(format: &Format, architecture: &str) -> Kernel {
    if matches!(format.storage, Storage::Gguf { .. }) {
        return match format.bits {
            16.. => Kernel::Fp16,
            8..16 => Kernel::Q8,
            0..8 => Kernel::Blocks,
        };
    }
    let native = format.compute.native_on.iter().any(|on| on == architecture);
    match format.compute.arithmetic {
        Arithmetic::Fp8 if native => Kernel::Fp8,
        Arithmetic::Fp4 if native => Kernel::Fp4,
        Arithmetic::Int8 if native => Kernel::Int8,
        Arithmetic::Fp8
        | Arithmetic::Fp4
        | Arithmetic::Int8
        | Arithmetic::Fp16
        | Arithmetic::Fp32 => Kernel::Fp16,
    }
}

fn look_up(constants: &EngineSpeed, key: Key<'_>) -> Result<(Constants, bool), String> {
    let mut exact = true;
    let mut get = |table: &[Factor]| {
        let found = find(table, key)?;
        exact &= found.exact;
        Some(found.value)
    };
    let missing = || format!("no speed of {:?} kernels was measured", key.kernel);
    let prefill = get(&constants.prefill_compute).ok_or_else(missing)?;
    let decode = if constants.decode_compute.is_empty() {
        Some(prefill)
    } else {
        get(&constants.decode_compute)
    };
    let all = Constants {
        layer: get(&constants.layer_seconds).ok_or_else(missing)?,
        weights: get(&constants.bandwidth).ok_or_else(missing)?,
        cache: get(&constants.cache_bandwidth).ok_or_else(missing)?,
        unpack: get(&constants.unpack),
        decode: decode.ok_or_else(missing)?,
        prefill,
        attention: get(&constants.attention_compute).ok_or_else(missing)?,
        chunk_layer: get(&constants.chunk_layer_seconds).unwrap_or(0.0),
    };
    Ok((all, exact))
}

fn bandwidth(gpus: &[&Gpu]) -> f64 {
    let slowness: f64 = gpus
        .iter()
        .map(|gpu| 1.0 / float(gpu.memory.bandwidth_bytes_per_second))
        .sum();
    float(count(gpus.len())) / slowness
}

fn slowest_peak(gpus: &[&Gpu], kernel: Kernel) -> Result<f64, String> {
    let mut slowest = u64::MAX;
    for gpu in gpus {
        let peak = gpu.peak.as_ref().and_then(|peak| peak_of(peak, kernel));
        slowest = slowest
            .min(peak.ok_or_else(|| format!("{} has no sourced peak for {kernel:?}", gpu.name))?);
    }
    Ok(float(slowest))
}

fn peak_of(peak: &Peak, kernel: Kernel) -> Option<u64> {
    match kernel {
        Kernel::Fp16 | Kernel::Q8 | Kernel::Blocks => peak.fp16_flops.or(peak.bf16_flops),
        Kernel::Fp8 => peak.fp8_flops,
        Kernel::Fp4 => peak.fp4_flops,
        Kernel::Int8 => peak.int8_ops,
    }
}

fn link(gpu: &Gpu) -> Option<f64> {
    let link = gpu.link.as_ref()?;
    if let Some(rate) = link.nvlink_bytes_per_second {
        return Some(float(rate));
    }
    let generation = link.pcie.as_deref()?;
    PCIE.iter()
        .find(|(name, _)| *name == generation)
        .map(|(_, rate)| *rate)
}

fn notes(
    constants: &EngineSpeed,
    unseen: bool,
    (architecture, engine): (&str, &str),
) -> Vec<String> {
    let mut notes = vec![format!("constants: {}", constants.source)];
    if unseen {
        notes.push(format!(
            "{engine} was not measured with this kind of model, format and split on {architecture}; constants of the nearest stand in, and the range is that of devices and models left out of the fit"
        ));
    }
    notes
}
