//! Devices of AMD, Intel and Habana, as Linux shows them on the PCI bus: no tool, no driver's answer to wait for.

use std::path::Path;

use super::found::{Found, PciId};
use crate::catalog::gpu::Vendor;
use crate::units::Bytes;

/// Where Linux shows the bus.
pub(super) const BUS: &str = "/sys/bus/pci/devices";

/// Ids of vendors (the PCI SIG's list).
const VENDORS: [(u16, Vendor); 4] = [
    (0x1002, Vendor::Amd),
    (0x8086, Vendor::Intel),
    (0x1da3, Vendor::Intel),
    (0x10de, Vendor::Nvidia),
];

/// Base classes of display controllers and of processing accelerators (PCI code and ID assignment).
const CLASSES: [u32; 2] = [0x03, 0x12];

/// The accelerators on the bus at `folder`; none where there is no such folder.
pub(super) fn probe(folder: &Path) -> Vec<Found> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut places: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    places.sort();
    places.iter().filter_map(|place| device(place)).collect()
}

fn device(place: &Path) -> Option<Found> {
    let class = hexadecimal(place, "class")?;
    if !CLASSES.contains(&(class >> 16)) {
        return None;
    }
    let pci = PciId {
        vendor: u16::try_from(hexadecimal(place, "vendor")?).ok()?,
        device: u16::try_from(hexadecimal(place, "device")?).ok()?,
        revision: u8::try_from(hexadecimal(place, "revision").unwrap_or(0)).ok()?,
    };
    let vendor = VENDORS
        .iter()
        .find(|(id, _)| *id == pci.vendor)
        .map(|(_, vendor)| *vendor)?;
    let memory = Memory::read(place);
    Some(Found {
        vendor,
        name: text(place, "product_name").filter(|name| !name.is_empty()),
        pci: Some(pci),
        total: memory.total,
        free: memory.free,
        shared: false,
    })
}

/// What amdgpu says of a card's own memory.
struct Memory {
    total: Option<Bytes>,
    free: Option<Bytes>,
}

impl Memory {
    fn read(place: &Path) -> Self {
        let total = bytes(place, "mem_info_vram_total");
        let used = bytes(place, "mem_info_vram_used");
        Self {
            total,
            free: total
                .zip(used)
                .map(|(total, used)| total.saturating_sub(used)),
        }
    }
}

/// Memory of the host that an AMD processor's own graphics may map, by the device that `found` is.
pub(super) fn mapped(folder: &Path, pci: PciId) -> Option<(Bytes, Bytes)> {
    let entries = std::fs::read_dir(folder).ok()?;
    let place = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|place| device(place).and_then(|found| found.pci) == Some(pci))?;
    let total = bytes(&place, "mem_info_gtt_total")?;
    let used = bytes(&place, "mem_info_gtt_used")?;
    Some((total, total.saturating_sub(used)))
}

fn text(place: &Path, file: &str) -> Option<String> {
    let text = std::fs::read_to_string(place.join(file)).ok()?;
    Some(text.trim().to_owned())
}

fn bytes(place: &Path, file: &str) -> Option<Bytes> {
    text(place, file)?.parse().ok().map(Bytes)
}

fn hexadecimal(place: &Path, file: &str) -> Option<u32> {
    u32::from_str_radix(text(place, file)?.trim_start_matches("0x"), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that amdgpu and the PCI bus have for an RX 7900 XTX (vram of 24,560 MiB as llama.cpp prints it),
    /// and a network card beside it.
    #[test]
    fn a_card_is_read_from_its_files() {
        let folder = std::env::temp_dir().join(format!("dsk-bus-{}", std::process::id()));
        let card = folder.join("0000:03:00.0");
        let network = folder.join("0000:04:00.0");
        let files = [
            (&card, "class", "0x030000\n"),
            (&card, "vendor", "0x1002\n"),
            (&card, "device", "0x744c\n"),
            (&card, "revision", "0xc8\n"),
            (&card, "mem_info_vram_total", "25753026560\n"),
            (&card, "mem_info_vram_used", "1073741824\n"),
            (&network, "class", "0x020000\n"),
            (&network, "vendor", "0x8086\n"),
            (&network, "device", "0x1533\n"),
        ];
        for (place, file, text) in files {
            let written = std::fs::create_dir_all(place)
                .and_then(|()| std::fs::write(place.join(file), text));
            assert!(written.is_ok());
        }
        let found = probe(&folder);
        assert!(std::fs::remove_dir_all(&folder).is_ok());
        let [only] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert!(only.pci.is_some_and(|pci| pci.is("1002:744c:c8")));
        assert_eq!(only.vendor, Vendor::Amd);
        assert_eq!(only.free, Some(Bytes(25_753_026_560 - (1 << 30))));
        assert_eq!(probe(Path::new("/nowhere")), []);
    }
}
