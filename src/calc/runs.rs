//! What runs where: the one rule that every command asks, by what the catalog's entries say.
//!
//! An engine runs on a device where an entry of its own covers it. A format runs on an engine there where an entry of
//! the format's does, and models of a class that needs more where such an entry of the engine's does.

use super::hardware::{Device, Hardware};
use crate::catalog::runs::{Site, listed};
use crate::catalog::{Engine, Format, Model};

impl Device {
    /// Why nothing is calculated of `engine` on it; none where it runs.
    #[must_use]
    pub fn refusal(&self, engine: &Engine) -> Option<String> {
        let traits = self.traits();
        if let Some(reason) = engine.uncalculated_on(&traits) {
            return Some(format!("{}: {} {reason}", self.name, engine.name));
        }
        let sites: Vec<&Site> = engine.sites().collect();
        self.outside(&sites)
            .then(|| self.unknown(&engine.name, "", &sites))
    }

    /// Why `engine` does not run `format` on it, where it runs at all; none where it does.
    #[must_use]
    pub fn format_refusal(&self, engine: &Engine, format: &Format) -> Option<String> {
        let sites = format.sites(&engine.id)?;
        self.outside(&sites)
            .then(|| self.unknown(&engine.name, &format!(" `{}`", format.id), &sites))
    }

    /// Why `engine` does not run models such as `model` on it, where it runs at all; none where it does.
    #[must_use]
    pub fn model_refusal(&self, engine: &Engine, model: &Model) -> Option<String> {
        let class = model.shape.architecture;
        let sites = engine.sites_of(class)?;
        self.outside(&sites)
            .then(|| self.unknown(&engine.name, &format!(" {}", class.name()), &sites))
    }

    /// Whether `engine` runs `format` on it.
    #[must_use]
    pub fn runs(&self, engine: &Engine, format: &Format) -> bool {
        self.refusal(engine).is_none() && self.format_refusal(engine, format).is_none()
    }

    fn outside(&self, sites: &[&Site]) -> bool {
        let traits = self.traits();
        !sites.iter().any(|site| site.covers(&traits))
    }

    fn unknown(&self, engine: &str, what: &str, sites: &[&Site]) -> String {
        format!(
            "{engine} is not known to run{what} on {} ({}): it is on {}",
            self.name,
            self.traits(),
            listed(sites.iter().copied())
        )
    }
}

impl Hardware {
    /// Why nothing is calculated of `engine` on one of the devices; none where it runs on all.
    #[must_use]
    pub fn refusal(&self, engine: &Engine) -> Option<String> {
        self.first(|device| device.refusal(engine))
    }

    /// Why `engine` does not run `format` on one of the devices, where it runs at all; none where it does on all.
    #[must_use]
    pub fn format_refusal(&self, engine: &Engine, format: &Format) -> Option<String> {
        self.first(|device| device.format_refusal(engine, format))
    }

    /// Why `engine` does not run models such as `model` on one of the devices; none where it does on all.
    #[must_use]
    pub fn model_refusal(&self, engine: &Engine, model: &Model) -> Option<String> {
        self.first(|device| device.model_refusal(engine, model))
    }

    /// Whether `engine` runs `format` on every device.
    #[must_use]
    pub fn runs(&self, engine: &Engine, format: &Format) -> bool {
        self.first(|device| (!device.runs(engine, format)).then_some(()))
            .is_none()
    }

    /// What a user must know of `engine` on the devices.
    #[must_use]
    pub fn engine_note(&self, engine: &Engine) -> Option<String> {
        self.first(|device| engine.note_on(&device.traits()).map(str::to_owned))
    }

    /// Why the devices are no one server; none where they can be.
    #[must_use]
    pub fn mixture(&self) -> Option<String> {
        let first = self.devices.first()?;
        self.first(|other| first.beside(other))
    }

    /// The first answer that a device gives; equal neighbours are asked once.
    fn first<T>(&self, ask: impl Fn(&Device) -> Option<T>) -> Option<T> {
        let mut before: Option<&Device> = None;
        self.devices.iter().find_map(|device| {
            let again = before.is_some_and(|before| before.name == device.name);
            before = Some(device);
            if again { None } else { ask(device) }
        })
    }
}
