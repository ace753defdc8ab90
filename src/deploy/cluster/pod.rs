//! The pod of a node: one container with the engine.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    HTTPGetAction, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecretKeySelector,
    SecurityContext, Toleration, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::arguments::{Role, Server, Words, image, literal, words};
use super::sizes::{Sizes, gi, node_label, resource};
use super::{PORT, Rollout, TOKEN};
use crate::error::Result;

/// Seconds between two probes.
const PROBE_SECONDS: u64 = 10;
/// Where the cache volume is mounted.
const CACHE: &str = "/cache";
/// The volume of the cache.
const CACHE_VOLUME: &str = "cache";
/// The volume of `/dev/shm`.
const SHARED_MEMORY_VOLUME: &str = "shared-memory";
/// What the pods of a deployment have in common.
pub(super) struct Pods<'a> {
    rollout: &'a Rollout<'a>,
    server: Server,
    sizes: Sizes,
    image: String,
    resource: &'static str,
}

impl<'a> Pods<'a> {
    pub(super) fn of(rollout: &'a Rollout<'a>, sizes: Sizes) -> Result<Self> {
        let server = Server::of(&rollout.launch, "kubernetes")?;
        Ok(Self {
            rollout,
            server,
            sizes,
            image: image(rollout)?,
            resource: resource(rollout)?,
        })
    }

    /// Labels that select the pods that answer requests.
    pub(super) fn selector(&self) -> BTreeMap<String, String> {
        labels(&[
            ("app.kubernetes.io/instance", &self.rollout.name),
            ("app.kubernetes.io/component", "server"),
        ])
    }

    /// Names and labels of an object.
    pub(super) fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.rollout.name.clone()),
            namespace: self.rollout.place.namespace.map(str::to_owned),
            labels: Some(labels(&[
                ("app.kubernetes.io/name", self.server.word()),
                ("app.kubernetes.io/instance", &self.rollout.name),
                ("app.kubernetes.io/managed-by", "dsk"),
            ])),
            ..ObjectMeta::default()
        }
    }

    /// The template of the pods with `role`.
    pub(super) fn template(&self, role: Role) -> Result<PodTemplateSpec> {
        let component = match role {
            Role::Alone | Role::Leader => "server",
            Role::Worker => "worker",
        };
        Ok(PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(labels(&[
                    ("app.kubernetes.io/name", self.server.word()),
                    ("app.kubernetes.io/instance", &self.rollout.name),
                    ("app.kubernetes.io/component", component),
                ])),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                affinity: self.affinity(),
                automount_service_account_token: Some(false),
                containers: vec![self.container(role)?],
                enable_service_links: Some(false),
                termination_grace_period_seconds: Some(60),
                tolerations: Some(vec![Toleration {
                    key: Some(self.resource.to_owned()),
                    operator: Some("Exists".to_owned()),
                    effect: Some("NoSchedule".to_owned()),
                    ..Toleration::default()
                }]),
                volumes: Some(self.volumes(role)),
                ..PodSpec::default()
            }),
        })
    }

    /// The claim of the cache volume, as `name`.
    pub(super) fn claim(&self, metadata: ObjectMeta) -> PersistentVolumeClaim {
        PersistentVolumeClaim {
            metadata,
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(quantities(&[("storage", gi(self.sizes.volume))])),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        }
    }

    /// The claim of each pod of a set.
    pub(super) fn own_claim(&self) -> PersistentVolumeClaim {
        self.claim(ObjectMeta {
            name: Some(CACHE_VOLUME.to_owned()),
            ..ObjectMeta::default()
        })
    }

    /// The nodes that hold the plan's device, where they can be told.
    fn affinity(&self) -> Option<Affinity> {
        let (key, products) = node_label(self.rollout.hardware)?;
        let term = NodeSelectorTerm {
            match_expressions: Some(vec![NodeSelectorRequirement {
                key: key.to_owned(),
                operator: "In".to_owned(),
                values: Some(products.to_vec()),
            }]),
            match_fields: None,
        };
        Some(Affinity {
            node_affinity: Some(NodeAffinity {
                required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                    node_selector_terms: vec![term],
                }),
                preferred_during_scheduling_ignored_during_execution: None,
            }),
            ..Affinity::default()
        })
    }

    fn container(&self, role: Role) -> Result<Container> {
        let words = words(self.rollout, self.server, role)?;
        let answers = role != Role::Worker;
        Ok(Container {
            name: self.server.word().to_owned(),
            image: Some(self.image.clone()),
            command: Some(words.program.clone()),
            args: Some(words.flat()),
            env: Some(self.environment(&words)),
            ports: answers.then(|| {
                vec![ContainerPort {
                    name: Some("http".to_owned()),
                    container_port: i32::from(PORT),
                    ..ContainerPort::default()
                }]
            }),
            resources: Some(self.resources()),
            security_context: Some(unprivileged()),
            startup_probe: answers.then(|| Probe {
                failure_threshold: Some(saturated(self.sizes.patience.div_ceil(PROBE_SECONDS))),
                ..health()
            }),
            readiness_probe: answers.then(|| Probe {
                failure_threshold: Some(3),
                ..health()
            }),
            liveness_probe: answers.then(|| Probe {
                failure_threshold: Some(6),
                timeout_seconds: Some(10),
                ..health()
            }),
            volume_mounts: Some(vec![
                mount(CACHE_VOLUME, CACHE),
                mount(SHARED_MEMORY_VOLUME, "/dev/shm"),
            ]),
            ..Container::default()
        })
    }

    fn environment(&self, words: &Words) -> Vec<EnvVar> {
        let plain = |name: &str, value: &str| EnvVar {
            name: name.to_owned(),
            value: Some(literal(value)),
            value_from: None,
        };
        let mut variables = vec![plain("HF_HOME", &format!("{CACHE}/huggingface"))];
        if self.server == Server::Vllm {
            variables.push(plain("VLLM_CACHE_ROOT", &format!("{CACHE}/vllm")));
        }
        for (name, value) in self.server.health_variable().iter().copied() {
            variables.push(plain(name, value));
        }
        for (name, value) in &words.environment {
            variables.push(plain(name, value));
        }
        variables.push(EnvVar {
            name: "HF_TOKEN".to_owned(),
            value: None,
            value_from: Some(EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: TOKEN.0.to_owned(),
                    key: TOKEN.1.to_owned(),
                    optional: Some(true),
                }),
                ..EnvVarSource::default()
            }),
        });
        variables
    }

    fn resources(&self) -> ResourceRequirements {
        let devices = (self.resource, self.sizes.devices.to_string());
        let memory = ("memory", gi(self.sizes.memory));
        ResourceRequirements {
            limits: Some(quantities(&[devices.clone(), memory.clone()])),
            requests: Some(quantities(&[
                devices,
                memory,
                ("cpu", self.sizes.cpus.to_string()),
            ])),
            claims: None,
        }
    }

    fn volumes(&self, role: Role) -> Vec<Volume> {
        let shared = Volume {
            name: SHARED_MEMORY_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit: Some(Quantity(gi(self.sizes.shared_memory))),
            }),
            ..Volume::default()
        };
        match role {
            Role::Alone => vec![
                Volume {
                    name: CACHE_VOLUME.to_owned(),
                    persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                        claim_name: self.rollout.name.clone(),
                        read_only: None,
                    }),
                    ..Volume::default()
                },
                shared,
            ],
            Role::Leader | Role::Worker => vec![shared],
        }
    }
}

/// Rights that an engine does without. Its images run as root: their caches and packages belong to it.
fn unprivileged() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        privileged: Some(false),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

fn health() -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/health".to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(saturated(PROBE_SECONDS)),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

/// Labels of an object or a selector.
pub(super) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn quantities(pairs: &[(&str, String)]) -> BTreeMap<String, Quantity> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Quantity(value.clone())))
        .collect()
}

/// The nearest number that Kubernetes' 32 bits hold.
pub(super) fn saturated(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
