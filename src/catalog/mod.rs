//! The catalog: facts as TOML files, embedded in the program and replaceable from folders.

pub mod basis;
pub mod calibration;
mod check;
pub mod defaults;
pub mod deployment;
pub mod engine;
pub mod engine_launch;
pub mod engine_memory;
pub mod engine_speed;
pub mod entry;
mod files;
pub mod find;
pub mod format;
pub mod gpu;
pub mod gpu_name;
pub mod kv;
pub mod model;
pub mod release;
pub mod runs;
pub mod scenario;
pub mod shape;
pub mod storage;
pub mod training;
pub mod variant;
pub mod version;

use std::cell::OnceCell;
use std::path::PathBuf;

pub use basis::Basis;
pub use calibration::Calibration;
pub use defaults::Defaults;
pub use engine::{Allocator, Engine};
pub use engine_launch::{EngineLaunch, Setting};
pub use entry::Entry;
pub use format::Format;
pub use gpu::Gpu;
pub use kv::KvFormat;
pub use model::{Model, Origin};
pub use release::Release;
pub use scenario::Scenario;
pub use shape::Shape;
pub use storage::NativeStorage;
pub use training::Training;
pub use variant::Variant;
pub use version::Version;

use crate::error::Result;
use files::Files;

/// Every entry, parsed when a kind is first asked for.
#[derive(Debug)]
pub struct Catalog {
    files: Files,
    variants: OnceCell<Vec<Variant>>,
    releases: OnceCell<Vec<Release>>,
    gpus: OnceCell<Vec<Gpu>>,
    formats: OnceCell<Vec<Format>>,
    engines: OnceCell<Vec<Engine>>,
    scenarios: OnceCell<Vec<Scenario>>,
    calibrations: OnceCell<Vec<Calibration>>,
    defaults: OnceCell<Defaults>,
    training: OnceCell<Training>,
}

impl Catalog {
    /// The embedded catalog, with the entries of `folders` added or put in their place, later ones last.
    ///
    /// # Errors
    /// When a folder cannot be read, or anything in the resulting catalog is wrong.
    pub fn load(folders: &[PathBuf]) -> Result<Self> {
        let catalog = Self {
            files: Files::with_folders(folders)?,
            variants: OnceCell::new(),
            releases: OnceCell::new(),
            gpus: OnceCell::new(),
            formats: OnceCell::new(),
            engines: OnceCell::new(),
            scenarios: OnceCell::new(),
            calibrations: OnceCell::new(),
            defaults: OnceCell::new(),
            training: OnceCell::new(),
        };
        if !folders.is_empty() {
            catalog.check()?;
        }
        Ok(catalog)
    }

    /// The article's variants.
    ///
    /// # Errors
    /// When a file of that kind cannot be used.
    pub fn variants(&self) -> Result<&[Variant]> {
        self.kind(&self.variants)
    }

    /// The official releases.
    ///
    /// # Errors
    /// When a file of that kind cannot be used.
    pub fn releases(&self) -> Result<&[Release]> {
        self.kind(&self.releases)
    }

    /// The devices.
    ///
    /// # Errors
    /// When a file of that kind cannot be used.
    pub fn gpus(&self) -> Result<&[Gpu]> {
        self.kind(&self.gpus)
    }

    /// The devices that may answer to `name`, without a look at the figures of the others: all that
    /// [`gpu_name::find_gpu`] finds among all are among them, under the same name.
    ///
    /// # Errors
    /// When one of their files cannot be used.
    pub fn gpus_like(&self, name: &str) -> Result<Vec<Gpu>> {
        let wanted = gpu_name::Digits::of(name);
        self.files.parse_some(|keys| wanted.may_be_in(keys))
    }

    /// The weight formats.
    ///
    /// # Errors
    /// When a file of that kind cannot be used.
    pub fn formats(&self) -> Result<&[Format]> {
        self.kind(&self.formats)
    }

    /// The engines.
    ///
    /// # Errors
    /// When a file of that kind cannot be used.
    pub fn engines(&self) -> Result<&[Engine]> {
        if let Some(engines) = self.engines.get() {
            return Ok(engines);
        }
        let mut engines = self.files.parse::<Engine>()?;
        engine::share_speed(&mut engines);
        for engine in &mut engines {
            let own = |calibration: &&Calibration| calibration.engine == engine.id;
            engine.calibrations = self.calibrations()?.iter().filter(own).cloned().collect();
        }
        Ok(self.engines.get_or_init(|| engines))
    }

    /// The scenarios.
    ///
    /// # Errors
    /// When a file of that kind cannot be used.
    pub fn scenarios(&self) -> Result<&[Scenario]> {
        self.kind(&self.scenarios)
    }

    /// What was measured on machines, from folders that were added; the program has none of its own.
    ///
    /// # Errors
    /// When a file of that kind cannot be used.
    pub fn calibrations(&self) -> Result<&[Calibration]> {
        self.kind(&self.calibrations)
    }

    /// What is assumed when a question leaves it open.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn defaults(&self) -> Result<&Defaults> {
        if let Some(defaults) = self.defaults.get() {
            return Ok(defaults);
        }
        let defaults = Files::parse_embedded("defaults.toml")?;
        Ok(self.defaults.get_or_init(|| defaults))
    }

    /// What training takes and reaches.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn training(&self) -> Result<&Training> {
        if let Some(training) = self.training.get() {
            return Ok(training);
        }
        let training = Files::parse_embedded("training.toml")?;
        Ok(self.training.get_or_init(|| training))
    }

    /// The entry that has `id`, without a look at the others of its kind; none where no file is called so.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn entry<T: Entry>(&self, id: &str) -> Result<Option<T>> {
        let Some((file, text)) = self.files.text(T::FOLDER, &id.to_ascii_lowercase()) else {
            return Ok(None);
        };
        let entry: T = entry::parse(&file, &text)?;
        Ok(Some(entry).filter(|entry| entry.id().eq_ignore_ascii_case(id)))
    }

    /// Everything that an entry's file says.
    ///
    /// # Errors
    /// When there is no such entry, or its file cannot be used.
    pub fn content(&self, folder: &str, id: &str) -> Result<serde_json::Value> {
        let (file, text) = self.files.text(folder, id).ok_or_else(|| {
            crate::error::Error::in_file(&format!("{folder}/{id}.toml"), "there is no such file")
        })?;
        entry::from_text(&file, &text)
    }

    fn kind<'a, T: Entry>(&'a self, cell: &'a OnceCell<Vec<T>>) -> Result<&'a [T]> {
        if let Some(entries) = cell.get() {
            return Ok(entries);
        }
        let entries = self.files.parse::<T>()?;
        Ok(cell.get_or_init(|| entries))
    }
}
