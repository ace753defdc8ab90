//! How a row of an answer is started: its command, or why there is none.

use super::launch::{Launch, command, serve};
use super::words::quoted;
use crate::calc::estimate::{capacity, estimate};
use crate::calc::hardware::Hardware;
use crate::calc::parallel;
use crate::catalog::{Allocator, Catalog, Model};
use crate::error::{Error, Result};

/// How a row of an answer is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The command, for a POSIX shell; none where nothing can be started.
    pub command: Option<String>,
    /// What to know about it, or why there is none.
    pub note: Option<String>,
}

/// How `launch` is started: by its own weights, else by the release that stands in for them, if that fits as well.
///
/// # Errors
/// When the catalog is broken.
pub fn start(catalog: &Catalog, launch: &Launch<'_>) -> Result<Start> {
    match catalog.started(launch.model)? {
        None => Ok(Start::of(launch)),
        Some(release) => in_place(launch, &release),
    }
}

/// The start of the release whose weights are run in place of the row's model.
fn in_place(launch: &Launch<'_>, release: &Model) -> Result<Start> {
    let own = Launch {
        model: release,
        ..*launch
    };
    let stands = format!(
        "no weights of exactly {} exist: this starts {}",
        launch.model.id, release.id
    );
    let none = |reason: String| {
        Ok(Start {
            command: None,
            note: Some(format!(
                "{stands}, {reason}; `dsk deploy {}` plans for it",
                launch.model.id
            )),
        })
    };
    let load = own.load();
    if load.split.devices() > 1
        && let Err(illegal) = parallel::check(&load)
    {
        return none(format!(
            "which cannot be split like that: {}",
            illegal.reason
        ));
    }
    let found = match estimate(&load) {
        Ok(found) => found,
        Err(Error::Unanswerable(reason)) => return none(format!("of which {reason}")),
        Err(other) => return Err(other),
    };
    if found.fits == Some(false) {
        return none(format!(
            "which lacks {} on a device in {}",
            found.short_by, launch.format.name
        ));
    }
    let held = match launch.engine.allocator {
        Allocator::Vllm | Allocator::Sglang => capacity(&load)?.map(|held| held.sequences),
        Allocator::LlamaCpp | Allocator::Transformers => None,
    };
    let sequences = held.map_or(own.sequences, |held| own.sequences.min(held).max(1));
    let start = Start::of(&Launch { sequences, ..own });
    let taken = found.memory.fullest().total();
    let fits = found
        .available
        .map_or_else(String::new, |available| format!(" of {available}"));
    let more = start
        .note
        .map_or_else(String::new, |note| format!("; {note}"));
    Ok(Start {
        command: start.command,
        note: Some(format!(
            "{stands}, which takes {taken}{fits} on a device{more}"
        )),
    })
}

impl Start {
    /// The start of weights that are the row's own.
    fn of(launch: &Launch<'_>) -> Self {
        match command(launch) {
            Ok(command) => Self {
                command: Some(command),
                note: note(launch),
            },
            Err(error) => Self {
                command: None,
                note: Some(format!("no command: {error}")),
            },
        }
    }
}

/// What to know before the command is run.
fn note(launch: &Launch<'_>) -> Option<String> {
    let ready = launch.ready().map(|ready| {
        format!(
            "{ready} is somebody else's {} of {}: which layers it quantizes, and so its memory, may differ",
            launch.format.name, launch.model.id
        )
    });
    let nodes = over_nodes(launch).then(|| {
        let nodes = launch.nodes();
        format!(
            "run it on each of the {nodes} servers: NODE is its number from 0 to {}, LEADER the address of number 0",
            nodes - 1
        )
    });
    let ollama = (launch.engine.id == "ollama").then(|| {
        "a server that runs already keeps its own number of sequences and cache format: stop it first".to_owned()
    });
    let all: Vec<String> = [ready, nodes, ollama].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Whether several servers run it together, each by a command of its own.
fn over_nodes(launch: &Launch<'_>) -> bool {
    match launch.engine.allocator {
        Allocator::Vllm | Allocator::Sglang => launch.service.is_none() && launch.nodes() > 1,
        Allocator::LlamaCpp | Allocator::Transformers => false,
    }
}

/// What runs the server, as one line of a POSIX shell: where several nodes do, what each of them runs.
///
/// # Errors
/// When the engine's version has no flag for something that the plan needs.
pub fn server_line(launch: &Launch<'_>, name: Option<&str>) -> Result<String> {
    let command = serve(launch)?;
    if !over_nodes(launch) {
        return Ok(command.line());
    }
    let words: Vec<String> = again(launch, name)
        .iter()
        .map(|word| quoted(word))
        .collect();
    Ok(format!(
        "{} > serve.sh && sh serve.sh \"$NODE\" \"$LEADER\"",
        words.join(" ")
    ))
}

/// The question that writes one script for all nodes of exactly this launch.
fn again(launch: &Launch<'_>, name: Option<&str>) -> Vec<String> {
    let split = launch.split;
    let mut words = vec![
        "dsk".to_owned(),
        "deploy".to_owned(),
        launch.path.unwrap_or(&launch.model.id).to_owned(),
    ];
    let mut say = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    say("--to", launch.engine.id.clone());
    if let Some(hardware) = launch.hardware {
        say("--gpu", devices(hardware));
    }
    say("--quant", launch.format.id.clone());
    say("--kv", launch.kv.name().to_owned());
    say("--context", launch.context.to_string());
    say("--sequences", launch.sequences.to_string());
    for (flag, parts) in [
        ("--tp", split.tensor),
        ("--pp", split.pipeline),
        ("--dp", split.data),
        ("--ep", split.expert),
    ] {
        say(flag, parts.to_string());
    }
    if let Some(share) = launch.options.utilization {
        say("--utilization", share.to_string());
    }
    if let Some(tokens) = launch.options.batched_tokens {
        say("--batched-tokens", tokens.to_string());
    }
    if let Some(name) = name {
        say("--name", name.to_owned());
    }
    words
}

/// The devices as the command line names them, equal ones counted.
fn devices(hardware: &Hardware) -> String {
    let mut groups: Vec<(String, u64)> = Vec::new();
    for device in &hardware.devices {
        match groups.iter_mut().find(|(id, _)| *id == device.id()) {
            Some((_, times)) => *times += 1,
            None => groups.push((device.id(), 1)),
        }
    }
    let words: Vec<String> = groups
        .into_iter()
        .map(|(id, times)| {
            if times > 1 {
                format!("{times}x{id}")
            } else {
                id
            }
        })
        .collect();
    words.join(",")
}
