//! SGLang's server.

use super::launch::{Launch, Service, loading};
use super::question::{Deployment, Question};
use super::words::{Arguments, Command};
use crate::calc::sglang::attention_replicas;
use crate::catalog::{KvFormat, Setting};
use crate::error::Result;
use crate::request::no_such_cache;

/// The port on which the first node of a multi-node server waits for the others.
const LEADER_PORT: u16 = 20_000;

/// The server of one node.
pub(super) fn serve(launch: &Launch<'_>) -> Result<Command> {
    let (known, version) = launch.known()?;
    let mut arguments = Arguments::of(known, version, launch.engine.allocator);
    arguments.set(Setting::Model, launch.loaded()?);
    arguments.set(Setting::Context, launch.context);
    // Replicas that share all but the attention count together, others each its own.
    let together = replicas(launch) > 1;
    arguments.set(
        Setting::Sequences,
        if together {
            launch.sequences
        } else {
            launch.sequences_each()
        },
    );
    loading(launch, &mut arguments);
    match launch.kv {
        KvFormat::F16 if launch.may_shrink_cache() => arguments.set(Setting::KvFormat, "bf16"),
        KvFormat::F16 => {}
        KvFormat::Fp8 => arguments.set(Setting::KvFormat, "fp8_e4m3"),
        KvFormat::F32
        | KvFormat::Fp8IndexFp4
        | KvFormat::Fp8DsMla
        | KvFormat::Nvfp4DsMla
        | KvFormat::Q8_0
        | KvFormat::Q5_1
        | KvFormat::Q5_0
        | KvFormat::Q4_1
        | KvFormat::Q4_0
        | KvFormat::Iq4Nl => return Err(no_such_cache(launch.engine, launch.kv)),
    }
    if let Some(share) = launch.options.utilization {
        arguments.set(Setting::Utilization, share);
    }
    if let Some(tokens) = launch.options.batched_tokens {
        arguments.set(Setting::BatchedTokens, tokens);
    }
    split(launch, &mut arguments)?;
    if launch.needs_code(known) {
        arguments.switch(Setting::TrustCode);
    }
    if let Some(service) = &launch.service {
        for setting in [Setting::ReasoningParser, Setting::ToolParser] {
            if let Some(parser) = launch.parser(setting) {
                arguments.set(setting, &parser.name);
            }
        }
        serving(service, &mut arguments);
    }
    Ok(Command {
        environment: Vec::new(),
        program: ["python", "-m", "sglang.launch_server"]
            .map(str::to_owned)
            .to_vec(),
        arguments: arguments.finish(&launch.engine.name)?,
    })
}

/// Replicas of the attention among devices that share the rest.
fn replicas(launch: &Launch<'_>) -> u64 {
    attention_replicas(&launch.model.shape, &launch.split)
}

/// The split. With replicas of the attention the tensor size counts all devices of a stage, of which each
/// replica's attention takes its part.
fn split(launch: &Launch<'_>, arguments: &mut Arguments<'_>) -> Result<()> {
    let replicas = replicas(launch);
    for (setting, parts) in [
        (
            Setting::Tensor,
            launch.split.tensor.saturating_mul(replicas),
        ),
        (Setting::Pipeline, launch.split.pipeline),
        (Setting::Data, launch.split.data),
        (Setting::ExpertSize, launch.experts()?.unwrap_or(1)),
    ] {
        if parts > 1 {
            arguments.set(setting, parts);
        }
    }
    if replicas > 1 {
        arguments.switch(Setting::DataAttention);
    }
    if let Some(node) = launch.service.and_then(|service| service.node) {
        arguments.set(Setting::Nodes, node.count);
        arguments.set(Setting::NodeRank, node.rank);
        arguments.set(Setting::Leader, format!("{}:{LEADER_PORT}", node.leader));
    }
    Ok(())
}

fn serving(service: &Service<'_>, arguments: &mut Arguments<'_>) {
    if let Some(tokens) = service.draft_tokens {
        arguments.set(Setting::Draft, "EAGLE");
        arguments.set(Setting::DraftSteps, tokens);
        arguments.set(Setting::DraftBranches, 1);
        arguments.set(Setting::DraftTokens, tokens.saturating_add(1));
    }
    arguments.set(Setting::ServedName, service.name);
    arguments.set(Setting::Host, service.host);
    arguments.set(Setting::Port, service.port);
}

/// The script.
pub(super) fn deploy(question: &Question<'_>) -> Result<Deployment> {
    super::script::deploy(question, "serve-sglang.sh")
}
