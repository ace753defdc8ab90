//! `vllm serve`.

use super::launch::{Launch, Service};
use super::question::{Deployment, Question};
use super::words::{Arguments, Command};
use crate::calc::vllm::{batched_tokens, utilization};
use crate::catalog::{KvFormat, Setting};
use crate::error::Result;
use crate::request::no_such_cache;

/// The port on which the first node of a multi-node server waits for the others.
const LEADER_PORT: u16 = 29_501;

/// The server of one node.
pub(super) fn serve(launch: &Launch<'_>) -> Result<Command> {
    let (known, version) = launch.known()?;
    let mut arguments = Arguments::of(known, version, launch.engine.allocator);
    arguments.set(Setting::Context, launch.context);
    // Each replica counts its own.
    arguments.set(Setting::Sequences, launch.sequences_each());
    formats(launch, &mut arguments)?;
    match (launch.options.utilization, launch.service) {
        (Some(share), _) => arguments.set(Setting::Utilization, share),
        // The default differs by version, and the plan's cache counts on this one.
        (None, Some(_)) => arguments.set(Setting::Utilization, utilization(&launch.load())),
        (None, None) => {}
    }
    // So does this one: from 160 GiB on it is 16,384 in 0.32, 8,192 in 0.24.
    let planned = launch
        .service
        .and_then(|_| batched_tokens(&launch.load()))
        .map(|tokens| tokens.0);
    if let Some(tokens) = launch.options.batched_tokens.or(planned) {
        arguments.set(Setting::BatchedTokens, tokens);
    }
    split(launch, &mut arguments)?;
    if launch.needs_code(known) {
        arguments.switch(Setting::TrustCode);
    }
    if let Some(service) = &launch.service {
        answers(launch, &mut arguments);
        serving(service, &mut arguments);
    }
    Ok(Command {
        environment: Vec::new(),
        program: vec!["vllm".to_owned(), "serve".to_owned(), launch.loaded()?],
        arguments: arguments.finish(&launch.engine.name)?,
    })
}

/// How weights and cache are stored, where the checkpoint does not say it itself.
fn formats(launch: &Launch<'_>, arguments: &mut Arguments<'_>) -> Result<()> {
    super::launch::loading(launch, arguments);
    let kind = match launch.kv {
        KvFormat::F16 if launch.may_shrink_cache() => "bfloat16",
        KvFormat::F16 => return Ok(()),
        KvFormat::Fp8 => "fp8",
        KvFormat::Fp8DsMla => "fp8_ds_mla",
        KvFormat::Nvfp4DsMla => "nvfp4_ds_mla",
        KvFormat::F32
        | KvFormat::Fp8IndexFp4
        | KvFormat::Q8_0
        | KvFormat::Q5_1
        | KvFormat::Q5_0
        | KvFormat::Q4_1
        | KvFormat::Q4_0
        | KvFormat::Iq4Nl => {
            return Err(no_such_cache(launch.engine, launch.kv));
        }
    };
    arguments.set(Setting::KvFormat, kind);
    Ok(())
}

fn split(launch: &Launch<'_>, arguments: &mut Arguments<'_>) -> Result<()> {
    for (setting, parts) in [
        (Setting::Tensor, launch.split.tensor),
        (Setting::Pipeline, launch.split.pipeline),
        (Setting::Data, launch.split.data),
    ] {
        if parts > 1 {
            arguments.set(setting, parts);
        }
    }
    if launch.experts()?.is_some() {
        arguments.switch(Setting::Expert);
    }
    let Some(node) = launch.service.and_then(|service| service.node) else {
        return Ok(());
    };
    let replica = launch.split.tensor.saturating_mul(launch.split.pipeline);
    let each = launch.split.devices() / node.count.max(1);
    if launch.split.data > 1 && replica <= each {
        let local = each / replica.max(1);
        arguments.set(Setting::DataLocal, local);
        arguments.set(Setting::DataAddress, node.leader);
        if node.rank > 0 {
            arguments.set(Setting::DataStart, node.rank.saturating_mul(local));
        }
    } else {
        if launch.split.data > 1 {
            arguments.set(Setting::DataAddress, node.leader);
        }
        arguments.set(Setting::Nodes, node.count);
        arguments.set(Setting::NodeRank, node.rank);
        arguments.set(Setting::Leader, node.leader);
        arguments.set(Setting::LeaderPort, LEADER_PORT);
    }
    if node.rank > 0 {
        arguments.switch(Setting::Headless);
    }
    Ok(())
}

/// What reads reasoning and tool calls, where the model's template has them.
fn answers(launch: &Launch<'_>, arguments: &mut Arguments<'_>) {
    if let Some(parser) = launch.parser(Setting::ReasoningParser) {
        arguments.set(Setting::ReasoningParser, &parser.name);
    }
    if let Some(parser) = launch.parser(Setting::ToolParser) {
        arguments.set(Setting::ToolParser, &parser.name);
        arguments.switch(Setting::AutoTool);
    }
}

fn serving(service: &Service<'_>, arguments: &mut Arguments<'_>) {
    if let Some(tokens) = service.draft_tokens {
        let config = format!("{{\"method\": \"mtp\", \"num_speculative_tokens\": {tokens}}}");
        arguments.set(Setting::Draft, config);
    }
    if service.node.is_some_and(|node| node.rank > 0) {
        return;
    }
    arguments.set(Setting::ServedName, service.name);
    arguments.set(Setting::Host, service.host);
    arguments.set(Setting::Port, service.port);
}

/// The script.
pub(super) fn deploy(question: &Question<'_>) -> Result<Deployment> {
    super::script::deploy(question, "serve-vllm.sh")
}
