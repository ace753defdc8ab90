//! What runs where: `[[runs]]` of an engine and of a format, each with its source; what no entry covers is not known to run.

use std::fmt;

use serde::Deserialize;

use super::gpu::{ComputeCapability, GpuKind, Vendor};
use super::shape::Architecture;

/// Where an engine runs, or models of some classes on it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineRuns {
    /// Model classes that need more than the engine itself does; none for the engine.
    #[serde(default)]
    pub models: Vec<Architecture>,
    /// The devices.
    pub on: Vec<Site>,
    /// What a user must know there.
    #[serde(default)]
    pub note: Option<String>,
    /// Where that is said.
    pub source: String,
}

/// Where engines run a format.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatRuns {
    /// The engines.
    pub engines: Vec<String>,
    /// The devices, among those that the engine runs on.
    pub on: Vec<Site>,
    /// Where that is said.
    pub source: String,
}

/// Devices that have something in common; what is left out does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Who makes them.
    #[serde(default)]
    pub vendor: Option<Vendor>,
    /// What they are built for.
    #[serde(default)]
    pub kind: Option<GpuKind>,
    /// Their architectures.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// The least compute capability.
    #[serde(default)]
    pub from: Option<ComputeCapability>,
    /// The compute capability from which on it no longer runs.
    #[serde(default)]
    pub below: Option<ComputeCapability>,
}

/// What is known of a device, as far as it matters for what runs on it.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// Who makes it.
    pub vendor: Vendor,
    /// What it is built for.
    pub kind: GpuKind,
    /// The architecture; none for a bare amount of memory, which may be of any.
    pub architecture: Option<&'a str>,
    /// The compute capability; none where it has none or is not named.
    pub capability: Option<ComputeCapability>,
}

impl Site {
    /// Whether the device is one of them; a device that is not named is taken for one that is.
    #[must_use]
    pub fn covers(&self, device: &Traits<'_>) -> bool {
        // A processor runs what is said of processors, not what is said of its maker's cards.
        let kind = match self.kind {
            Some(kind) => kind == device.kind,
            None => device.kind != GpuKind::Cpu,
        };
        let vendor = self.vendor.is_none_or(|vendor| vendor == device.vendor);
        let Some(architecture) = device.architecture else {
            return kind && vendor;
        };
        let named = self.architectures.is_empty()
            || self.architectures.iter().any(|own| own == architecture);
        let capable = match (self.from, self.below, device.capability) {
            (None, None, _) => true,
            (_, _, None) => false,
            (from, below, Some(own)) => {
                from.is_none_or(|from| own >= from) && below.is_none_or(|below| own < below)
            }
        };
        kind && vendor && named && capable
    }
}

impl fmt::Display for Site {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        match (self.kind, self.vendor) {
            (Some(GpuKind::Cpu), _) => words.push("processors".to_owned()),
            (_, Some(vendor)) => words.push(vendor.name().to_owned()),
            (_, None) => words.push("GPUs".to_owned()),
        }
        if !self.architectures.is_empty() {
            words.push(self.architectures.join(", "));
        }
        match (self.from, self.below) {
            (Some(from), Some(below)) => {
                words.push(format!("of compute capability {from} to below {below}"));
            }
            (Some(from), None) => words.push(format!("of compute capability {from} and higher")),
            (None, Some(below)) => words.push(format!("below compute capability {below}")),
            (None, None) => {}
        }
        out.write_str(&words.join(" "))
    }
}

impl fmt::Display for Traits<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.architecture.unwrap_or("not named"))?;
        match self.capability {
            Some(own) => write!(out, ", compute capability {own}"),
            None => Ok(()),
        }
    }
}

/// "NVIDIA of compute capability 7.5 and higher, AMD cdna3, cdna4; processors"; "nothing" for no sites.
#[must_use]
pub fn listed<'a>(sites: impl IntoIterator<Item = &'a Site>) -> String {
    let mut words: Vec<String> = Vec::new();
    for site in sites {
        let word = site.to_string();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() {
        return "nothing".to_owned();
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Site {
        toml::from_str(text).expect("a site")
    }

    fn card<'a>(architecture: &'a str, capability: &str) -> Traits<'a> {
        Traits {
            vendor: Vendor::Nvidia,
            kind: GpuKind::Datacenter,
            architecture: Some(architecture),
            capability: ComputeCapability::try_from(capability.to_owned()).ok(),
        }
    }

    #[test]
    fn a_capability_has_two_ends_and_an_unknown_one_meets_neither() {
        let between = site("vendor = 'nvidia'\nfrom = '7.5'\nbelow = '10.0'");
        assert!(between.covers(&card("turing", "7.5")) && between.covers(&card("hopper", "9.0")));
        assert!(!between.covers(&card("volta", "7.0")));
        assert!(!between.covers(&card("blackwell", "10.0")));
        assert!(!between.covers(&card("new", "")));
        assert_eq!(
            between.to_string(),
            "NVIDIA of compute capability 7.5 to below 10.0"
        );
    }

    #[test]
    fn only_what_is_said_of_processors_holds_for_a_processor() {
        let processor = Traits {
            vendor: Vendor::Amd,
            kind: GpuKind::Cpu,
            architecture: Some("x86"),
            capability: None,
        };
        assert!(!site("vendor = 'amd'").covers(&processor));
        assert!(site("kind = 'cpu'").covers(&processor));
    }

    #[test]
    fn a_card_without_a_name_is_one_that_runs_it() {
        let bare = Traits {
            architecture: None,
            capability: None,
            ..card("", "")
        };
        assert!(site("vendor = 'nvidia'\nfrom = '9.0'").covers(&bare));
        assert!(!site("vendor = 'amd'").covers(&bare));
    }
}
