//! What needs more than a Rust toolchain (`--features validators`): shellcheck, bash and Python 3.

#[path = "deploy/question.rs"]
mod question;
#[path = "deploy/shells.rs"]
mod shells;
