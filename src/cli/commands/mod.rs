//! One function a command: resolve, ask the core, render.

mod bench;
mod catalog;
mod deploy;
mod memory;
mod plan;
mod recommend;
mod speed;
mod train;

use anyhow::{Context, Result, bail};
use clap::CommandFactory;

use super::args::{self, Cli, Command, Common};
use super::{Exit, output};
use crate::catalog::Catalog;
use crate::render::document::Document;
use crate::render::report::Report;
use crate::render::{Output, Reply, render};

/// Runs the command.
pub(super) fn run(cli: &Cli) -> Result<Exit> {
    let catalog = Catalog::load(&cli.common.catalog)?;
    let context = Session {
        catalog: &catalog,
        common: &cli.common,
    };
    match &cli.command {
        Command::Recommend(args) => recommend::recommend(&context, args),
        Command::Memory(args) => memory::memory(&context, args),
        Command::Speed(args) => speed::speed(&context, args),
        Command::Check(args) => memory::check(&context, args),
        Command::Plan(args) => plan::plan(&context, args),
        Command::Deploy(args) => deploy::deploy(&context, args),
        Command::Bench(args) => bench::bench(&context, args),
        Command::Quantize(args) => catalog::quantize(&context, args),
        Command::Migrate(args) => catalog::migrate(&context, args),
        Command::Compare(args) => catalog::compare(&context, args),
        Command::List(args) => catalog::list(&context, args),
        Command::Show(args) => catalog::show(&context, args),
        Command::Schema(args) => schema(&context, args),
        Command::Completions(args) => completions(args),
        Command::Man(args) => man(args),
    }
}

/// What every command needs.
pub(super) struct Session<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) common: &'a Common,
}

impl Session<'_> {
    /// Prints an answer and what the user should know about it.
    fn answer(&self, reply: &Reply, notes: &[String]) -> Result<()> {
        let text = render(reply, self.common.output(), output::layout())?;
        output::data(&text).context("cannot write the answer")?;
        for note in notes {
            output::complain("note", note);
        }
        Ok(())
    }
}

fn schema(session: &Session<'_>, args: &args::Schema) -> Result<Exit> {
    let document = match args.command {
        Some(document) => document.schema(),
        None => Document::ALL
            .into_iter()
            .map(|document| (document.name().to_owned(), document.schema()))
            .collect(),
    };
    let output = match session.common.output() {
        Output::Yaml => Output::Yaml,
        Output::Table | Output::Json | Output::Csv | Output::Markdown => Output::Json,
    };
    let reply = Reply {
        document,
        report: Report::default(),
    };
    output::data(&render(&reply, output, output::layout())?).context("cannot write the schema")?;
    Ok(Exit::Answered)
}

fn completions(args: &args::Completions) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dsk", &mut script);
    output::data(&String::from_utf8_lossy(&script)).context("cannot write the script")?;
    Ok(Exit::Answered)
}

fn man(args: &args::Man) -> Result<Exit> {
    let mut whole = Cli::command();
    whole.build();
    let command = match &args.command {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            Some(command) => command.clone(),
            None => bail!("`{name}` is no command; `dsk --help` lists them"),
        },
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .context("cannot write the page")?;
    output::data(&String::from_utf8_lossy(&page)).context("cannot write the page")?;
    Ok(Exit::Answered)
}
