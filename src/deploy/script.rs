//! A shell script that runs a plan: the question on top, the commands, how to check it below.

use super::launch::{Launch, Node, prepare, serve};
use super::question::{Deployment, File, Question};
use super::text::comment;
use super::verify::{Verification, served};
use super::words::{Command, LEADER};
use crate::calc::hardware::Hardware;
use crate::catalog::Allocator;
use crate::error::{Error, Result};

/// The script that starts the engine of the plan, and how to check it.
pub(super) fn deploy(question: &Question<'_>, name: &str) -> Result<Deployment> {
    let launch = question.launch()?;
    let (known, version) = launch.known()?;
    let nodes = launch.nodes();
    check_nodes(&launch, nodes)?;
    let verify = served(&launch, question.estimate);
    let remarks = super::notes::notes(question, &launch, known);
    let mut text = format!("#!/bin/sh\n{}", heading(question, &launch, &remarks));
    text.push_str("set -eu\n\n");
    for step in prepare(&launch)? {
        text.push_str(&step.block());
        text.push('\n');
    }
    if nodes > 1 {
        text.push_str(&on_nodes(&launch, nodes)?);
    } else {
        text.push_str(&format!("exec {}\n", serve(&launch)?.block()));
    }
    text.push_str(&footing(&verify));
    Ok(Deployment {
        version: version.to_string(),
        files: vec![File {
            name: name.to_owned(),
            media_type: "application/x-sh",
            text,
        }],
        verify,
        notes: remarks,
    })
}

/// What every file begins with: the question, the plan, what the user should know.
pub(super) fn heading(question: &Question<'_>, launch: &Launch<'_>, notes: &[String]) -> String {
    let mut text = comment(question.asked);
    for line in plan(question, launch) {
        text.push_str(&comment(&line));
    }
    for note in notes {
        text.push_str(&comment(&format!("note: {note}")));
    }
    text
}

/// The plan in a few lines.
pub(super) fn plan(question: &Question<'_>, launch: &Launch<'_>) -> Vec<String> {
    let engine = &launch.engine.name;
    let version = launch.known().map_or_else(
        |_| launch.engine.version.clone(),
        |(_, version)| version.to_string(),
    );
    let mut lines = vec![format!(
        "{} in {}, {engine} {version}, {} x {} tokens, cache in {}",
        launch.model.id,
        launch.format.name,
        launch.sequences,
        launch.context,
        launch.kv.name()
    )];
    let total = question.estimate.memory.fullest().total();
    let devices = launch
        .hardware
        .map_or_else(|| "no hardware named".to_owned(), Hardware::summary);
    lines.push(match question.estimate.available {
        Some(available) => format!("on {devices}: {total} of {available} on the fullest device"),
        None => format!("on {devices}: {total} on the fullest device"),
    });
    lines
}

/// How to check it, as the comments that end a file.
pub(super) fn footing(verify: &[Verification]) -> String {
    let mut text = String::from("\n# To check it:\n");
    for check in verify {
        text.push_str(&comment(&format!("  {}", check.command)));
        text.push_str(&comment(&format!("  and look for {}", check.look_at)));
    }
    text
}

/// Refuses what no engine does across nodes.
pub(super) fn check_nodes(launch: &Launch<'_>, nodes: u64) -> Result<()> {
    if nodes < 2 {
        return Ok(());
    }
    let devices = launch.split.devices();
    let on_one = match launch.engine.allocator {
        Allocator::LlamaCpp | Allocator::Transformers => true,
        Allocator::Vllm | Allocator::Sglang => false,
    };
    if on_one {
        return Err(Error::Unanswerable(format!(
            "{devices} of these devices are {nodes} nodes, and {} is started on one: take vllm or sglang",
            launch.engine.name
        )));
    }
    if !devices.is_multiple_of(nodes) {
        return Err(Error::Unanswerable(format!(
            "{devices} devices do not divide over {nodes} equal nodes"
        )));
    }
    Ok(())
}

/// One script for all nodes, told which one it is on.
fn on_nodes(launch: &Launch<'_>, nodes: u64) -> Result<String> {
    let last = nodes - 1;
    let mut text = format!(
        "# Run it on each of the {nodes} nodes: sh SCRIPT NODE LEADER, NODE from 0 to {last}, LEADER the address of node 0.\n\
         node=${{1:?which node this is, 0 to {last}}}\n\
         leader=${{2:?the address of node 0}}\n\n\
         case $node in\n"
    );
    for rank in 0..nodes {
        let node = Node {
            count: nodes,
            rank,
            leader: LEADER,
        };
        let service = launch.service.map(|service| super::launch::Service {
            node: Some(node),
            ..service
        });
        let command: Command = serve(&Launch { service, ..*launch })?;
        text.push_str(&format!("{rank})\nexec {}\n;;\n", command.block()));
    }
    text.push_str(&format!(
        "*)\necho \"node must be 0 to {last}\" >&2\nexit 2\n;;\nesac\n"
    ));
    Ok(text)
}
