//! The Grafana dashboard: the article's three (device memory, queue, P99 latency), and what explains them.

use serde_json::{Value, json};

use super::monitoring::{Watched, rounded};

/// Grafana's grid is 24 columns wide; two panels stand side by side.
const WIDTH: usize = 12;
/// Rows of a panel.
const HEIGHT: usize = 8;

/// One panel: its title, unit, a threshold, and the lines in it.
struct Panel {
    title: &'static str,
    unit: &'static str,
    threshold: Option<f64>,
    lines: Vec<(String, &'static str)>,
}

/// The dashboard of what is watched.
pub(super) fn of(watched: &Watched<'_>) -> Value {
    let name = &watched.rollout.name;
    let panels: Vec<Value> = panels(watched)
        .into_iter()
        .enumerate()
        .map(|(number, panel)| written(number, panel))
        .collect();
    json!({
        "uid": name,
        "title": format!("{name} ({})", watched.rollout.launch.model.name),
        "tags": ["dsk"],
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "templating": { "list": [{
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
        }]},
        "panels": panels,
    })
}

fn panels(watched: &Watched<'_>) -> Vec<Panel> {
    let metrics = watched.metrics;
    let latency = watched.rollout.latency;
    let sum = |metric: &str| format!("sum by (namespace) ({})", watched.metric(metric));
    let rate = |metric: &str| format!("sum by (namespace) (rate({}[5m]))", watched.metric(metric));
    let sequences = crate::units::float(watched.rollout.launch.sequences);
    let mut panels = Vec::new();
    if let Some(device) = watched.device {
        panels.push(Panel {
            title: "Device memory in use",
            unit: "percentunit",
            threshold: watched.memory_threshold(),
            lines: vec![(watched.device_memory(device), "{{Hostname}} {{gpu}}")],
        });
        panels.push(Panel {
            title: "Device utilization",
            unit: "percent",
            threshold: None,
            lines: vec![(watched.of_pods(&device.utilization), "{{Hostname}} {{gpu}}")],
        });
    }
    panels.extend([
        Panel {
            title: "Requests",
            unit: "short",
            threshold: Some(sequences),
            lines: vec![
                (sum(&metrics.running), "running"),
                (sum(&metrics.waiting), "waiting"),
            ],
        },
        Panel {
            title: "Key-value cache in use",
            unit: "percentunit",
            threshold: Some(0.95),
            lines: vec![(
                format!("max by (namespace) ({})", watched.metric(&metrics.kv_usage)),
                "cache",
            )],
        },
        Panel {
            title: "First token, P50 and P99",
            unit: "s",
            threshold: latency.map(|latency| latency.first_token),
            lines: tails(watched, &metrics.first_token),
        },
        Panel {
            title: "Time between tokens, P50 and P99",
            unit: "s",
            threshold: latency.map(|latency| latency.output_token),
            lines: tails(watched, &metrics.output_token),
        },
        Panel {
            title: "Whole request, P50 and P99",
            unit: "s",
            threshold: None,
            lines: tails(watched, &metrics.end_to_end),
        },
        Panel {
            title: "Generated tokens per second",
            unit: "short",
            threshold: None,
            lines: vec![(rate(&metrics.generated), "tokens/s")],
        },
    ]);
    panels
}

/// The middle request and the slowest one in a hundred.
fn tails(watched: &Watched<'_>, histogram: &str) -> Vec<(String, &'static str)> {
    vec![
        (watched.quantile(0.5, histogram, ""), "P50"),
        (watched.quantile(0.99, histogram, ""), "P99"),
    ]
}

fn written(number: usize, panel: Panel) -> Value {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let targets: Vec<Value> = panel
        .lines
        .into_iter()
        .zip('A'..='Z')
        .map(|((expression, legend), letter)| {
            json!({
                "refId": letter.to_string(),
                "datasource": source,
                "expr": expression,
                "legendFormat": legend,
            })
        })
        .collect();
    let mut steps = vec![json!({ "color": "green", "value": null })];
    steps.extend(
        panel
            .threshold
            .map(rounded)
            .map(|value| json!({ "color": "red", "value": value })),
    );
    json!({
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {
            "x": number % 2 * WIDTH,
            "y": number / 2 * HEIGHT,
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": { "overrides": [], "defaults": {
            "unit": panel.unit,
            "min": 0,
            "thresholds": { "mode": "absolute", "steps": steps },
            "custom": { "thresholdsStyle": { "mode": if panel.threshold.is_some() { "line" } else { "off" } } },
        }},
        "targets": targets,
    })
}
