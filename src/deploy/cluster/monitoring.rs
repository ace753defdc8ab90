//! Watching a rollout: what Prometheus scrapes, when it alerts, what KEDA scales on, what Grafana shows.
//!
//! Thresholds come from the plan: its sequences, its memory, its predicted latency.

use serde_json::{Value, json};

use super::dashboard;
use super::server_set;
use super::sizes::Sizes;
use super::{Document, Rollout};
use crate::catalog::deployment::{DeviceMetrics, Metrics};
use crate::catalog::gpu::Vendor;
use crate::error::{Error, Result};

/// Where the Prometheus operator's own service answers, in the namespace that its charts use.
const PROMETHEUS: &str = "http://prometheus-operated.monitoring.svc:9090";
/// Where an unpredicted latency alerts: so many times what it was a week before.
const WORSE: u32 = 2;

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

    fn instance(&self) -> String {
        format!("app_kubernetes_io_instance=\"{}\"", self.rollout.name)
    }

    /// The 99th percentile of a histogram over five minutes, as it was `offset` ago.
    pub(super) fn p99(&self, histogram: &str, offset: &str) -> String {
        format!(
            "histogram_quantile(0.99, sum by (namespace, le) (rate({histogram}_bucket{{{}}}[5m]{offset})))",
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

    /// One of the device exporter's metrics, of this deployment's pods.
    pub(super) fn of_pods(&self, metric: &str) -> String {
        let name = &self.rollout.name;
        format!("({metric}{{exported_pod=~\"{name}-.+\"}} or {metric}{{pod=~\"{name}-.+\"}})")
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
        "metadata": metadata(watched, name, &json!({})),
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

/// An alert: its name, expression, how long it must hold, and what it says.
struct Alert {
    name: &'static str,
    expression: String,
    minutes: u32,
    severity: &'static str,
    summary: String,
}

fn rules(watched: &Watched<'_>) -> Value {
    let name = &watched.rollout.name;
    let rules: Vec<Value> = alerts(watched)
        .into_iter()
        .map(|alert| {
            json!({
                "alert": alert.name,
                "expr": alert.expression,
                "for": format!("{}m", alert.minutes),
                "labels": { "severity": alert.severity, "deployment": name },
                "annotations": { "summary": format!("{name}: {}", alert.summary) },
            })
        })
        .collect();
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(watched, name, &json!({})),
        "spec": { "groups": [{ "name": name, "rules": rules }] },
    })
}

fn alerts(watched: &Watched<'_>) -> Vec<Alert> {
    let metrics = watched.metrics;
    let sequences = watched.rollout.launch.sequences;
    let waiting = watched.metric(&metrics.waiting);
    let mut alerts = vec![
        Alert {
            name: "ServerDown",
            expression: format!("up{{{}}} == 0", watched.instance()),
            minutes: 5,
            severity: "critical",
            summary: "the server does not answer".to_owned(),
        },
        Alert {
            name: "QueueDepth",
            expression: format!("sum by (namespace) ({waiting}) > {sequences}"),
            minutes: 5,
            severity: "warning",
            summary: format!(
                "more requests wait than the {sequences} that the plan answers at once"
            ),
        },
        Alert {
            name: "CacheFull",
            expression: format!(
                "max by (namespace) ({}) > 0.95 and sum by (namespace) ({waiting}) > 0",
                watched.metric(&metrics.kv_usage)
            ),
            minutes: 10,
            severity: "warning",
            summary: "requests wait because the key-value cache is full".to_owned(),
        },
    ];
    let predicted = watched.rollout.latency;
    alerts.push(slow(
        watched,
        ("FirstTokenP99", "first token", &metrics.first_token),
        predicted.map(|latency| latency.first_token),
    ));
    alerts.push(slow(
        watched,
        (
            "OutputTokenP99",
            "time between tokens",
            &metrics.output_token,
        ),
        predicted.map(|latency| latency.output_token),
    ));
    alerts.push(slow(
        watched,
        ("RequestP99", "whole request", &metrics.end_to_end),
        None,
    ));
    if let (Some(device), Some(threshold)) = (watched.device, watched.memory_threshold()) {
        alerts.push(Alert {
            name: "DeviceMemory",
            expression: format!("{} > {threshold}", watched.device_memory(device)),
            minutes: 5,
            severity: "warning",
            summary: format!(
                "a device holds more than {:.1}% of its memory: past what the plan lets the engine take",
                threshold * 100.0
            ),
        });
    }
    alerts
}

/// An alert on a 99th percentile: beyond the prediction, or twice what it was a week before.
fn slow(
    watched: &Watched<'_>,
    (name, what, histogram): (&'static str, &str, &str),
    predicted: Option<f64>,
) -> Alert {
    let now = watched.p99(histogram, "");
    let prompt = watched.rollout.latency.map_or(0, |latency| latency.prompt);
    let (expression, summary) = match predicted.map(rounded) {
        Some(limit) if limit > 0.0 => (
            format!("{now} > {limit}"),
            format!(
                "P99 of the {what} is above {limit} s, within which nine requests in ten are predicted, with prompts and answers of {prompt} tokens"
            ),
        ),
        Some(_) | None => (
            format!("{now} > {WORSE} * {}", watched.p99(histogram, " offset 1w")),
            format!("P99 of the {what} is {WORSE} times what it was a week before (no prediction)"),
        ),
    };
    Alert {
        name,
        expression,
        minutes: 10,
        severity: "warning",
        summary,
    }
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
                    "serverAddress": PROMETHEUS,
                    "query": format!("sum({waiting})"),
                    "threshold": watched.rollout.launch.sequences.to_string(),
                },
            }],
        },
    })
}
