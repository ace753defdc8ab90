//! `dsk speed`.

use anyhow::Result;

use super::super::Exit;
use super::super::args;
use super::Session;
use super::memory::request;
use crate::render::{Reply, document, view};
use crate::units::Tokens;

/// How fast a model answers.
pub(in super::super) fn speed(session: &Session<'_>, args: &args::Speed) -> Result<Exit> {
    let defaults = &session.catalog.defaults()?.request;
    let asked = args.load.sequence.context;
    let traffic = args.traffic.asked().resolve(None, defaults, asked);
    let context = asked.map_or(traffic.length(), Tokens);
    traffic.check(context)?;
    let request = request(session.catalog, &args.load, Some(context))?;
    let answer = crate::speed::speed(session.catalog, &request, &traffic)?;
    let reply = Reply {
        document: document::speed(&answer, &request, &traffic)?,
        report: view::speed(&answer, &request, &traffic),
    };
    session.answer(&reply, &answer.notes)?;
    Ok(if answer.estimate.fits == Some(false) {
        Exit::NothingFits
    } else {
        Exit::Answered
    })
}
