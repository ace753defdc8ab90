//! Values of vLLM's own chart, the production stack.
//!
//! Source: vllm-project/production-stack @a6c01db0, `helm/values.schema.json` and
//! `helm/templates/deployment-vllm-multi.yaml`: what a value ends up as in the pod.

use serde_json::{Value, json};

use super::arguments::{Role, Server, Words, image, literal, words};
use super::sizes::{Sizes, gi, resource, sizes};
use super::{Document, Manifest, PORT, Rollout, TOKEN, token_comment};
use crate::error::{Error, Result};

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
                "  helm upgrade --install {name} vllm/{} --version {} --values values.yaml{space}",
                chart.name, chart.version
            ),
            format!(
                "  kubectl{} logs -l model={name} --tail=-1 | grep -iE 'kv cache|model loading'",
                space.replace("--namespace", "-n")
            ),
        ],
    })
}

fn values(rollout: &Rollout<'_>, server: Server, sizes: Sizes) -> Result<Value> {
    let words = words(rollout, server, Role::Alone)?;
    let model = words.program.last().cloned().unwrap_or_default();
    let arguments = own_arguments(&words);
    let image = image(rollout)?;
    let (repository, tag) = image
        .rsplit_once(':')
        .ok_or_else(|| Error::Unanswerable(format!("the image `{image}` has no tag to pin")))?;
    // The chart's own `hf_token` insists on the Secret, which a public model does without.
    let token = json!({
        "name": "HF_TOKEN",
        "valueFrom": { "secretKeyRef": { "name": TOKEN.0, "key": TOKEN.1, "optional": true } },
    });
    let variables = words.environment.iter();
    let environment: Vec<Value> = variables
        .map(|(name, value)| json!({ "name": name, "value": literal(value) }))
        .chain(std::iter::once(token))
        .collect();
    let probe = |failures: u64| {
        json!({
            "initialDelaySeconds": 0,
            "periodSeconds": 10,
            "failureThreshold": failures,
            "httpGet": { "path": "/health", "port": PORT },
        })
    };
    Ok(json!({ "servingEngineSpec": {
        "containerPort": PORT,
        "servicePort": rollout.port(),
        "imagePullPolicy": "IfNotPresent",
        // The chart's default names a runtime class that not every cluster has.
        "runtimeClassName": "",
        "strategy": { "type": "Recreate" },
        "startupProbe": probe(sizes.first_start.div_ceil(10)),
        "readinessProbe": probe(3),
        "livenessProbe": probe(6),
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
            "env": environment,
            "vllmConfig": {
                // Prefix caching is vLLM's default; the chart would switch it off.
                "enablePrefixCaching": true,
                "tensorParallelSize": rollout.launch.split.tensor,
                "extraArgs": arguments,
            },
        }],
    }}))
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
    lines
}
