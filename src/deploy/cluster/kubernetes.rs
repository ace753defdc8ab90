//! Kubernetes: a Deployment for one node, a `LeaderWorkerSet` for several, a Service, monitoring.

use k8s_openapi::api::apps::v1::{
    Deployment as ServerDeployment, DeploymentSpec, DeploymentStrategy,
};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde_json::Value;

use super::arguments::Role;
use super::monitoring::{self, Watched};
use super::pod::{Pods, saturated};
use super::server_set::{API_VERSION, KIND, LeaderWorkerSet, RestartPolicy, Spec, Template};
use super::sizes::{Sizes, sizes};
use super::{Document, Manifest, Rollout, token_comment};
use crate::error::{Error, Result};

/// The objects that run the plan in a cluster.
///
/// # Errors
/// When no cluster runs the plan's engine on its devices, or the devices do not fill whole nodes.
pub(super) fn kubernetes(rollout: &Rollout<'_>) -> Result<Manifest> {
    let sizes = sizes(rollout)?;
    let pods = Pods::of(rollout, sizes)?;
    let mut documents = if sizes.nodes > 1 {
        vec![server_set(rollout, &pods, sizes)?]
    } else {
        vec![
            Document::of(
                &["The model's cache: fetched once, kept when the pod goes."],
                value(&pods.claim(pods.metadata()))?,
            ),
            server(rollout, &pods, sizes)?,
        ]
    };
    documents.push(service(rollout, &pods)?);
    if !rollout.place.bare {
        documents.extend(monitoring::documents(&Watched::of(rollout, sizes)?)?);
    }
    Ok(Manifest {
        heading: heading(rollout, sizes),
        documents,
        closing: closing(rollout, sizes),
    })
}

/// An object as a value.
pub(super) fn value(object: &impl Serialize) -> Result<Value> {
    serde_json::to_value(object)
        .map_err(|error| Error::Unanswerable(format!("an object cannot be written: {error}")))
}

/// Replicas are the autoscaler's where there is one.
fn replicas(rollout: &Rollout<'_>) -> Option<i32> {
    rollout.place.bare.then_some(1)
}

fn server(rollout: &Rollout<'_>, pods: &Pods<'_>, sizes: Sizes) -> Result<Document> {
    let object = ServerDeployment {
        metadata: pods.metadata(),
        spec: Some(DeploymentSpec {
            replicas: replicas(rollout),
            // The old pod holds the devices and the volume that the new one needs.
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                rolling_update: None,
            }),
            progress_deadline_seconds: Some(saturated(sizes.deadline)),
            selector: LabelSelector {
                match_labels: Some(pods.selector()),
                match_expressions: None,
            },
            template: pods.template(Role::Alone)?,
            ..DeploymentSpec::default()
        }),
        status: None,
    };
    Ok(Document::of(&["The server."], value(&object)?))
}

fn server_set(rollout: &Rollout<'_>, pods: &Pods<'_>, sizes: Sizes) -> Result<Document> {
    let object = LeaderWorkerSet {
        api_version: API_VERSION,
        kind: KIND,
        metadata: pods.metadata(),
        spec: Spec {
            replicas: replicas(rollout),
            leader_worker_template: Template {
                size: saturated(sizes.nodes),
                restart_policy: RestartPolicy::RecreateGroupOnPodRestart,
                leader_template: pods.template(Role::Leader)?,
                worker_template: pods.template(Role::Worker)?,
                volume_claim_templates: vec![pods.own_claim()],
            },
        },
    };
    let comments = [
        "One server on several nodes: the leader answers, the workers join it by the engine's own means.",
        "Each node keeps a cache of its own. Where nodes have RDMA, give both containers its resource",
        "(the name is your device plugin's, such as rdma/ib) and the capability IPC_LOCK, and set",
        "NCCL_IB_HCA; without it NCCL goes over TCP and tensor parallelism across nodes is slow.",
        "The annotation leaderworkerset.sigs.k8s.io/exclusive-topology keeps a group within one rack.",
    ];
    Ok(Document::of(&comments, value(&object)?))
}

fn service(rollout: &Rollout<'_>, pods: &Pods<'_>) -> Result<Document> {
    let object = Service {
        metadata: pods.metadata(),
        spec: Some(ServiceSpec {
            selector: Some(pods.selector()),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: i32::from(rollout.port()),
                target_port: Some(IntOrString::String("http".to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    };
    Ok(Document::of(
        &["Its address in the cluster."],
        value(&object)?,
    ))
}

fn heading(rollout: &Rollout<'_>, sizes: Sizes) -> Vec<String> {
    let mut lines = rollout.heading(&sizes);
    lines.push(token_comment());
    let mut needs: Vec<String> = Vec::new();
    if sizes.nodes > 1 {
        needs.push(
            "the LeaderWorkerSet controller, 0.6.0 or newer (it sets LWS_WORKER_INDEX)".to_owned(),
        );
    }
    if !rollout.place.bare {
        needs.push(format!(
            "the Prometheus operator, reading what is labelled `release: {}` (kube-prometheus-stack reads what has the name of its own installation there: --prometheus-release NAME), with Prometheus at {} (--prometheus URL), and KEDA; or --no-monitoring",
            monitoring::release(rollout),
            monitoring::prometheus(rollout)
        ));
    }
    if !needs.is_empty() {
        lines.push(format!("the cluster needs {}", needs.join(", ")));
    }
    lines
}

fn closing(rollout: &Rollout<'_>, sizes: Sizes) -> Vec<String> {
    let name = &rollout.name;
    let space = rollout
        .place
        .namespace
        .map(|namespace| format!(" -n {namespace}"))
        .unwrap_or_default();
    let port = rollout.port();
    let follow = if sizes.nodes > 1 {
        format!(
            "kubectl{space} wait --for=condition=Available leaderworkerset/{name} --timeout={}s",
            sizes.deadline
        )
    } else {
        format!(
            "kubectl{space} rollout status deployment/{name} --timeout={}s",
            sizes.deadline
        )
    };
    vec![
        "How to check it:".to_owned(),
        format!("  {follow}"),
        format!(
            "  kubectl{space} logs -l app.kubernetes.io/instance={name},app.kubernetes.io/component=server --tail=-1 | grep -iE 'kv cache|model loading|load weight'"
        ),
        format!("  kubectl{space} port-forward service/{name} {port}:{port}"),
        format!("  curl -s localhost:{port}/v1/models"),
    ]
}
