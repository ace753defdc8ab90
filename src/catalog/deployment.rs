//! What a cluster needs to know of an engine, a device, and of what nobody measured for it.

use serde::Deserialize;

use super::gpu::{Gpu, Vendor};
use crate::units::Bytes;

/// An engine's published container image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Whose devices it runs on.
    pub vendor: Vendor,
    /// Architectures that it is built for; empty means all of the vendor's.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Repository and tag, `{version}` standing for the engine's version.
    pub name: String,
    /// The versions whose tag somebody was seen to use.
    pub seen: Vec<String>,
    /// Where.
    pub source: String,
}

impl Image {
    /// Whether it runs on a device of `vendor`, which may be one of the catalog.
    #[must_use]
    pub fn runs_on(&self, vendor: Vendor, gpu: Option<&Gpu>) -> bool {
        self.vendor == vendor
            && (self.architectures.is_empty()
                || gpu.is_some_and(|gpu| self.architectures.contains(&gpu.architecture)))
    }

    /// The image of one version of the engine.
    #[must_use]
    pub fn of_version(&self, version: &str) -> String {
        self.name.replace("{version}", version)
    }
}

/// Names of an engine's Prometheus metrics; histograms without their suffix.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Requests being answered.
    pub running: String,
    /// Requests in the queue.
    pub waiting: String,
    /// Share of the cache in use, 0 to 1.
    pub kv_usage: String,
    /// Histogram of the time to the first token, in seconds.
    pub first_token: String,
    /// Histogram of the time between tokens, in seconds.
    pub output_token: String,
    /// Histogram of whole requests, in seconds.
    pub end_to_end: String,
    /// Counter of generated tokens.
    pub generated: String,
    /// Where the names come from.
    pub source: String,
}

/// The label that a cluster's device discovery gives to nodes with a device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeLabel {
    /// Its values: one for each form that the device is sold in.
    pub products: Vec<String>,
    /// Where they were seen.
    pub source: String,
}

/// What a cluster is asked for beside the devices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentDefaults {
    /// Host memory of each process of the engine.
    pub process_bytes: Bytes,
    /// Shared memory for each device.
    pub shared_memory_bytes_per_device: Bytes,
    /// How fast a checkpoint comes from the hub.
    pub download_bytes_per_second: u64,
    /// How fast it is read from its volume.
    pub read_bytes_per_second: u64,
    /// Seconds from the loaded weights to the first answer.
    pub warm_up_seconds: u64,
    /// How many times the calculated start may be exceeded before it counts as failed.
    pub start_margin: u64,
    /// Seconds until a node holds the image.
    pub image_pull_seconds: u64,
    /// Kubernetes' CPUs for each process of the engine.
    pub cpus_per_process: u64,
    /// Processes of an engine beside one worker for each device.
    pub server_processes: u64,
    /// The device exporter's metrics.
    pub device_metrics: DeviceMetrics,
    /// What watches a cluster, where nothing else is said.
    pub monitoring: Monitoring,
    /// The chart that values are written for.
    pub chart: Chart,
    /// Where the figures come from.
    pub source: String,
}

/// Names of the device exporter's Prometheus metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceMetrics {
    /// Device memory in use.
    pub used: String,
    /// Device memory free.
    pub free: String,
    /// Share of the time that the device is busy, in per cent.
    pub utilization: String,
    /// Where the names come from.
    pub source: String,
}

/// What watches a cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitoring {
    /// The address at which Prometheus answers queries.
    pub prometheus: String,
    /// The value of the label `release` by which an installation selects what it reads.
    pub release: String,
    /// Where these come from.
    pub source: String,
}

/// A Helm chart.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// The version that the values were checked against.
    pub version: String,
    /// Its repository.
    pub repository: String,
    /// Where its values are described.
    pub source: String,
}
