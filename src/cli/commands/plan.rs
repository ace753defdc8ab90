//! `dsk plan`.

use anyhow::{Result, bail};

use super::super::Exit;
use super::super::args;
use super::{Session, train};

/// How to split a model over devices.
pub(in super::super) fn plan(session: &Session<'_>, args: &args::Plan) -> Result<Exit> {
    if args.train.train {
        return train::train(session, &args.load, &args.train);
    }
    bail!("only `dsk plan MODEL --train` is there yet");
}
