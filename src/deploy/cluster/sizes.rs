//! What each node is asked for beside its devices: memory, processors, shared memory, disk, time to start.

use super::Rollout;
use crate::calc::estimate::estimate;
use crate::calc::hardware::{Device, Hardware};
use crate::calc::load::Load;
use crate::catalog::gpu::Vendor;
use crate::error::{Error, Result};
use crate::units::Bytes;

/// 2^30.
const GIB: u64 = 1 << 30;
/// Memory limits are whole multiples of it.
const MEMORY_STEP: u64 = 4 * GIB;
/// Volumes are whole multiples of it.
const VOLUME_STEP: u64 = 10 * GIB;

/// What a node is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Nodes.
    pub nodes: u64,
    /// Devices of each.
    pub devices: u64,
    /// Processes of the engine on each.
    pub processes: u64,
    /// CPUs as Kubernetes counts them.
    pub cpus: u64,
    /// Weights that a node reads, and that its page cache holds meanwhile.
    pub weights: Bytes,
    /// `/dev/shm`, which counts as memory.
    pub shared_memory: Bytes,
    /// The memory limit.
    pub memory: Bytes,
    /// The volume of the cache.
    pub volume: Bytes,
    /// Seconds until the first answer when the checkpoint must be fetched.
    pub first_start: u64,
    /// Seconds until the first answer when the volume holds it.
    pub next_start: u64,
    /// Seconds after which a start that must fetch the checkpoint counts as failed.
    pub patience: u64,
    /// Seconds after which one whose volume holds it does.
    pub next_patience: u64,
    /// Seconds after which a pod that still waits for its image or its start counts as failed.
    pub deadline: u64,
}

/// What each node of `deployment` is asked for.
///
/// # Errors
/// When the devices of the plan do not fill whole nodes.
pub fn sizes(rollout: &Rollout<'_>) -> Result<Sizes> {
    let defaults = rollout.defaults;
    let split = rollout.launch.split;
    let all = split.devices();
    let nodes = nodes(rollout)?;
    let devices = all / nodes;
    // Replicas on different nodes each read all weights; the parts of one replica share them.
    let weights = rollout.download.share((nodes / split.data.max(1)).max(1));
    let processes = devices + defaults.server_processes;
    let shared_memory = defaults.shared_memory_bytes_per_device * devices;
    let memory = weights + shared_memory + defaults.process_bytes * processes;
    let seconds = |bytes: Bytes, rate: u64| bytes.0.div_ceil(rate.max(1));
    let read = seconds(weights, defaults.read_bytes_per_second);
    let next_start = read + defaults.warm_up_seconds;
    let first_start = seconds(rollout.download, defaults.download_bytes_per_second) + next_start;
    let patience = first_start.saturating_mul(defaults.start_margin);
    Ok(Sizes {
        nodes,
        devices,
        processes,
        cpus: processes * defaults.cpus_per_process,
        weights,
        shared_memory,
        memory: memory.round_up(MEMORY_STEP),
        volume: rollout.download.scale(1.1).round_up(VOLUME_STEP),
        first_start,
        next_start,
        patience,
        next_patience: next_start.saturating_mul(defaults.start_margin),
        deadline: patience + defaults.image_pull_seconds,
    })
}

/// The nodes that the plan's devices fill.
fn nodes(rollout: &Rollout<'_>) -> Result<u64> {
    let devices = rollout.launch.split.devices();
    let nodes = rollout.launch.nodes().max(1);
    if !devices.is_multiple_of(nodes) {
        return Err(Error::Unanswerable(format!(
            "{devices} devices do not fill {nodes} nodes alike: name a multiple of what a node holds"
        )));
    }
    Ok(nodes)
}

impl Sizes {
    /// How the figures came about, a line each.
    pub(super) fn reasons(&self, rollout: &Rollout<'_>) -> Vec<String> {
        let defaults = rollout.defaults;
        let mut lines = vec![
            format!(
                "memory {} = {} of weights while they are read + {} x {} for the engine's processes + {} of /dev/shm, in steps of {}",
                gi(self.memory),
                self.weights,
                self.processes,
                defaults.process_bytes,
                self.shared_memory,
                gi(Bytes(MEMORY_STEP)),
            ),
            format!(
                "cpu {} = {} for each of {} processes (API server, engine core, one worker a device); no limit, for a throttled engine starves its devices",
                self.cpus, defaults.cpus_per_process, self.processes
            ),
            format!(
                "start: {} s = {} fetched at {} MB/s, read at {} MB/s, {} s to compile and warm up; {} s when the volume holds it; rates are assumed, so it counts as failed only after {} s",
                self.first_start,
                rollout.download,
                defaults.download_bytes_per_second / 1_000_000,
                defaults.read_bytes_per_second / 1_000_000,
                defaults.warm_up_seconds,
                self.next_start,
                self.patience,
            ),
        ];
        lines.extend(self.beside_the_article(rollout));
        lines
    }

    /// How the answer stands to the article's deployment of one device with 32Gi and 4 CPUs.
    ///
    /// Source: DEEPSEEK参数量全解析 (2025-09-25), section 3.
    fn beside_the_article(&self, rollout: &Rollout<'_>) -> Option<String> {
        let model = rollout.question.stands_for?;
        let article = Bytes(32 * GIB);
        if model.id != "13b" || self.devices != 1 {
            return None;
        }
        let own = Load {
            model,
            ..rollout.launch.load()
        };
        let own = estimate(&own).ok()?.memory.sum().weights;
        Some(format!(
            "the article gives 1 GPU, 32Gi and 4 CPUs: the GPU is the same; {} {} because {} of weights are read (13B itself: {own}); the engine's documentation asks for {} x ({} + {}) CPUs",
            gi(self.memory),
            if self.memory > article {
                "are more"
            } else {
                "are enough"
            },
            self.weights,
            rollout.defaults.cpus_per_process,
            rollout.defaults.server_processes,
            self.devices,
        ))
    }
}

/// The resource that a device of the plan is to Kubernetes.
pub(super) fn resource(rollout: &Rollout<'_>) -> Result<&'static str> {
    let vendor = rollout.hardware.devices.first().map(Device::vendor);
    match vendor {
        Some(Vendor::Nvidia) => Ok("nvidia.com/gpu"),
        Some(Vendor::Amd) => Ok("amd.com/gpu"),
        Some(Vendor::Intel | Vendor::Apple | Vendor::Huawei) | None => {
            Err(Error::Unanswerable(format!(
                "no device plugin is known for {}",
                rollout.hardware.summary()
            )))
        }
    }
}

/// The label by which a cluster tells nodes with the plan's device, and its values for that device; none where the
/// label is not known or the devices are not alike.
pub(super) fn node_label(hardware: &Hardware) -> Option<(&'static str, &[String])> {
    let first = hardware.devices.first()?;
    if hardware
        .devices
        .iter()
        .any(|device| device.id() != first.id())
    {
        return None;
    }
    let label = first.gpu.as_ref()?.node_label.as_ref()?;
    let key = match first.vendor() {
        Vendor::Nvidia => "nvidia.com/gpu.product",
        Vendor::Amd => "amd.com/gpu.product-name",
        Vendor::Intel | Vendor::Apple | Vendor::Huawei => return None,
    };
    Some((key, &label.products))
}

/// `bytes` as Kubernetes writes whole GiB, rounded up.
pub(super) fn gi(bytes: Bytes) -> String {
    format!("{}Gi", bytes.0.div_ceil(GIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gib_round_up() {
        assert_eq!(gi(Bytes(GIB)), "1Gi");
        assert_eq!(gi(Bytes(GIB + 1)), "2Gi");
    }
}
