//! A device as a probe found it, before the catalog knows it.

use crate::catalog::gpu::Vendor;
use crate::units::Bytes;

/// A device that is in the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Who makes it.
    pub(super) vendor: Vendor,
    /// Its name, as far as the probe knows one.
    pub(super) name: Option<String>,
    /// Its place in the list of products, where only the bus knows it.
    pub(super) pci: Option<PciId>,
    /// All of its memory.
    pub(super) total: Option<Bytes>,
    /// Memory that nothing holds.
    pub(super) free: Option<Bytes>,
    /// Whether it shares the host's memory.
    pub(super) shared: bool,
}

/// What a probe gives.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// The devices that could be read.
    pub(super) found: Vec<Found>,
    /// What could not, in words.
    pub(super) failures: Vec<String>,
}

impl Probed {
    /// No device, and why.
    pub(super) fn failed(why: String) -> Self {
        Self {
            found: Vec::new(),
            failures: vec![why],
        }
    }
}

impl Found {
    /// A name for people.
    pub(super) fn title(&self) -> String {
        match (&self.name, self.pci) {
            (Some(name), _) => name.clone(),
            (None, Some(pci)) => format!("PCI device {:04x}:{:04x}", pci.vendor, pci.device),
            (None, None) => "unnamed device".to_owned(),
        }
    }
}

/// What a device says of itself on the PCI bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PciId {
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) revision: u8,
}

impl PciId {
    /// Whether a catalog's `vendor:device[:revision]` means it.
    pub(super) fn is(self, text: &str) -> bool {
        let own = format!("{:04x}:{:04x}", self.vendor, self.device);
        let revised = format!("{own}:{:02x}", self.revision);
        text.eq_ignore_ascii_case(&own) || text.eq_ignore_ascii_case(&revised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The RX 7900 XTX and XT differ by the revision only (libdrm's amdgpu.ids).
    #[test]
    fn a_revision_may_decide() {
        let card = PciId {
            vendor: 0x1002,
            device: 0x744c,
            revision: 0xc8,
        };
        assert!(card.is("1002:744C:C8"));
        assert!(card.is("1002:744c"));
        assert!(!card.is("1002:744c:cc"));
    }
}
