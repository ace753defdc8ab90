//! Watching a rollout: what Prometheus scrapes, when it alerts, what KEDA scales on, what Grafana shows.
//!
//! Thresholds come from the plan: its sequences, its memory, its predicted latency.

use serde_json::{Value, json};

use super::server_set;
use super::sizes::Sizes;
use super::{Document, Rollout};
use super::{alerts, dashboard};
use crate::catalog::deployment::{DeviceMetrics, Metrics};
use crate::catalog::gpu::Vendor;
use crate::error::{Error, Result};

/// The address at which Prometheus answers queries.
pub(super) fn prometheus<'a>(rollout: &Rollout<'a>) -> &'a str {
    let usual = &rollout.defaults.monitoring.prometheus;
    rollout.place.prometheus.unwrap_or(usual)
}

/// The installation that reads what is watched.
pub(super) fn release<'a>(rollout: &Rollout<'a>) -> &'a str {
    let usual = &rollout.defaults.monitoring.release;
    rollout.place.release.unwrap_or(usual)
}

/// What is watched.
pub(super) struct Watched<'a> {
    pub(super) rollout: &'a Rollout<'a>,
    pub(super) sizes: Sizes,
    pub(super) metrics: &'a Metrics,
    /// The device exporter's metrics, where they are known.
    pub(super) device: Option<&'a DeviceMetrics>,
}

impl<'a> Watched<'a> {
    pub(super) fn of(rollout: &'a Rollout<'a>, sizes: Sizes) -> Result<Self> {
        let engine = rollout.launch.engine;
        let metrics = engine.metrics.as_ref().ok_or_else(|| {
            Error::Unanswerable(format!("the metrics of {} are not known", engine.name))
        })?;
        let device = rollout.hardware.devices.first();
        let nvidia = device.is_some_and(|device| device.vendor() == Vendor::Nvidia);
        Ok(Self {
            rollout,
            sizes,
            metrics,
            device: nvidia.then_some(&rollout.defaults.device_metrics),
        })
    }

    /// One of the engine's metrics, of this rollout.
    pub(super) fn metric(&self, name: &str) -> String {
        format!("{name}{{{}}}", self.instance())
    }

    /// What picks this rollout's series: its name, and its namespace where that is known.
    pub(super) fn instance(&self) -> String {
        let name = format!("app_kubernetes_io_instance=\"{}\"", self.rollout.name);
        match self.rollout.place.namespace {
            Some(namespace) => format!("{name},namespace=\"{namespace}\""),
            None => name,
        }
    }

    /// A quantile of a histogram over five minutes, as it was `offset` ago.
    pub(super) fn quantile(&self, share: f64, histogram: &str, offset: &str) -> String {
        format!(
            "histogram_quantile({share}, sum by (namespace, le) (rate({histogram}_bucket{{{}}}[5m]{offset})))",
            self.instance()
        )
    }

    /// The share of each device's memory that is in use.
    ///
    /// The exporter's own labels go by `exported_pod` where the scrape does not honour them.
    pub(super) fn device_memory(&self, device: &DeviceMetrics) -> String {
        let used = self.of_pods(&device.used);
        let free = self.of_pods(&device.free);
        format!("max by (Hostname, gpu) ({used} / ({used} + {free}))")
    }

    /// One of the device exporter's metrics, of this deployment's pods and no other's whose name begins alike.
    pub(super) fn of_pods(&self, metric: &str) -> String {
        // A Deployment's pods end with its hash and five letters, a set's with the group's number and the node's.
        let ending = if self.sizes.nodes > 1 {
            "[0-9]+(-[0-9]+)?"
        } else {
            "[a-z0-9]+-[a-z0-9]{5}"
        };
        let pods = format!("{}-{ending}", self.rollout.name);
        let labelled = |prefix: &str| {
            let space = self
                .rollout
                .place
                .namespace
                .map(|space| format!(",{prefix}namespace=\"{space}\""))
                .unwrap_or_default();
            format!("{metric}{{{prefix}pod=~\"{pods}\"{space}}}")
        };
        format!("({} or {})", labelled("exported_"), labelled(""))
    }

    /// Halfway between the memory that the plan lets the engine take and all that a program can have.
    pub(super) fn memory_threshold(&self) -> Option<f64> {
        let device = self.rollout.hardware.smallest()?;
        let usable = device.usable?.bytes.as_f64();
        let planned = self.rollout.question.estimate.available?.as_f64();
        let filled = planned.max(
            self.rollout
                .question
                .estimate
                .memory
                .fullest()
                .total()
                .as_f64(),
        );
        (usable > 0.0 && filled < usable).then(|| rounded(f64::midpoint(filled / usable, 1.0)))
    }
}

/// To a thousandth, for people to read.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Everything that watches the rollout.
pub(super) fn documents(watched: &Watched<'_>) -> Result<Vec<Document>> {
    let name = &watched.rollout.name;
    let board = serde_json::to_string_pretty(&dashboard::of(watched)).map_err(|error| {
        Error::Unanswerable(format!("the dashboard cannot be written: {error}"))
    })?;
    Ok(vec![
        Document::of(
            &["What Prometheus scrapes: the engine's own metrics."],
            pod_monitor(watched),
        ),
        Document::of(
            &["When it alerts. Thresholds are the plan's; the text of each alert says which."],
            rules(watched),
        ),
        Document::of(
            &[
                "More servers while requests queue. A horizontal pod autoscaler does the same from the same",
                "query through the Prometheus adapter. A replica on another node needs a cache volume that",
                "several nodes can mount (ReadWriteMany); raise maxReplicaCount to the devices that you have.",
            ],
            autoscaling(watched),
        ),
        Document::of(
            &["A Grafana dashboard; the sidecar of Grafana's chart loads what has this label."],
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata(watched, &format!("{name}-dashboard"), &json!({"grafana_dashboard": "1"})),
                "data": { format!("{name}.json"): board },
            }),
        ),
    ])
}

fn metadata(watched: &Watched<'_>, name: &str, more: &Value) -> Value {
    let mut labels = json!({
        "app.kubernetes.io/instance": watched.rollout.name,
        "app.kubernetes.io/managed-by": "dsk",
    });
    if let (Some(labels), Some(more)) = (labels.as_object_mut(), more.as_object()) {
        labels.extend(more.clone());
    }
    let mut metadata = json!({ "name": name, "labels": labels });
    if let Some(namespace) = watched.rollout.place.namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

fn pod_monitor(watched: &Watched<'_>) -> Value {
    let name = &watched.rollout.name;
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(watched, name, &json!({ "release": release(watched.rollout) })),
        "spec": {
            "selector": { "matchLabels": {
                "app.kubernetes.io/instance": name,
                "app.kubernetes.io/component": "server",
            }},
            "podTargetLabels": ["app.kubernetes.io/instance"],
            "podMetricsEndpoints": [{ "port": "http", "path": "/metrics", "interval": "15s" }],
        },
    })
}

fn rules(watched: &Watched<'_>) -> Value {
    let name = &watched.rollout.name;
    let rules: Vec<Value> = alerts::of(watched)
        .into_iter()
        .map(|alert| {
            json!({
                "alert": alert.name,
                "expr": alert.expression,
                "for": format!("{}s", alert.seconds),
                "labels": { "severity": alert.severity, "deployment": name },
                "annotations": { "summary": format!("{name}: {}", alert.summary) },
            })
        })
        .collect();
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(watched, name, &json!({ "release": release(watched.rollout) })),
        "spec": { "groups": [{ "name": name, "rules": rules }] },
    })
}

fn autoscaling(watched: &Watched<'_>) -> Value {
    let name = &watched.rollout.name;
    let (version, kind) = if watched.sizes.nodes > 1 {
        (server_set::API_VERSION, server_set::KIND)
    } else {
        ("apps/v1", "Deployment")
    };
    let waiting = watched.metric(&watched.metrics.waiting);
    let settle = watched.sizes.next_start.min(3600);
    json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata(watched, name, &json!({})),
        "spec": {
            "scaleTargetRef": { "apiVersion": version, "kind": kind, "name": name },
            "minReplicaCount": 1,
            "maxReplicaCount": 2,
            "pollingInterval": 15,
            "advanced": { "horizontalPodAutoscalerConfig": { "behavior": {
                "scaleDown": { "stabilizationWindowSeconds": settle },
            }}},
            "triggers": [{
                "type": "prometheus",
                "metadata": {
                    "serverAddress": prometheus(watched.rollout),
                    "query": format!("sum({waiting})"),
                    "threshold": watched.rollout.launch.sequences.to_string(),
                },
            }],
        },
    })
}
