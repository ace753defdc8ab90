//! `dsk list`, `show`, `compare`, `migrate` and `quantize`.

use anyhow::Result;

use super::super::Exit;
use super::super::args;
use super::super::model::model;
use super::Session;
use super::memory::loadable;
use crate::calc::estimate::weights;
use crate::calc::plain::sequence_bytes;
use crate::catalog::find::find;
use crate::catalog::{KvFormat, Model};
use crate::error::Error;
use crate::listing::{self, Kind};
use crate::render::{Reply, document, view};
use crate::units::{Bytes, Tokens};

/// The catalog.
pub(in super::super) fn list(session: &Session<'_>, args: &args::List) -> Result<Exit> {
    let kinds = args
        .kind
        .map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind.into()]);
    let mut lines = Vec::new();
    for kind in kinds {
        lines.extend(listing::list(session.catalog, kind)?);
    }
    let reply = Reply {
        document: document::list(&lines)?,
        report: view::list(&lines),
    };
    session.answer(&reply, &[])?;
    Ok(Exit::Answered)
}

/// One entry.
pub(in super::super) fn show(session: &Session<'_>, args: &args::Show) -> Result<Exit> {
    let (kind, id, entry) = listing::show(session.catalog, &args.id)?;
    let model = match kind {
        Kind::Variants | Kind::Models => session.catalog.model(&id).ok(),
        Kind::Gpus | Kind::Formats | Kind::Engines | Kind::Scenarios => None,
    };
    let shipped = match &model {
        Some(model) => Some(shipped(session, model)?.0),
        None => None,
    };
    let computed = model.as_ref().zip(shipped);
    let reply = Reply {
        document: document::show((kind, &id, &entry), computed)?,
        report: view::show((kind, &id, &entry), model.as_ref()),
    };
    session.answer(&reply, &[])?;
    Ok(Exit::Answered)
}

/// Models side by side.
pub(in super::super) fn compare(session: &Session<'_>, args: &args::Compare) -> Result<Exit> {
    let mut models = Vec::new();
    let mut facts = Vec::new();
    let mut sizes = Vec::new();
    for name in &args.models {
        let model = model(session.catalog, name)?.0;
        facts.push(crate::migrate::facts(session.catalog, &model)?);
        sizes.push((
            shipped(session, &model)?,
            sequence_bytes(&model.shape, KvFormat::F16, Tokens(1)),
        ));
        models.push(model);
    }
    let reply = Reply {
        document: document::compare(&models, &sizes)?,
        report: view::compare(&models, &facts),
    };
    session.answer(&reply, &[])?;
    Ok(Exit::Answered)
}

/// What changes between two models.
pub(in super::super) fn migrate(session: &Session<'_>, args: &args::Migrate) -> Result<Exit> {
    let (from, to) = (
        model(session.catalog, &args.from)?.0,
        model(session.catalog, &args.to)?.0,
    );
    if from.id == to.id {
        return Err(Error::Unanswerable(format!("both are `{}`: nothing changes", from.id)).into());
    }
    let migration = crate::migrate::migrate(session.catalog, &from, &to)?;
    let reply = Reply {
        document: document::migrate((&from, &to), &migration)?,
        report: view::migrate((&from, &to), &migration),
    };
    session.answer(&reply, &[])?;
    Ok(Exit::Answered)
}

/// Every format of a model.
pub(in super::super) fn quantize(session: &Session<'_>, args: &args::OneModel) -> Result<Exit> {
    let model = model(session.catalog, &args.model)?.0;
    let is_gguf = model.file.as_ref().is_some_and(|file| file.is_gguf);
    let published = model
        .checkpoint
        .as_ref()
        .map(|weights| weights.repo.as_str());
    // A GGUF is what is made of a checkpoint, and nothing is made of it.
    let source = loadable(&model, &args.model)
        .or(published)
        .filter(|_| !is_gguf);
    let rows = crate::quantize::quantize_from(session.catalog, &model, source)?;
    let reply = Reply {
        document: document::quantize(&model, &rows)?,
        report: view::quantize(&model, &rows),
    };
    session.answer(&reply, &[])?;
    Ok(Exit::Answered)
}

/// Bytes of the checkpoint as it ships.
fn shipped(session: &Session<'_>, model: &Model) -> Result<Bytes> {
    Ok(weights(
        model,
        find(session.catalog.formats()?, &model.native)?,
        None,
    )?)
}
