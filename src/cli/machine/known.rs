//! What a probe found, as the catalog knows it, with the memory that was measured.

use anyhow::Result;

use super::apple::Apple;
use super::bus::{BUS, mapped};
use super::found::{Found, PciId};
use super::processor::{HostMemory, Processor};
use crate::calc::hardware::{Device, Measured, MemoryOf};
use crate::catalog::gpu::{GpuKind, Usable, Vendor};
use crate::catalog::gpu_name::{candidates, find_gpu};
use crate::catalog::{Basis, Catalog, Gpu};
use crate::units::Bytes;

/// How far the memory that a driver counts may lie from the figure on the box: ECC takes a sixteenth of it.
const SIZE_TOLERANCE: f64 = 0.08;
/// Graphics inside a processor have less memory of their own than this.
const LEAST_OWN: Bytes = Bytes(2 << 30);

/// What the devices are measured against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Which memory counts.
    pub(super) of: MemoryOf,
    /// The host's memory.
    pub(super) host: Option<HostMemory>,
}

/// What a device that was found is good for.
#[derive(Debug)]
pub(super) enum Known {
    /// It counts.
    Used(Box<Device>),
    /// Graphics that no engine would use.
    Unused,
    /// Its memory cannot be read: why, in words.
    Unread(String),
}

/// The device as the catalog knows it.
pub(super) fn device(catalog: &Catalog, found: &Found, setting: Setting) -> Result<Known> {
    let gpus = catalog.gpus()?;
    let entry = found
        .pci
        .and_then(|pci| on_bus(gpus, pci, found.total))
        .or_else(|| named(gpus, found));
    let is_unified = entry.is_some_and(|gpu| gpu.kind == GpuKind::Unified);
    if found.shared && !is_unified {
        return Ok(Known::Unread(format!(
            "the memory of {} is not told, and it is not known to share the host's",
            found.title()
        )));
    }
    let (total, free) = memory(found, entry, setting);
    let used = entry.is_some() || total.is_some_and(|total| total >= LEAST_OWN);
    if !used {
        return Ok(Known::Unused);
    }
    let bare = &catalog.defaults()?.bare_memory;
    let size = total.map(|total| total.gib().round());
    let listed = entry.and_then(|gpu| {
        let own = if gpu.memory.options_gb.is_empty() {
            None
        } else {
            size
        };
        Device::of(gpu, own, bare)
    });
    let mut device = match listed {
        Some(device) => device,
        None => Device {
            name: found.title(),
            ..Device::bare(size.unwrap_or(1.0), bare)
        },
    };
    let measured = |bytes: Bytes| Usable {
        bytes,
        basis: Basis::Measured,
    };
    device.usable = match setting.of {
        MemoryOf::Free => free.map(measured).or(device.usable),
        MemoryOf::Total if entry.is_some() && !found.shared => device.usable,
        MemoryOf::Total => total.map(measured).or(device.usable),
    };
    device.measured = Some(Measured {
        vendor: Some(found.vendor),
        total,
        free,
        of: free.map_or(MemoryOf::Total, |_| setting.of),
        sockets: None,
    });
    Ok(Known::Used(Box::new(device)))
}

/// An Apple processor's GPU, with the share of the memory that the system lets it take.
pub(super) fn apple(catalog: &Catalog, apple: &Apple, setting: Setting) -> Result<Option<Device>> {
    let gpus = catalog.gpus()?;
    let matches = candidates(gpus, &apple.name);
    let [gpu] = matches.as_slice() else {
        return Ok(None);
    };
    let bare = &catalog.defaults()?.bare_memory;
    let size = apple.total.gib().round();
    let Some(mut device) = Device::of(gpu, Some(size), bare) else {
        return Ok(None);
    };
    let share = device.usable.map(|usable| usable.bytes);
    let most = apple.limit.or(share);
    let host = setting.host.map(|host| host.free);
    let free = most.map(|most| host.map_or(most, |free| most.min(free)));
    let bytes = match setting.of {
        MemoryOf::Free => free,
        MemoryOf::Total => most,
    };
    let basis = if apple.limit.is_some() {
        Basis::Measured
    } else {
        Basis::Modelled
    };
    device.usable = bytes.map(|bytes| Usable { bytes, basis });
    device.measured = Some(Measured {
        vendor: Some(Vendor::Apple),
        total: Some(apple.total),
        free,
        of: setting.of,
        sockets: None,
    });
    Ok(Some(device))
}

/// The processor with `memory` for the model.
pub(super) fn processor(catalog: &Catalog, processor: &Processor, memory: Bytes) -> Result<Device> {
    let gpus = catalog.gpus()?;
    let matches: Vec<&Gpu> = processor
        .name
        .iter()
        .flat_map(|name| candidates(gpus, name))
        .filter(|gpu| gpu.kind == GpuKind::Cpu)
        .collect();
    let entry = match matches.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let mut device = Device::cpu(entry, Some(memory));
    if let Some(name) = &processor.name {
        device.name.clone_from(name);
    }
    device.usable = Some(Usable {
        bytes: memory,
        basis: Basis::Measured,
    });
    Ok(device)
}

/// Who makes a processor of that name; none where the name does not say, or none of the makers known here.
pub(super) fn maker(name: Option<&str>) -> Option<Vendor> {
    let makers = [
        ("AMD", Vendor::Amd),
        ("Apple", Vendor::Apple),
        ("Intel", Vendor::Intel),
    ];
    let has = |word: &str| name.is_some_and(|name| name.contains(word));
    makers
        .into_iter()
        .find(|(word, _)| has(word))
        .map(|(_, maker)| maker)
}

/// The entry that the bus's ids mean; memory decides between several.
fn on_bus(gpus: &[Gpu], pci: PciId, total: Option<Bytes>) -> Option<&Gpu> {
    let matches: Vec<&Gpu> = gpus
        .iter()
        .filter(|gpu| gpu.pci.iter().any(|text| pci.is(text)))
        .filter(|gpu| gpu.kind == GpuKind::Unified || total.is_none_or(|total| near(gpu, total)))
        .collect();
    match matches.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// The entry that the name means, if its memory agrees; a slice of a card has no entry.
fn named<'a>(gpus: &'a [Gpu], found: &Found) -> Option<&'a Gpu> {
    let name = found.name.as_deref()?;
    if name.ends_with(" MIG") {
        return None;
    }
    let agrees = |gpu: &&Gpu| {
        gpu.kind != GpuKind::Cpu
            && gpu.vendor == found.vendor
            && found.total.is_none_or(|total| near(gpu, total))
    };
    let whole = find_gpu(gpus, name).ok().map(|named| named.gpu);
    whole.filter(agrees).or_else(|| {
        let matches: Vec<&Gpu> = candidates(gpus, name).into_iter().filter(agrees).collect();
        match matches.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    })
}

fn near(gpu: &Gpu, total: Bytes) -> bool {
    let box_size = gpu.memory.vendor_gb.into_iter();
    let sizes = box_size
        .chain(gpu.memory.options_gb.iter().copied())
        .map(Bytes::from_gib)
        .chain(gpu.memory.total_bytes);
    sizes
        .into_iter()
        .any(|size| (total.as_f64() / size.as_f64() - 1.0).abs() < SIZE_TOLERANCE)
}

/// Total and free memory of the device, the host's where it shares that.
fn memory(found: &Found, entry: Option<&Gpu>, setting: Setting) -> (Option<Bytes>, Option<Bytes>) {
    if found.shared {
        let host = setting.host;
        return (host.map(|host| host.total), host.map(|host| host.free));
    }
    let unified = entry.is_some_and(|gpu| gpu.kind == GpuKind::Unified);
    let mapped = found
        .pci
        .filter(|_| unified)
        .and_then(|pci| mapped(std::path::Path::new(BUS), pci));
    let Some((mapped, unmapped)) = mapped else {
        return (found.total, found.free);
    };
    let host = setting.host.map_or(unmapped, |host| host.free);
    (
        found.total.map(|own| own + mapped),
        found.free.map(|own| own + unmapped.min(host)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names as /proc/cpuinfo and lscpu give them.
    #[test]
    fn a_processor_without_a_known_maker_has_none() {
        for (name, maker_of) in [
            ("Intel(R) Xeon(R) Platinum 8480+", Some(Vendor::Intel)),
            ("AMD EPYC 8434P 48-Core Processor", Some(Vendor::Amd)),
            ("Ampere(R) Altra(R) Processor Q80-30 CPU @ 3.0GHz", None),
            ("Neoverse-N1", None),
            ("A64FX", None),
        ] {
            assert_eq!(maker(Some(name)), maker_of, "{name}");
        }
        assert_eq!(maker(None), None);
    }

    /// A driver's name is the node label's with spaces; nvidia-smi's total is the catalog's or the box's.
    #[test]
    fn every_card_with_a_node_label_is_found_by_its_drivers_name() {
        let catalog = Catalog::load(&[]).expect("the catalog is embedded");
        let gpus = catalog.gpus().expect("gpus");
        let mut faults = Vec::new();
        let mut held = 0;
        for gpu in gpus.iter().filter(|gpu| gpu.vendor == Vendor::Nvidia) {
            let size = gpu.memory.vendor_gb.map(Bytes::from_gib);
            let total = gpu.memory.total_bytes.or(size);
            let labels = gpu.node_label.iter().flat_map(|label| &label.products);
            for product in labels.filter(|_| total.is_some()) {
                held += 1;
                let found = Found {
                    vendor: Vendor::Nvidia,
                    name: Some(product.replace('-', " ")),
                    pci: None,
                    total,
                    free: None,
                    shared: false,
                };
                let known = named(gpus, &found).map(|known| known.id.as_str());
                if known != Some(gpu.id.as_str()) {
                    faults.push(format!("{product}: {known:?}, not {}", gpu.id));
                }
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(held >= 20, "{held} labels");
    }
}
