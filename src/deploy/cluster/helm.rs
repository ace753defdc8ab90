//! Values of vLLM's own chart, the production stack.
//!
//! Source: vllm-project/production-stack @a6c01db0, `helm/values.schema.json` and
//! `helm/templates/deployment-vllm-multi.yaml`: what a value ends up as in the pod.

use serde_json::{Value, json};

use super::arguments::{Role, Server, Words, image, literal, words};
use super::sizes::{Sizes, gi, node_label, resource, sizes};
use super::{Document, Manifest, PORT, Rollout, TOKEN, token_comment};
use crate::error::{Error, Result};

/// Seconds after which the chart calls a rollout failed, which no value changes.
const CHART_DEADLINE: u64 = 1200;

/// The values file for `helm install`.
///
/// # Errors
/// When the plan is not vLLM's on one node.
pub(super) fn helm_values(rollout: &Rollout<'_>) -> Result<Manifest> {
    let server = Server::of(&rollout.launch, "helm-values")?;
    let chart = &rollout.defaults.chart;
    if server == Server::Sglang {
        return Err(Error::Unanswerable(format!(
            "the chart {} runs vLLM alone; use `--engine vllm` or `--to kubernetes`",
            chart.name
        )));
    }
    let sizes = sizes(rollout)?;
    if sizes.nodes > 1 {
        return Err(Error::Unanswerable(format!(
            "{} take {} nodes, which the chart {} runs through KubeRay only; use `--to kubernetes`",
            rollout.hardware.summary(),
            sizes.nodes,
            chart.name
        )));
    }
    let name = &rollout.name;
    let space = rollout
        .place
        .namespace
        .map(|namespace| format!(" --namespace {namespace}"))
        .unwrap_or_default();
    Ok(Manifest {
        heading: heading(rollout, sizes),
        documents: vec![Document::of(&[], values(rollout, server, sizes)?)],
        closing: vec![
            "How to check it (this file as values.yaml):".to_owned(),
            format!("  helm repo add vllm {}", chart.repository),
            format!("  helm lint vllm/{} --values values.yaml", chart.name),
            format!(
                "  helm upgrade --install {} vllm/{} --version {} --values values.yaml{space}",
                release(name),
                chart.name,
                chart.version
            ),
            format!(
                "  kubectl{} logs -l model={name} --tail=-1 | grep -iE 'kv cache|model loading'",
                space.replace("--namespace", "-n")
            ),
        ],
    })
}

/// The most letters that the names of release and model may have together: the pod's domain is both with
/// `-engine-service` behind, and a DNS label.
///
/// Source: `subdomain` in the chart's deployment-vllm-multi.yaml.
const BOTH_NAMES: usize = 47;

/// The name of the chart's release: the model's, as far as it may be as long.
fn release(name: &str) -> &str {
    let most = BOTH_NAMES.saturating_sub(name.len());
    let cut = name.get(..most).unwrap_or(name);
    cut.trim_end_matches('-')
}

fn values(rollout: &Rollout<'_>, server: Server, sizes: Sizes) -> Result<Value> {
    let words = words(rollout, server, Role::Alone)?;
    let model = words.program.last().cloned().unwrap_or_default();
    let arguments = own_arguments(&words);
    let image = image(rollout)?;
    let (repository, tag) = image
        .rsplit_once(':')
        .ok_or_else(|| Error::Unanswerable(format!("the image `{image}` has no tag to pin")))?;
    Ok(json!({ "servingEngineSpec": {
        "containerPort": PORT,
        "servicePort": rollout.port(),
        "imagePullPolicy": "IfNotPresent",
        // The chart's default names a runtime class that not every cluster has.
        "runtimeClassName": "",
        "strategy": { "type": "Recreate" },
        "startupProbe": probe(sizes.patience.div_ceil(10), 5),
        "readinessProbe": probe(3, 5),
        "livenessProbe": probe(6, 10),
        "containerSecurityContext": {
            "runAsNonRoot": false,
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "modelSpec": [{
            "name": rollout.name,
            "repository": repository,
            "tag": tag,
            "modelURL": model,
            "replicaCount": 1,
            "requestCPU": sizes.cpus,
            "requestMemory": gi(sizes.memory),
            "limitMemory": gi(sizes.memory),
            "requestGPU": sizes.devices,
            "requestGPUType": resource(rollout)?,
            "pvcStorage": gi(sizes.volume),
            "shmSize": gi(sizes.shared_memory),
            "env": environment(&words),
            "tolerations": [{
                "key": resource(rollout)?,
                "operator": "Exists",
                "effect": "NoSchedule",
            }],
            "nodeSelectorTerms": node_terms(rollout),
            "vllmConfig": {
                // Prefix caching is vLLM's default; the chart would switch it off.
                "enablePrefixCaching": true,
                "tensorParallelSize": rollout.launch.split.tensor,
                "extraArgs": arguments,
            },
        }],
    }}))
}

/// A probe of the server; the chart takes a delay of 0 for none and makes it 15, and writes no time-out of its own.
fn probe(failures: u64, seconds: u64) -> Value {
    json!({
        "initialDelaySeconds": 1,
        "periodSeconds": 10,
        "timeoutSeconds": seconds,
        "failureThreshold": failures,
        "httpGet": { "path": "/health", "port": PORT },
    })
}

/// The variables of the container; the chart mounts its volume at /data and keeps the hub's files there.
fn environment(words: &Words) -> Vec<Value> {
    let plain = |name: &str, value: &str| json!({ "name": name, "value": value });
    let variables = words.environment.iter();
    std::iter::once(plain("VLLM_CACHE_ROOT", "/data/vllm"))
        .chain(variables.map(|(name, value)| plain(name, &literal(value))))
        // The chart's own `hf_token` insists on the Secret, which a public model does without.
        .chain(std::iter::once(json!({
            "name": "HF_TOKEN",
            "valueFrom": { "secretKeyRef": { "name": TOKEN.0, "key": TOKEN.1, "optional": true } },
        })))
        .collect()
}

/// The nodes with the plan's device, where they can be told.
fn node_terms(rollout: &Rollout<'_>) -> Vec<Value> {
    let term = |(key, products): (&str, &[String])| json!({ "matchExpressions": [{ "key": key, "operator": "In", "values": products }] });
    node_label(rollout.hardware).map(term).into_iter().collect()
}

/// The arguments that the chart does not write itself: address, port and tensor parallelism.
fn own_arguments(words: &Words) -> Vec<String> {
    words
        .arguments
        .iter()
        .filter(|argument| {
            let flag = argument.first().map_or("", String::as_str);
            !["--host", "--port", "--tensor-parallel-size"].contains(&flag)
        })
        .flatten()
        .cloned()
        .collect()
}

fn heading(rollout: &Rollout<'_>, sizes: Sizes) -> Vec<String> {
    let chart = &rollout.defaults.chart;
    let mut lines = rollout.heading(&sizes);
    lines.push(format!(
        "values of the chart {} {} ({})",
        chart.name, chart.version, chart.repository
    ));
    lines.push(token_comment());
    // Source: `progressDeadlineSeconds` in its deployment-vllm-multi.yaml.
    if sizes.deadline > CHART_DEADLINE {
        lines.push(format!(
            "the chart calls a rollout failed after {CHART_DEADLINE} s; the pod goes on starting all the same, for as long as its startup probe lets it"
        ));
    }
    lines
}
