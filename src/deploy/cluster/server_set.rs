//! The `LeaderWorkerSet`, whose types no crate ships.
//!
//! Source: kubernetes-sigs/lws, its CRD `leaderworkerset.x-k8s.io/v1` (tests/data/crds).

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

/// Its API group and version.
pub(super) const API_VERSION: &str = "leaderworkerset.x-k8s.io/v1";
/// Its kind.
pub(super) const KIND: &str = "LeaderWorkerSet";

/// Groups of pods, each group one server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaderWorkerSet {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Spec,
}

/// What it keeps running.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replicas: Option<i32>,
    pub(super) leader_worker_template: Template,
}

/// One group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Template {
    pub(super) size: i32,
    pub(super) restart_policy: RestartPolicy,
    pub(super) leader_template: PodTemplateSpec,
    pub(super) worker_template: PodTemplateSpec,
    pub(super) volume_claim_templates: Vec<PersistentVolumeClaim>,
}

/// What a pod that ends does to its group.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) enum RestartPolicy {
    /// All of it starts again: the others wait for a peer that has forgotten them.
    RecreateGroupOnPodRestart,
}
