//! The engine of a question, and whether it runs on the hardware.

use crate::calc::hardware::Hardware;
use crate::catalog::find::find;
use crate::catalog::{Allocator, Catalog, Engine, Entry, Format, Model};
use crate::error::{Error, Result};

/// The first engine that runs GGUF files.
///
/// # Errors
/// When the catalog has none.
pub(super) fn of_files(catalog: &Catalog) -> Result<Engine> {
    let found = catalog
        .engines()?
        .iter()
        .find(|engine| engine.allocator == Allocator::LlamaCpp);
    found
        .cloned()
        .ok_or_else(|| Error::Unanswerable("no engine of the catalog runs GGUF files".to_owned()))
}

/// The engine that suits the hardware, and runs the format there where one is named.
///
/// # Errors
/// When the catalog has none for the hardware.
pub fn engine_for(catalog: &Catalog, hardware: &Hardware, format: Option<&str>) -> Result<Engine> {
    let Some(device) = hardware.devices.first() else {
        return Err(Error::Unanswerable("the hardware has no device".to_owned()));
    };
    let mut engines: Vec<&Engine> = catalog
        .engines()?
        .iter()
        .filter(|engine| hardware.refusal(engine).is_none())
        .collect();
    // What suits no kind of device in particular is nobody's first choice.
    engines.sort_by_key(|engine| {
        (
            !engine.suits.contains(&device.kind),
            engine.suits.is_empty(),
        )
    });
    let asked = format
        .map(|name| find(catalog.formats()?, name))
        .transpose()?;
    let runs = |engine: &&&Engine| {
        asked.is_none_or(|asked| {
            own_format(catalog, engine, asked).is_ok_and(|own| {
                loads(engine, own) && hardware.format_refusal(engine, own).is_none()
            })
        })
    };
    let found = engines.iter().find(runs).or_else(|| engines.first());
    found.map(|engine| (*engine).clone()).ok_or_else(|| {
        Error::Unanswerable(format!("no engine of the catalog runs on {}", device.name))
    })
}

/// The format that `asked` means in an engine.
pub(super) fn own_format<'a>(
    catalog: &'a Catalog,
    engine: &Engine,
    asked: &'a Format,
) -> Result<&'a Format> {
    match engine.formats.get(&asked.id) {
        Some(own) => find(catalog.formats()?, own),
        None => Ok(asked),
    }
}

/// Whether an engine loads a format at all.
pub(super) fn loads(engine: &Engine, format: &Format) -> bool {
    format.engines.contains(&engine.id)
}

/// Refuses an engine on hardware where it does not run, or is not calculated; else what a user must know of it there.
///
/// # Errors
/// Which device, and where the engine runs.
pub fn check_engine(
    catalog: &Catalog,
    hardware: Option<&Hardware>,
    engine: Option<&Engine>,
) -> Result<Option<String>> {
    let (Some(hardware), Some(engine)) = (hardware, engine) else {
        return Ok(None);
    };
    match hardware.refusal(engine) {
        Some(reason) => Err(Error::CannotRun {
            format: String::new(),
            engine: engine.id.clone(),
            reason: hinted(reason, &others(catalog, hardware, |_| true)?),
        }),
        None => Ok(hardware.engine_note(engine)),
    }
}

/// Refuses a model whose class its engine does not run on the hardware.
///
/// # Errors
/// Which device, and where the engine runs such models.
pub fn check_model(
    catalog: &Catalog,
    (model, format): (&Model, &Format),
    (engine, hardware): (Option<&Engine>, Option<&Hardware>),
) -> Result<()> {
    let (Some(hardware), Some(engine)) = (hardware, engine) else {
        return Ok(());
    };
    let Some(reason) = hardware.model_refusal(engine, model) else {
        return Ok(());
    };
    let native = find(catalog.formats()?, &model.native)?;
    let runs = |other: &Engine| {
        let own = own_format(catalog, other, native);
        hardware.model_refusal(other, model).is_none()
            && !other.lacks.contains(&model.shape.architecture)
            && own.is_ok_and(|own| loads(other, own) && hardware.runs(other, own))
    };
    Err(Error::CannotRun {
        format: format.id.clone(),
        engine: engine.id.clone(),
        reason: hinted(reason, &others(catalog, hardware, runs)?),
    })
}

/// The engines that run on the hardware and meet `also`, by id.
pub(super) fn others<'a>(
    catalog: &'a Catalog,
    hardware: &Hardware,
    also: impl Fn(&Engine) -> bool,
) -> Result<Vec<&'a str>> {
    let engines = catalog.engines()?.iter();
    Ok(engines
        .filter(|engine| hardware.refusal(engine).is_none() && also(engine))
        .map(Entry::id)
        .collect())
}

/// A reason, and the engines that do it.
pub(super) fn hinted(reason: String, engines: &[&str]) -> String {
    if engines.is_empty() {
        return reason;
    }
    format!("{reason}; --engine {} runs there", engines.join(" or "))
}
