//! `plan`.

use clap::Args;

use super::load::Load;
use super::train::Train;

/// `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dsk plan 65b --train --gpu a100-80gb --gpus 16\n  dsk plan 33b --train --method qlora --gpu rtx-4090 --gpus 2\n  dsk plan 6.7b --train --gpu 8xh100 --tokens 20b --emit deepspeed"
)]
pub(in crate::cli) struct Plan {
    #[command(flatten)]
    pub(in crate::cli) load: Load,
    #[command(flatten)]
    pub(in crate::cli) train: Train,
}
