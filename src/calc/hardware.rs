//! The hardware of a question: devices with the memory that a program can use on each.

use crate::catalog::defaults::{BareMemory, ServerDefaults};
use crate::catalog::gpu::{GpuKind, Usable, Vendor};
use crate::catalog::runs::Traits;
use crate::catalog::{Basis, Gpu};
use crate::units::Bytes;

/// What a model runs on.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// The devices, all of one host unless a device says how many a server holds: who names them knows the box.
    pub devices: Vec<Device>,
    /// Memory of the host, where it was given.
    pub host: Option<Bytes>,
    /// Bytes per second of the host's memory, where they are known.
    pub host_bandwidth: Option<u64>,
    /// Bytes per second between servers, for each device and direction; none where it was not said.
    pub network: Option<u64>,
}

/// One device.
#[derive(Debug, Clone)]
pub struct Device {
    /// The catalog's entry; none for a bare amount of memory.
    pub gpu: Option<Gpu>,
    /// Its name for people.
    pub name: String,
    /// What it is built for, as far as its entry or its size tells.
    pub kind: GpuKind,
    /// Memory that a program can use; none where it was not said.
    pub usable: Option<Usable>,
    /// What the machine itself said of it; none for a device that was named.
    pub measured: Option<Measured>,
}

/// What the machine said of a device that is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Who makes it; none of a processor whose name does not say.
    pub vendor: Option<Vendor>,
    /// All of its memory.
    pub total: Option<Bytes>,
    /// Memory that nothing holds.
    pub free: Option<Bytes>,
    /// Which of the two a model must fit into; what is free only where that was read.
    pub of: MemoryOf,
    /// Processors of a machine that has no other device.
    pub sockets: Option<u64>,
}

/// Which memory of the machine a model must fit into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MemoryOf {
    /// What is free now.
    #[default]
    Free,
    /// All that a program could have on an idle machine.
    Total,
}

impl MemoryOf {
    /// The word in options and documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Total => "total",
        }
    }
}

impl Hardware {
    /// `count` equal devices.
    #[must_use]
    pub fn of(device: &Device, count: u64) -> Self {
        let devices = (0..count).map(|_| device.clone()).collect();
        Self {
            devices,
            host: None,
            host_bandwidth: None,
            network: None,
        }
    }

    /// Which memory counts, where the machine itself was asked.
    #[must_use]
    pub fn measured_of(&self) -> Option<MemoryOf> {
        let mut measured = self.devices.iter().filter_map(|device| device.measured);
        measured.next().map(|measured| measured.of)
    }

    /// The device with the least memory, which decides what an even split can hold.
    #[must_use]
    pub fn smallest(&self) -> Option<&Device> {
        self.devices
            .iter()
            .min_by_key(|device| device.usable.map_or(Bytes(u64::MAX), |usable| usable.bytes))
    }

    /// The devices by name, equal ones counted.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut groups: Vec<(&str, u64)> = Vec::new();
        for device in &self.devices {
            match groups.iter_mut().find(|(name, _)| *name == device.name) {
                Some((_, times)) => *times += 1,
                None => groups.push((&device.name, 1)),
            }
        }
        let words: Vec<String> = groups
            .into_iter()
            .map(|(name, times)| {
                if times > 1 {
                    format!("{times} x {name}")
                } else {
                    name.to_owned()
                }
            })
            .collect();
        words.join(" and ")
    }

    /// How many devices one server holds, as the first of them says; none where its entry does not.
    #[must_use]
    pub fn per_node(&self) -> Option<u64> {
        self.devices.first()?.per_node()
    }

    /// Servers that so many of the devices take; one where it is not known how many a server holds.
    #[must_use]
    pub fn nodes(&self, devices: u64) -> u64 {
        self.per_node().map_or(1, |each| devices.div_ceil(each))
    }

    /// Whether it is the processor and its memory.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        !self.devices.is_empty()
            && self
                .devices
                .iter()
                .all(|device| device.kind == GpuKind::Cpu)
    }
}

impl Device {
    /// A card that is known only by the GB on its box, counted as GiB less what a driver takes.
    #[must_use]
    pub fn bare(vendor_gb: f64, bare: &BareMemory) -> Self {
        Self {
            gpu: None,
            name: format!("{vendor_gb} GB of GPU memory"),
            kind: if vendor_gb < bare.datacenter_from_gb {
                GpuKind::Consumer
            } else {
                GpuKind::Datacenter
            },
            usable: Some(usable_of_box(vendor_gb, bare)),
            measured: None,
        }
    }

    /// A card of the catalog, in the size `vendor_gb` where it is sold in several.
    #[must_use]
    pub fn of(gpu: &Gpu, vendor_gb: Option<f64>, bare: &BareMemory) -> Option<Self> {
        let size = vendor_gb.or(gpu.memory.vendor_gb);
        let usable = match (gpu.memory.usable_bytes, gpu.memory.gpu_fraction, size) {
            (Some(bytes), _, _) => Usable {
                bytes,
                basis: Basis::Measured,
            },
            (None, Some(fraction), Some(size)) => Usable {
                bytes: Bytes::from_gib(size).scale(fraction),
                basis: Basis::Modelled,
            },
            (None, None, Some(size)) => usable_of_box(size, bare),
            (None, _, None) => return None,
        };
        let name = match vendor_gb {
            Some(size) => format!("{} {size} GB", gpu.name),
            None => gpu.name.clone(),
        };
        Some(Self {
            gpu: Some(gpu.clone()),
            name,
            kind: gpu.kind,
            usable: Some(usable),
            measured: None,
        })
    }

    /// The processor `cpu` with `memory` for the model, where that is known.
    #[must_use]
    pub fn cpu(cpu: Option<&Gpu>, memory: Option<Bytes>) -> Self {
        Self {
            gpu: cpu.cloned(),
            kind: GpuKind::Cpu,
            name: cpu.map_or_else(|| "CPU".to_owned(), |cpu| cpu.name.clone()),
            usable: memory.map(|bytes| Usable {
                bytes,
                basis: Basis::Exact,
            }),
            measured: None,
        }
    }

    /// The catalog's id; `cpu` or `bare` without an entry.
    #[must_use]
    pub fn id(&self) -> String {
        match (&self.gpu, self.kind) {
            (Some(gpu), _) => gpu.id.clone(),
            (None, GpuKind::Cpu) => "cpu".to_owned(),
            (None, _) => "bare".to_owned(),
        }
    }

    /// How many of it one server normally holds; none where its entry does not say.
    #[must_use]
    pub fn per_node(&self) -> Option<u64> {
        let own = self.gpu.as_ref()?.gpus_per_node?;
        Some(own.get().into())
    }

    /// How many of it are put into one server, where nobody says what box they are in: as its entry says, else
    /// as is usual for its kind.
    #[must_use]
    pub fn usual_per_node(&self, defaults: &ServerDefaults) -> u64 {
        self.per_node().unwrap_or_else(|| defaults.of(self.kind))
    }

    /// What is known of it, as far as it matters for what runs on it.
    #[must_use]
    pub fn traits(&self) -> Traits<'_> {
        let entry = self.gpu.as_ref();
        Traits {
            vendor: self.vendor(),
            kind: self.kind,
            architecture: entry.map(|gpu| gpu.architecture.as_str()),
            capability: entry.and_then(|gpu| gpu.compute_capability),
        }
    }

    /// Why `other` cannot be in one server with it and share a model; none where it can.
    #[must_use]
    pub fn beside(&self, other: &Self) -> Option<String> {
        if self.kind == GpuKind::Cpu || other.kind == GpuKind::Cpu || self.id() == other.id() {
            return None;
        }
        let reason = match (self.kind, other.kind) {
            (GpuKind::Unified, _) | (_, GpuKind::Unified) => {
                "a processor with its own GPU is a machine by itself"
            }
            _ if self.vendor() != other.vendor() => {
                "a server that runs one model is built for the devices of one vendor"
            }
            _ => return None,
        };
        Some(format!(
            "{} and {} are not calculated together: {reason}",
            self.name, other.name
        ))
    }

    /// Who makes it; a bare amount of memory is taken for NVIDIA's, and so is a processor of no known maker, named or
    /// found, whose engine its kind decides.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        let entry = self.gpu.as_ref().map(|gpu| gpu.vendor);
        entry
            .or(self.measured.and_then(|measured| measured.vendor))
            .unwrap_or(Vendor::Nvidia)
    }
}

fn usable_of_box(vendor_gb: f64, bare: &BareMemory) -> Usable {
    let reserve = bare.reserve_bytes + bare.reserve_bytes_per_gb.scale(vendor_gb);
    Usable {
        bytes: Bytes::from_gib(vendor_gb) - reserve,
        basis: Basis::Modelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The RTX 5070's driver leaves 11,774 of 12,288 MiB, and that card lies on the line.
    #[test]
    fn a_bare_12_leaves_what_an_rtx_5070_leaves() {
        let bare = BareMemory {
            reserve_bytes: Bytes(450_887_680),
            reserve_bytes_per_gb: Bytes(7_340_032),
            datacenter_from_gb: 40.0,
            source: String::new(),
        };
        let device = Device::bare(12.0, &bare);
        let usable = device.usable.map(|usable| usable.bytes);
        assert_eq!(usable, Some(Bytes::from_mib(11_774.0)));
    }
}
