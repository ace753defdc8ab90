//! Devices, split and the constants of the engine on them.

use super::factors::{Key, find, measured};
use super::host::Host;
use crate::calc::hardware::Device;
use crate::calc::load::Load;
use crate::catalog::calibration::ANY_PROCESSOR;
use crate::catalog::engine_speed::{EngineSpeed, Factor, Further, Kernel, ModelClass};
use crate::catalog::format::{Arithmetic, Format, Storage};
use crate::catalog::gpu::{GpuKind, Link, Peak};
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
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine<'a> {
    /// The engine's name.
    pub(super) engine: &'a str,
    /// The name of the first device.
    pub(super) device: &'a str,
    /// The ids of both.
    pub(super) ids: (&'a str, &'a str),
    /// The engine's constants that need no look-up.
    pub(super) constants: &'a EngineSpeed,
    /// What the others are looked up for.
    pub(super) key: Key<'a>,
    /// How the engine spreads layers.
    pub(super) lay: Lay,
    /// Bytes per second of each device's memory; the harmonic mean of devices in a row.
    pub(super) bandwidth: f64,
    /// Operations per second of the kernel, where they are sourced.
    pub(super) peak: Option<f64>,
    /// 16-bit operations per second, where they are sourced.
    pub(super) peak16: Option<f64>,
    /// 16-bit operations per second of the units that unpack weights, where they are sourced.
    pub(super) unpacking: Option<f64>,
    /// How fast further sequences of a batch are multiplied, where weights are unpacked and that was measured.
    pub(super) further: Option<&'a Further>,
    /// The arithmetic whose peak is not sourced, of a device that is no processor.
    pub(super) no_peak: Option<&'static str>,
    /// Bytes per second of a link within a node and across PCI Express, one direction, where they are sourced.
    pub(super) link: Option<f64>,
    /// The network between nodes, where its rate was said.
    pub(super) far_link: Option<f64>,
    /// Devices of a node.
    pub(super) per_node: Option<u64>,
    /// Memory of the smallest device.
    pub(super) usable: Option<Bytes>,
    /// The host's memory, as far as weights lie there.
    pub(super) host: Host,
    /// Constants for this device, class and kernel.
    pub(super) found: Constants,
    /// How much slower than the constants such a device is.
    pub(super) slower: f64,
    /// Whether no constant was measured on such a device and model.
    pub(super) unseen: bool,
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

/// The most of a peak that anything reaches.
const MOST: f64 = 0.97;

impl Constants {
    /// The constants of `speed` for `key`; none when it has none for such a kernel.
    pub(super) fn of(speed: &EngineSpeed, key: Key<'_>) -> Option<Self> {
        let share = |table: &[Factor]| find(table, key).map(|value| value.min(MOST));
        let prefill = share(&speed.prefill_compute)?;
        let decode = if speed.decode_compute.is_empty() {
            Some(prefill)
        } else {
            share(&speed.decode_compute)
        };
        let narrow = match key.kernel {
            Kernel::Fp16 => 0.0,
            Kernel::Unpacked
            | Kernel::Fp8
            | Kernel::Fp8Block
            | Kernel::Fp4
            | Kernel::Int8
            | Kernel::Q8
            | Kernel::Blocks => speed.narrow_layer_seconds,
        };
        let experts = match key.class {
            ModelClass::Dense => 0.0,
            ModelClass::Experts => speed.experts_layer_seconds,
        };
        Some(Self {
            layer: find(&speed.layer_seconds, key)? + narrow + experts,
            weights: share(&speed.bandwidth)?,
            cache: share(&speed.cache_bandwidth)?,
            unpack: find(&speed.unpack, key),
            decode: decode?,
            prefill,
            attention: share(&speed.attention_compute)?,
            // An engine without the term has no table of it; one with a table that says nothing here is not known.
            chunk_layer: if speed.chunk_layer_seconds.is_empty() {
                0.0
            } else {
                find(&speed.chunk_layer_seconds, key)?
            },
        })
    }
}

impl<'a> Machine<'a> {
    /// The machine of a question, or why its speed cannot be said.
    ///
    /// `ram`: bytes per second of a processor's memory, instead of what the question says.
    pub(super) fn of(load: &Load<'a>, ram: Option<u64>) -> Result<Self, String> {
        let hardware = load
            .hardware
            .ok_or("speed needs hardware (--gpu NAME, or --gpu this)")?;
        let engine = load.engine.ok_or("speed needs an engine (--engine)")?;
        let constants = engine
            .speed
            .as_ref()
            .ok_or_else(|| format!("no speed of {} was measured", engine.name))?;
        let gpus = hardware
            .devices
            .iter()
            .map(|device| known(device, ram.or(hardware.host_bandwidth), (constants, load)))
            .collect::<Result<Vec<Known<'_>>, String>>()?;
        // All wait for the slowest device: its constants hold, in whichever order they are named.
        let first = *gpus
            .iter()
            .min_by_key(|known| known.peak(kernel(load.format, known.architecture())))
            .ok_or("speed needs hardware (--gpu)")?;
        let architecture = first.architecture();
        let id = first.gpu.map_or(ANY_PROCESSOR, |gpu| gpu.id.as_str());
        let key = Key {
            architecture,
            device: id,
            class: class(load),
            kernel: common_kernel(load.format, &gpus, kernel(load.format, architecture)),
            narrow_cache: load.kv.is_narrow(),
        };
        let found = Constants::of(constants, key).ok_or_else(|| {
            format!(
                "no speed of {} in {} was measured",
                engine.name, load.format.name
            )
        })?;
        let cpu = first.gpu.is_none_or(|gpu| gpu.kind == GpuKind::Cpu);
        let peak = |kernel| slowest_peak(&gpus, kernel);
        let lacking = !cpu && (peak(key.kernel).is_none() || peak(Kernel::Fp16).is_none());
        let no_peak = lacking.then(|| arithmetic(key.kernel));
        let unpacking = peak(Kernel::Fp16).or_else(|| slowest_vector(&gpus));
        // Unpacking is arithmetic that even one sequence's token waits for.
        if let (Some(words), Some(_), None) = (no_peak, found.unpack, unpacking) {
            return Err(lacks(first.name, words));
        }
        let slower = constants.slower_on(architecture);
        Ok(Self {
            engine: &engine.name,
            device: first.name,
            ids: (&engine.id, id),
            constants,
            key,
            lay: match engine.allocator {
                Allocator::LlamaCpp => Lay::InARow,
                Allocator::Vllm | Allocator::Sglang | Allocator::Transformers => Lay::Sharded,
            },
            bandwidth: bandwidth(&gpus),
            peak: peak(key.kernel),
            peak16: peak(Kernel::Fp16),
            unpacking,
            further: found.unpack.and_then(|_| constants.further(key.class)),
            no_peak,
            link: slowest_link(&gpus),
            far_link: hardware.network.map(float),
            per_node: hardware.per_node(),
            usable: hardware
                .smallest()
                .and_then(|device| device.usable)
                .map(|usable| usable.bytes),
            host: Host::of(load, (constants, cpu.then_some(first.bandwidth)))?,
            found,
            slower: slower.map_or(1.0, |slower| slower.times),
            unseen: !measured(&constants.measured, key),
        })
    }
}

/// A device whose memory's bandwidth is known.
#[derive(Debug, Clone, Copy)]
struct Known<'d> {
    /// The catalog's entry; none for a processor that has none.
    gpu: Option<&'d Gpu>,
    /// Its name.
    name: &'d str,
    /// Bytes per second; of a processor what was said, before what its sockets could have.
    bandwidth: u64,
}

impl<'d> Known<'d> {
    fn architecture(&self) -> &'d str {
        self.gpu
            .map_or(ANY_PROCESSOR, |gpu| gpu.architecture.as_str())
    }

    fn peak(&self, kernel: Kernel) -> Option<u64> {
        self.gpu
            .and_then(|gpu| gpu.peak.as_ref())
            .and_then(|peak| peak_of(peak, kernel))
    }
}

fn known<'d>(
    device: &'d Device,
    said: Option<u64>,
    (constants, load): (&EngineSpeed, &Load<'_>),
) -> Result<Known<'d>, String> {
    let said = said.filter(|_| device.kind == GpuKind::Cpu);
    let name = device.name.as_str();
    let listed = device
        .gpu
        .as_ref()
        .map(|gpu| gpu.memory.bandwidth_bytes_per_second);
    let is_known = match (device.kind, &device.gpu) {
        (GpuKind::Cpu, _) => constants.host(class(load)).is_some(),
        (_, Some(gpu)) => {
            constants.vendors.contains(&gpu.vendor)
                || constants.slower_on(&gpu.architecture).is_some()
        }
        // What is missing of a device without an entry is said below.
        (_, None) => true,
    };
    if !is_known {
        return Err(format!(
            "no speed of {} was measured on a device like {name}",
            load.engine.map_or("it", |engine| engine.name.as_str())
        ));
    }
    let Some(bandwidth) = said.or(listed) else {
        return Err(if device.kind == GpuKind::Cpu {
            format!(
                "the bandwidth of {name}'s memory is not known: say it (--ram-bandwidth), or name a processor"
            )
        } else {
            format!("{name} has no sourced bandwidth and peak; name a device")
        });
    };
    Ok(Known {
        gpu: device.gpu.as_ref(),
        name,
        bandwidth,
    })
}

pub(super) fn class(load: &Load<'_>) -> ModelClass {
    match load.model.shape.feed_forward {
        FeedForward::Dense { .. } => ModelClass::Dense,
        FeedForward::Experts { .. } => ModelClass::Experts,
    }
}

/// Formats that a device does not compute on are unpacked to 16 bits.
fn kernel(format: &Format, architecture: &str) -> Kernel {
    let blocks = match &format.storage {
        Storage::Gguf { .. } => {
            return match format.bits {
                16.. => Kernel::Fp16,
                8..16 => Kernel::Q8,
                0..8 => Kernel::Blocks,
            };
        }
        Storage::Scaled(scaled) => scaled.block_rows > 0,
        Storage::Native {} => true,
        Storage::Plain {} => false,
    };
    let native = format.compute.native_on.iter().any(|on| on == architecture);
    match format.compute.arithmetic {
        Arithmetic::Fp8 if native && blocks => Kernel::Fp8Block,
        Arithmetic::Fp8 if native => Kernel::Fp8,
        Arithmetic::Fp4 if native => Kernel::Fp4,
        Arithmetic::Int8 if native => Kernel::Int8,
        Arithmetic::Fp16 | Arithmetic::Fp32 if format.bits >= 16 => Kernel::Fp16,
        Arithmetic::Fp8
        | Arithmetic::Fp4
        | Arithmetic::Int8
        | Arithmetic::Fp16
        | Arithmetic::Fp32 => Kernel::Unpacked,
    }
}

/// The kernel of all devices: where one must unpack, all do, as they run one program.
fn common_kernel(format: &Format, gpus: &[Known<'_>], slowest: Kernel) -> Kernel {
    let unpacks = gpus
        .iter()
        .any(|known| kernel(format, known.architecture()) == Kernel::Unpacked);
    if unpacks { Kernel::Unpacked } else { slowest }
}

fn bandwidth(gpus: &[Known<'_>]) -> f64 {
    let slowness: f64 = gpus.iter().map(|gpu| 1.0 / float(gpu.bandwidth)).sum();
    float(count(gpus.len())) / slowness
}

fn slowest_peak(gpus: &[Known<'_>], kernel: Kernel) -> Option<f64> {
    gpus.iter()
        .map(|known| known.peak(kernel))
        .min_by_key(|peak| peak.unwrap_or(0))
        .flatten()
        .map(float)
}

fn slowest_vector(gpus: &[Known<'_>]) -> Option<f64> {
    gpus.iter()
        .map(|known| known.gpu?.peak.as_ref()?.vector_fp16_flops)
        .min_by_key(|peak| peak.unwrap_or(0))
        .flatten()
        .map(float)
}

fn peak_of(peak: &Peak, kernel: Kernel) -> Option<u64> {
    match kernel {
        Kernel::Fp16 | Kernel::Unpacked | Kernel::Q8 | Kernel::Blocks => {
            peak.fp16_flops.or(peak.bf16_flops)
        }
        Kernel::Fp8 | Kernel::Fp8Block => peak.fp8_flops,
        Kernel::Fp4 => peak.fp4_flops,
        Kernel::Int8 => peak.int8_ops,
    }
}

/// Why a device without a sourced peak has no time.
pub(super) fn lacks(device: &str, arithmetic: &str) -> String {
    format!("{device} has no sourced peak of {arithmetic} arithmetic")
}

/// The arithmetic of a kernel, in words.
fn arithmetic(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Fp16 | Kernel::Unpacked | Kernel::Q8 | Kernel::Blocks => "16-bit",
        Kernel::Fp8 | Kernel::Fp8Block => "FP8",
        Kernel::Fp4 => "FP4",
        Kernel::Int8 => "INT8",
    }
}

/// The fastest sourced link of a device within its server, in bytes per second of one direction.
pub(crate) fn link(gpu: &Gpu) -> Option<f64> {
    let link = gpu.link.as_ref()?;
    link.nvlink_bytes_per_second
        .map(float)
        .or_else(|| lanes(link))
}

/// The link that the slowest of the devices has; none where one has no sourced link.
fn slowest_link(gpus: &[Known<'_>]) -> Option<f64> {
    gpus.iter()
        .map(|known| known.gpu.and_then(link))
        .reduce(|one, other| one.zip(other).map(|(one, other)| one.min(other)))
        .flatten()
}

/// Sixteen lanes of PCI Express.
fn lanes(link: &Link) -> Option<f64> {
    let generation = link.pcie.as_deref()?;
    PCIE.iter()
        .find(|(name, _)| *name == generation)
        .map(|(_, rate)| *rate)
}
