//! The formats of a question: the weights' and the cache's, as the engine runs them on the hardware.

use super::engine::{hinted, loads, others, own_format};
use crate::calc::hardware::Hardware;
use crate::catalog::find::find;
use crate::catalog::{Catalog, Engine, Entry, Format, KvFormat, Model};
use crate::error::{Error, Result};

/// The format that `name` means for this model, engine and hardware; without a name the checkpoint's own, or where
/// that does not run one that is as wide and loses nothing.
///
/// # Errors
/// An unknown name, or a format that the engine does not run there.
pub fn resolve_format(
    catalog: &Catalog,
    (model, name): (&Model, Option<&str>),
    (engine, hardware): (Option<&Engine>, Option<&Hardware>),
    notes: &mut Vec<String>,
) -> Result<Format> {
    let formats = catalog.formats()?;
    let asked = find(formats, name.unwrap_or(&model.native))?;
    if model.file.as_ref().is_some_and(|file| file.is_gguf) && asked.id != model.native {
        return Err(Error::Unanswerable(format!(
            "`{}` is a file in `{}`; to calculate another format, convert it or name the model",
            model.id, model.native
        )));
    }
    let native = find(formats, &model.native)?;
    let loaded = engine.is_none_or(|engine| loads(engine, native));
    let general = asked.id != native.id && asked.bits == native.bits && asked.general && loaded;
    let asked = if general {
        notes.push(format!(
            "{} ships in {}: taken as it is",
            model.id, native.name
        ));
        native
    } else {
        asked
    };
    let Some(engine) = engine else {
        return Ok(asked.clone());
    };
    let chosen = if general {
        asked
    } else {
        own_format(catalog, engine, asked)?
    };
    if !loads(engine, chosen) {
        return Err(not_loaded(catalog, engine, chosen)?);
    }
    if chosen.plain_name() != asked.plain_name() {
        notes.push(format!(
            "{} stands for {} in {}",
            chosen.name, asked.name, engine.name
        ));
    }
    on_hardware(catalog, (chosen, name), (engine, hardware), notes).cloned()
}

/// The format that `name` means for an engine on hardware, whatever the model.
///
/// # Errors
/// An unknown name, or a format that the engine does not run there.
pub fn resolve_format_alone<'a>(
    catalog: &'a Catalog,
    name: &str,
    (engine, hardware): (&Engine, &Hardware),
) -> Result<&'a Format> {
    let asked = find(catalog.formats()?, name)?;
    let chosen = own_format(catalog, engine, asked)?;
    if !loads(engine, chosen) {
        return Err(not_loaded(catalog, engine, chosen)?);
    }
    on_hardware(
        catalog,
        (chosen, Some(name)),
        (engine, Some(hardware)),
        &mut Vec::new(),
    )
}

/// `chosen` where the engine runs it on the hardware; where no format was named, one as wide that loses nothing.
fn on_hardware<'a>(
    catalog: &'a Catalog,
    (chosen, name): (&'a Format, Option<&str>),
    (engine, hardware): (&Engine, Option<&Hardware>),
    notes: &mut Vec<String>,
) -> Result<&'a Format> {
    let refused = hardware.and_then(|hardware| hardware.format_refusal(engine, chosen));
    let (Some(hardware), Some(reason)) = (hardware, refused) else {
        return Ok(chosen);
    };
    let runs = |format: &&Format| {
        loads(engine, format)
            && !format.only_native
            && hardware.format_refusal(engine, format).is_none()
    };
    let as_good = |format: &&Format| {
        runs(format) && format.bits == chosen.bits && format.known_loss() == Some(0.0)
    };
    let formats = catalog.formats()?;
    if let (None, Some(other)) = (name, formats.iter().find(as_good)) {
        notes.push(format!("{reason}; taken in {}", other.name));
        return Ok(other);
    }
    let usable: Vec<&str> = formats.iter().filter(runs).map(Entry::id).collect();
    let reason = if usable.is_empty() {
        reason
    } else {
        format!("{reason}; there it runs {}", usable.join(", "))
    };
    let does = |other: &Engine| {
        own_format(catalog, other, chosen)
            .is_ok_and(|own| loads(other, own) && hardware.format_refusal(other, own).is_none())
    };
    Err(Error::CannotRun {
        format: chosen.id.clone(),
        engine: engine.id.clone(),
        reason: hinted(reason, &others(catalog, hardware, does)?),
    })
}

/// The error for a format that an engine does not load, with the engines that do.
fn not_loaded(catalog: &Catalog, engine: &Engine, format: &Format) -> Result<Error> {
    let formats = catalog.formats()?.iter();
    let usable: Vec<&str> = formats
        .filter(|other| loads(engine, other))
        .map(Entry::id)
        .collect();
    Ok(Error::Unanswerable(format!(
        "{} does not run `{}`, which {} does (--engine); it runs {}",
        engine.name,
        format.id,
        format.engines.join(" or "),
        usable.join(", ")
    )))
}

/// The cache format that `name` means, 16 bits without one.
///
/// # Errors
/// An unknown name, or a format that the engine keeps no cache in.
pub fn check_cache(engine: Option<&Engine>, name: Option<&str>) -> Result<KvFormat> {
    let kv = name.map_or(Ok(KvFormat::F16), KvFormat::parse)?;
    let Some(engine) = engine.filter(|engine| !engine.keeps(kv)) else {
        return Ok(kv);
    };
    Err(no_such_cache(engine, kv))
}

/// The error for a cache format that an engine does not have.
#[must_use]
pub fn no_such_cache(engine: &Engine, kv: KvFormat) -> Error {
    let known: Vec<&str> = engine.caches.iter().map(|own| own.name()).collect();
    Error::Unanswerable(format!(
        "{} keeps no cache in `{}`; it has {}",
        engine.name,
        kv.name(),
        known.join(", ")
    ))
}
