//! Devices: `catalog/gpus/<id>.toml`.

use std::fmt;
use std::num::NonZeroU32;

use serde::Deserialize;

use super::basis::Basis;
use super::deployment::NodeLabel;
use super::entry::{Entry, named};
use crate::units::Bytes;

/// A GPU, an accelerator, or a processor with its memory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The id, equal to the file's name.
    pub id: String,
    /// The vendor's name for it.
    pub name: String,
    /// Who makes it.
    pub vendor: Vendor,
    /// What it is built for.
    pub kind: GpuKind,
    /// The architecture: "ada", "hopper", "cdna3" ...
    pub architecture: String,
    /// Other names that people type.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Ids on the PCI bus, as `vendor:device` or `vendor:device:revision` in hexadecimal.
    #[serde(default)]
    pub pci: Vec<String>,
    /// Names of its series, in which `#` stands for any digit: "epyc-9##4".
    #[serde(default)]
    pub series: Vec<String>,
    /// Whether it is built into laptops, so that nobody can add it to a machine.
    #[serde(default)]
    pub laptop: bool,
    /// Year of the release.
    pub year: u32,
    /// The most watts that its board may draw; none where laptops choose it or a card has several devices.
    #[serde(default)]
    pub power_watts: Option<u32>,
    /// NVIDIA's compute capability.
    #[serde(default)]
    pub compute_capability: Option<ComputeCapability>,
    /// How many one server normally holds.
    #[serde(default)]
    pub gpus_per_node: Option<NonZeroU32>,
    /// The label of its nodes in a cluster, where one was seen.
    #[serde(default)]
    pub node_label: Option<NodeLabel>,
    /// Its memory.
    pub memory: GpuMemory,
    /// Dense peaks.
    #[serde(default)]
    pub peak: Option<Peak>,
    /// Links to other devices.
    #[serde(default)]
    pub link: Option<Link>,
    /// Prices per hour.
    #[serde(default, rename = "price")]
    pub prices: Vec<Price>,
    /// Figures of other sources that were not chosen.
    #[serde(default, rename = "disagreement")]
    pub disagreements: Vec<Disagreement>,
    /// Where the facts come from.
    pub source: String,
}

/// NVIDIA's compute capability; `9` counts as `9.0`, and 10.0 is above 9.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ComputeCapability {
    /// The generation.
    pub major: u32,
    /// The step within it.
    pub minor: u32,
}

impl TryFrom<String> for ComputeCapability {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Ok(Self { major, minor }),
            _ => Err(format!(
                "`{text}` is no compute capability, expected one such as `8.9`"
            )),
        }
    }
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

/// Who makes a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Apple.
    Apple,
    /// Huawei.
    Huawei,
}

impl Vendor {
    /// Its name as it writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nvidia => "NVIDIA",
            Self::Amd => "AMD",
            Self::Intel => "Intel",
            Self::Apple => "Apple",
            Self::Huawei => "Huawei",
        }
    }
}

/// What a device is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuKind {
    /// A server's accelerator.
    Datacenter,
    /// A professional card.
    Workstation,
    /// A gaming card.
    Consumer,
    /// A processor and GPU that share their memory.
    Unified,
    /// A processor.
    Cpu,
}

/// The memory of a device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuMemory {
    /// The figure on the box, in the vendor's GB.
    #[serde(default)]
    pub vendor_gb: Option<f64>,
    /// The sizes it is sold in, in the vendor's GB, where there are several.
    #[serde(default)]
    pub options_gb: Vec<f64>,
    /// The share of unified memory that the system lets the GPU take.
    #[serde(default)]
    pub gpu_fraction: Option<f64>,
    /// What the vendor's tool calls total.
    #[serde(default)]
    pub total_bytes: Option<Bytes>,
    /// What a program can allocate at most.
    #[serde(default)]
    pub usable_bytes: Option<Bytes>,
    /// Memory channels of a processor.
    #[serde(default)]
    pub channels: Option<u32>,
    /// Transfers per second and channel of a processor's memory.
    #[serde(default)]
    pub transfers_per_second: Option<u64>,
    /// Peak bandwidth.
    pub bandwidth_bytes_per_second: u64,
    /// Where the figures come from.
    pub source: String,
}

/// Dense peak rates of the fastest units, in operations per second; FP32 accumulation unless the name says otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// FP16.
    #[serde(default)]
    pub fp16_flops: Option<u64>,
    /// FP16 with FP16 accumulation.
    #[serde(default)]
    pub fp16_accumulate_fp16_flops: Option<u64>,
    /// FP16 of the vector units, of a device whose matrix units have no agreed rate.
    #[serde(default)]
    pub vector_fp16_flops: Option<u64>,
    /// BF16.
    #[serde(default)]
    pub bf16_flops: Option<u64>,
    /// FP8.
    #[serde(default)]
    pub fp8_flops: Option<u64>,
    /// FP4.
    #[serde(default)]
    pub fp4_flops: Option<u64>,
    /// INT8.
    #[serde(default)]
    pub int8_ops: Option<u64>,
    /// BF16 as matrix products measured it.
    #[serde(default)]
    pub measured_bf16_flops: Option<u64>,
    /// FP8 as matrix products measured it.
    #[serde(default)]
    pub measured_fp8_flops: Option<u64>,
    /// Where the figures come from.
    pub source: String,
}

/// Links of a device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// PCI Express generation.
    #[serde(default)]
    pub pcie: Option<String>,
    /// NVLink, Infinity Fabric or the like: bytes per second in one direction, per device.
    #[serde(default)]
    pub nvlink_bytes_per_second: Option<u64>,
    /// Where the figures come from.
    pub source: String,
}

/// A price per hour.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars per device and hour.
    pub usd_per_hour: f64,
    /// What is paid for: on-demand, rental-3-year, owner-cost-...
    pub kind: String,
    /// Day of the price, ISO 8601.
    pub date: String,
    /// Where it was listed.
    pub source: String,
}

/// A figure that another source gives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disagreement {
    /// The key that it is about.
    pub key: String,
    /// The other figure.
    pub value: String,
    /// Who says so.
    pub source: String,
}

/// Memory that a program can use, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usable {
    /// Bytes per device.
    pub bytes: Bytes,
    /// How they are known.
    pub basis: Basis,
}

impl Entry for Gpu {
    const KIND: &'static str = "GPU";
    const FOLDER: &'static str = "gpus";

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        named(&self.name, &self.aliases)
    }

    fn check(&self) -> Result<(), String> {
        let memory = &self.memory;
        if self.kind != GpuKind::Cpu && memory.vendor_gb.is_none() && memory.options_gb.is_empty() {
            return Err("`memory.vendor_gb` or `memory.options_gb` is needed".into());
        }
        if memory.bandwidth_bytes_per_second == 0 {
            return Err("`memory.bandwidth_bytes_per_second` must be above 0".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_two_numbers_and_not_a_decimal() {
        let of = |text: &str| ComputeCapability::try_from(text.to_owned());
        assert!(of("10.0") > of("9.0") && of("8.9") < of("9.0"));
        assert_eq!(of("9"), of("9.0"));
        assert_eq!(of("12.1").map(|own| own.to_string()), Ok("12.1".to_owned()));
        assert!(of("gfx942").is_err() && of("").is_err() && of("8.").is_err());
    }

    #[test]
    fn a_server_holds_at_least_one_device() {
        let entry = "id = 'x'\nname = 'X'\nvendor = 'nvidia'\nkind = 'datacenter'\narchitecture = 'ada'\nyear = 2025\n";
        let of = |count: &str| {
            let text = format!(
                "{entry}gpus_per_node = {count}\nsource = 's'\n[memory]\nvendor_gb = 1.0\nbandwidth_bytes_per_second = 1\nsource = 's'\n"
            );
            super::super::entry::parse::<Gpu>("x.toml", &text).map_err(|error| error.to_string())
        };
        let held = of("8").map(|gpu| gpu.gpus_per_node);
        assert_eq!(held, Ok(NonZeroU32::new(8)));
        assert!(
            of("0")
                .is_err_and(|error| error.contains("gpus_per_node") || error.contains("nonzero"))
        );
    }
}
