//! Holds the entries of a catalog against each other.

use super::calibration::ANY_PROCESSOR;
use super::entry::{Entry, located, normalized};
use super::find::{find, nearest};
use super::{Catalog, Shape};
use crate::error::{Error, Result};

impl Catalog {
    /// Parses every entry and checks that what it names exists.
    ///
    /// # Errors
    /// The first file, line and key that is wrong.
    pub fn check(&self) -> Result<()> {
        self.gpus()?;
        self.check_variants()?;
        self.check_releases()?;
        self.check_formats()?;
        self.check_engines()?;
        self.check_calibrations()?;
        for scenario in self.scenarios()? {
            for id in &scenario.variants {
                self.must_exist(scenario, "variants", self.variants()?, id)?;
            }
        }
        self.check_names(self.gpus()?)?;
        self.check_names(self.formats()?)?;
        self.check_names(self.engines()?)?;
        self.check_names(self.releases()?)
    }

    fn check_variants(&self) -> Result<()> {
        for variant in self.variants()? {
            self.must_exist(
                variant,
                "model",
                self.releases()?,
                &variant.checkpoint.model,
            )?;
            self.must_exist(variant, "scenario", self.scenarios()?, &variant.scenario)?;
            if let Some(assumed) = &variant.shape {
                self.check_shape(variant, &assumed.assumed)?;
            }
        }
        Ok(())
    }

    fn check_releases(&self) -> Result<()> {
        for release in self.releases()? {
            if let Some(shape) = &release.shape {
                self.check_shape(release, shape)?;
            }
            for ready in &release.quantized {
                self.must_exist(release, "quantized", self.formats()?, &ready.format)?;
            }
        }
        Ok(())
    }

    fn check_formats(&self) -> Result<()> {
        for format in self.formats()? {
            for engine in &format.engines {
                self.must_exist(format, "engines", self.engines()?, engine)?;
            }
        }
        Ok(())
    }

    fn check_engines(&self) -> Result<()> {
        for engine in self.engines()? {
            if let Some(other) = &engine.speed_as {
                self.must_exist(engine, "speed_as", self.engines()?, other)?;
            }
            for (general, own) in &engine.formats {
                self.must_exist(engine, general, self.formats()?, own)?;
            }
            let parsers = engine.launch.iter().flat_map(|launch| &launch.parsers);
            for model in parsers.flat_map(|parser| &parser.models) {
                self.must_exist(engine, "models", self.releases()?, model)?;
            }
        }
        Ok(())
    }

    fn check_calibrations(&self) -> Result<()> {
        for calibration in self.calibrations()? {
            self.must_exist(calibration, "engine", self.engines()?, &calibration.engine)?;
            if calibration.gpu != ANY_PROCESSOR {
                self.must_exist(calibration, "gpu", self.gpus()?, &calibration.gpu)?;
            }
            if let Some(format) = &calibration.format {
                self.must_exist(calibration, "format", self.formats()?, format)?;
            }
            let Some(model) = &calibration.model else {
                continue;
            };
            if !self.variants()?.iter().any(|variant| variant.id == *model) {
                self.must_exist(calibration, "model", self.releases()?, model)?;
            }
        }
        Ok(())
    }

    fn check_shape<T: Entry>(&self, entry: &T, shape: &Shape) -> Result<()> {
        match shape.fault() {
            Some((key, message)) => Err(self.fault(entry, key, message)),
            None => Ok(()),
        }
    }

    fn must_exist<T: Entry, U: Entry>(
        &self,
        entry: &T,
        key: &str,
        all: &[U],
        id: &str,
    ) -> Result<()> {
        if all.iter().any(|other| other.id() == id) {
            return Ok(());
        }
        let close = nearest(all.iter().map(Entry::id), id);
        let hint = close
            .first()
            .map(|name| format!("; did you mean `{name}`?"))
            .unwrap_or_default();
        let message = format!(
            "`{key}` names `{id}`, which is no {} of the catalog{hint}",
            U::KIND
        );
        Err(self.fault(entry, key, message))
    }

    /// No name may mean two entries.
    fn check_names<T: Entry>(&self, entries: &[T]) -> Result<()> {
        for entry in entries {
            for name in std::iter::once(entry.id()).chain(entry.names()) {
                match find(entries, name) {
                    Ok(found) if found.id() == entry.id() => {}
                    Ok(found) if normalized(found.id()) == normalized(name) => {}
                    Ok(found) => {
                        let message = format!("`{name}` already means `{}`", found.id());
                        return Err(self.fault(entry, "aliases", message));
                    }
                    Err(error) => return Err(self.fault(entry, "aliases", error.to_string())),
                }
            }
        }
        Ok(())
    }

    fn fault<T: Entry>(&self, entry: &T, key: &str, message: String) -> Error {
        match self.files.text(T::FOLDER, entry.id()) {
            Some((file, text)) => located(&file, &text, key, message),
            None => Error::in_file(entry.id(), message),
        }
    }
}
