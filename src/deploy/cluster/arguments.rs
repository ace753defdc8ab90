//! The engine's command inside a container, on one node or as one of several.

use super::{PORT, Rollout};
use crate::catalog::deployment::Image;
use crate::catalog::{Allocator, Setting};
use crate::deploy::launch::{Launch, Node, Service};
use crate::deploy::serve;
use crate::error::{Error, Result};

/// An engine that clusters run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
}

impl Server {
    /// The engine of the plan.
    pub(super) fn of(launch: &Launch<'_>, target: &str) -> Result<Self> {
        let engine = launch.engine;
        match engine.allocator {
            _ if launch.on_processor() => Err(Error::Unanswerable(format!(
                "{target} runs vLLM or SGLang on GPUs, not on a processor"
            ))),
            Allocator::Vllm => Ok(Self::Vllm),
            Allocator::Sglang => Ok(Self::Sglang),
            Allocator::LlamaCpp | Allocator::Transformers => Err(Error::Unanswerable(format!(
                "{target} runs vLLM or SGLang, not {}; add `--engine vllm`",
                engine.name
            ))),
        }
    }

    /// The variable that makes `/health` answer at once, where it would wait for a token in the queue.
    ///
    /// Source: SGLang `srt/environ.py`, `SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION = EnvBool(True)`, and
    /// `srt/entrypoints/http_server.py`: unless it is off, a probe generates one token behind all that waits.
    pub(super) fn health_variable(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Vllm => None,
            Self::Sglang => Some(("SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION", "0")),
        }
    }

    /// The word for it in labels.
    #[cfg_attr(
        not(feature = "manifests"),
        expect(dead_code, reason = "only Kubernetes asks")
    )]
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
        }
    }
}

/// A program of a container and its arguments, as Kubernetes and Compose read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// Variables of its environment.
    pub(super) environment: Vec<(String, String)>,
    /// What replaces the image's entry point.
    pub(super) program: Vec<String>,
    /// Its arguments, each with its values.
    pub(super) arguments: Vec<Vec<String>>,
}

/// Where a container stands among the nodes of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "manifests"),
    expect(dead_code, reason = "only Kubernetes asks")
)]
pub(super) enum Role {
    /// Alone.
    Alone,
    /// The node that answers requests.
    Leader,
    /// Any other.
    Worker,
}

/// Stands for the leader's address until Kubernetes' variable takes its place.
const LEADER: &str = "leader.invalid";
/// The variables that the controller of a `LeaderWorkerSet` sets in each container.
///
/// Source: kubernetes-sigs/lws @060ab4d `api/leaderworkerset/v1/leaderworkerset_types.go`.
const LEADER_VARIABLE: &str = "$(LWS_LEADER_ADDRESS)";
/// The number of the node, 0 for the leader.
const RANK_VARIABLE: &str = "LWS_WORKER_INDEX";

/// The plan's command for one node, listening to the outside.
pub(super) fn words(rollout: &Rollout<'_>, server: Server, role: Role) -> Result<Words> {
    let count = rollout.launch.nodes();
    let node = |rank| Node {
        count,
        rank,
        leader: LEADER,
    };
    let node = match role {
        Role::Alone => None,
        Role::Leader => Some(node(0)),
        Role::Worker => Some(node(1)),
    };
    let launch = Launch {
        service: rollout.launch.service.map(|service| Service {
            host: "0.0.0.0",
            port: PORT,
            node,
            ..service
        }),
        ..rollout.launch
    };
    let command = serve(&launch)?;
    let (known, version) = launch.known()?;
    let mut words = Words {
        environment: command.environment,
        program: command.program.iter().map(|word| literal(word)).collect(),
        arguments: command.arguments,
    };
    for argument in &mut words.arguments {
        for word in argument.iter_mut() {
            *word = literal(word);
        }
    }
    if let (Server::Sglang, Some(flag)) = (server, known.flag(Setting::Metrics, version)) {
        words.arguments.push(vec![flag.to_owned()]);
    }
    // The images of SGLang have no `python`.
    if let Some(program) = words.program.first_mut().filter(|word| *word == "python") {
        "python3".clone_into(program);
    }
    if role != Role::Alone {
        let flag = |setting| known.flag(setting, version);
        for setting in [Setting::Leader, Setting::DataAddress] {
            replace(&mut words, flag(setting), |value| {
                value.replace(LEADER, LEADER_VARIABLE)
            });
        }
        if role == Role::Worker {
            replace(&mut words, flag(Setting::NodeRank), |_| {
                format!("$({RANK_VARIABLE})")
            });
            first_replica(&mut words, flag(Setting::DataStart));
        }
    }
    Ok(words)
}

/// Changes the value of a flag.
fn replace(words: &mut Words, flag: Option<&str>, change: impl Fn(&str) -> String) {
    for argument in &mut words.arguments {
        if let [name, value] = argument.as_mut_slice()
            && Some(name.as_str()) == flag
        {
            *value = change(value);
        }
    }
}

/// Leaves the first replica of a node to the shell: its number is the node's times the replicas of each.
fn first_replica(words: &mut Words, flag: Option<&str>) {
    let place = words
        .arguments
        .iter()
        .position(|argument| argument.first().map(String::as_str) == flag);
    let Some([flag, first]) = place
        .map(|place| words.arguments.remove(place))
        .and_then(|argument| <[String; 2]>::try_from(argument).ok())
    else {
        return;
    };
    // The command is the second node's, whose first replica has the number of replicas that a node holds.
    let script = format!("exec \"$@\" {flag} \"$(({RANK_VARIABLE} * {first}))\"");
    let program = std::mem::take(&mut words.program);
    words.program = ["sh", "-c", &literal(&script), "sh"]
        .map(str::to_owned)
        .to_vec();
    words.program.extend(program);
}

impl Words {
    /// The arguments, one word each.
    pub(super) fn flat(&self) -> Vec<String> {
        self.arguments.iter().flatten().cloned().collect()
    }
}

/// `text` where `$(NAME)` and `${NAME}` would be replaced by Kubernetes or Compose: every dollar twice.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// The pinned image of the plan's engine for its devices.
pub(super) fn image(rollout: &Rollout<'_>) -> Result<String> {
    if let Some(image) = rollout.place.image {
        return Ok(image.to_owned());
    }
    published(rollout)
        .map(|image| image.of_version(&rollout.version.to_string()))
        .ok_or_else(|| {
            Error::Unanswerable(format!(
                "no image of {} for {} is known; name one with `--image`",
                rollout.launch.engine.name,
                rollout.hardware.summary()
            ))
        })
}

/// What to say about an image whose tag nobody was seen to use.
pub(super) fn unseen(rollout: &Rollout<'_>) -> Option<String> {
    let image = published(rollout).filter(|_| rollout.place.image.is_none())?;
    let version = rollout.version.to_string();
    (!image.seen.contains(&version)).then(|| {
        format!(
            "the image {} is named as those of {} are; this one was not seen",
            image.of_version(&version),
            image.seen.join(", ")
        )
    })
}

fn published<'a>(rollout: &Rollout<'a>) -> Option<&'a Image> {
    let device = rollout.hardware.devices.first()?;
    let mut images = rollout.launch.engine.images.iter();
    images.find(|image| image.runs_on(device.vendor(), device.gpu.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kubernetes turns `$$` into `$` and then looks for no variable.
    #[test]
    fn dollars_are_doubled() {
        assert_eq!(literal("$(reboot) ${x} $"), "$$(reboot) $${x} $$");
    }
}
