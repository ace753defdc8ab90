//! Hardware as people name it: `12`, `rtx-4090`, `8xH200`, `4090,3090`, `m2-ultra-192`, `cpu`.

use crate::calc::hardware::{Device, Hardware, MemoryOf};
use crate::catalog::gpu::GpuKind;
use crate::catalog::gpu_name::find_gpu;
use crate::catalog::{Catalog, Defaults, Gpu};
use crate::error::{Error, Result};
use crate::units::{Bytes, index, whole};

/// The most devices that a question may ask for.
const MOST_DEVICES: u64 = 4096;
/// The most memory of one device or host that a question may ask for, in GB.
const MOST_GB: f64 = 1e6;

/// The hardware of a question, as asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HardwareAsked {
    /// GB per device, as printed on the box.
    pub vram_gb: Option<f64>,
    /// Names of devices, each perhaps with a count before it.
    pub gpu: Option<String>,
    /// Those of the names that stood where a count may stand.
    pub listed: Option<String>,
    /// How many of them.
    pub count: Option<u64>,
    /// GB of the host's memory.
    pub ram_gb: Option<f64>,
    /// GB per second that the host's memory is read with.
    pub ram_bandwidth_gb: Option<f64>,
    /// Gbit per second between servers, for each device and direction.
    pub network_gbps: Option<f64>,
    /// Which memory counts where the machine itself is asked.
    pub of: MemoryOf,
}

impl HardwareAsked {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vram_gb.is_none() && self.gpu.is_none()
    }

    /// Bytes per second that the host's memory is read with, where that was said.
    #[must_use]
    pub fn host_bandwidth(&self) -> Option<u64> {
        self.ram_bandwidth_gb.map(|rate| whole(rate * 1e9))
    }

    /// Bytes per second between servers, for each device and direction, where that was said.
    #[must_use]
    pub fn network(&self) -> Option<u64> {
        self.network_gbps.map(|rate| whole(rate * 1e9 / 8.0))
    }

    /// The hardware; none when nothing was said.
    ///
    /// # Errors
    /// Unknown or ambiguous names, impossible numbers.
    pub fn resolve(&self, catalog: &Catalog) -> Result<Option<Hardware>> {
        let host = self
            .ram_gb
            .map(checked_gb)
            .transpose()?
            .map(Bytes::from_gib);
        let defaults = catalog.defaults()?;
        let count = checked_count(self.count.unwrap_or(1))?;
        let mut hardware = match (&self.gpu, self.vram_gb) {
            (None, None) => return Ok(None),
            (None, Some(size)) => Hardware::of(
                &Device::bare(checked_gb(size)?, &defaults.bare_memory),
                count,
            ),
            (Some(_), Some(_)) => {
                return Err(Error::Usage(
                    "--vram and --gpu both say how much memory there is: leave out one".to_owned(),
                ));
            }
            (Some(names), None) => {
                named(catalog, names, (self, host)).map_err(|error| self.explained(error))?
            }
        };
        hardware.host = host;
        hardware.host_bandwidth = self.host_bandwidth();
        hardware.network = self.network();
        Ok(Some(hardware))
    }
}

impl HardwareAsked {
    /// The error, which says what was expected where a name stood in the place of a count.
    fn explained(&self, error: Error) -> Error {
        let (Error::Unknown { name, .. }, Some(listed)) = (&error, &self.listed) else {
            return error;
        };
        let said = |part: &str| part.trim().ends_with(name.as_str());
        if listed.split(',').any(said) {
            return Error::Unanswerable(format!(
                "`{name}` is neither a count nor a device: --gpus expects a count such as `2`, or devices such as `4090,3090`"
            ));
        }
        error
    }
}

/// The devices behind a list of names.
fn named(
    catalog: &Catalog,
    names: &str,
    (asked, host): (&HardwareAsked, Option<Bytes>),
) -> Result<Hardware> {
    if asked.count.is_some() && names.contains(',') {
        return Err(Error::Usage(
            "a list of devices counts each itself, such as 2x4090,3090: leave out --gpus"
                .to_owned(),
        ));
    }
    let mut devices = Vec::new();
    for name in names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let (times, name) = counted(name)?;
        let (times, count) = match (times, asked.count) {
            (Some(times), Some(count)) => {
                return Err(Error::Usage(format!(
                    "`{times}x` counts the devices already: leave out --gpus {count}"
                )));
            }
            (times, count) => (times.unwrap_or(1), count.unwrap_or(1)),
        };
        let device = match name.to_lowercase().as_str() {
            "cpu" => Device::cpu(None, host),
            _ => device(catalog, name, host)?,
        };
        let repeated = checked_count(times.saturating_mul(count))?;
        devices.extend(std::iter::repeat_n(device, index(repeated)));
    }
    if devices.is_empty() {
        return Err(Error::Usage("no device is named".to_owned()));
    }
    let hardware = Hardware {
        devices,
        host: None,
        host_bandwidth: None,
        network: None,
    };
    match hardware.mixture() {
        Some(reason) => Err(Error::Mixed(reason)),
        None => Ok(hardware),
    }
}

/// `8xH200`, `8 x h200` and `h200 x8` as 8 and the name; a name without a count as none.
fn counted(name: &str) -> Result<(Option<u64>, &str)> {
    const TIMES: [char; 4] = ['x', 'X', '*', '×'];
    // The x of `7900xtx` and of `rtx 6000` belongs to a word.
    let before = name.split_once(TIMES).filter(|(_, rest)| {
        !["t", "tx"]
            .iter()
            .any(|word| rest.eq_ignore_ascii_case(word))
    });
    let apart = |rest: &str| !rest.ends_with(char::is_alphabetic);
    let behind = name.rsplit_once(TIMES).filter(|(rest, _)| apart(rest));
    let read = |times: &str| times.trim().parse::<u64>().ok();
    let parted = before
        .and_then(|(times, rest)| Some((read(times)?, rest)))
        .or_else(|| behind.and_then(|(rest, times)| Some((read(times)?, rest))));
    match parted {
        Some((_, rest)) if rest.trim_matches([' ', '-']).is_empty() => Err(Error::Usage(format!(
            "`{name}` counts devices without naming one"
        ))),
        Some((times, rest)) => Ok((Some(checked_count(times)?), rest.trim_matches([' ', '-']))),
        None => Ok((None, name)),
    }
}

fn device(catalog: &Catalog, name: &str, host: Option<Bytes>) -> Result<Device> {
    let defaults = catalog.defaults()?;
    // Most questions name an id: the other devices need not be read then.
    let own = catalog.entry::<Gpu>(name)?;
    let some;
    let devices = if let Some(gpu) = &own {
        std::slice::from_ref(gpu)
    } else {
        some = catalog.gpus_like(name)?;
        &some
    };
    let named = match find_gpu(devices, name) {
        // What comes near a name that nobody has may be any of them.
        Err(Error::Unknown { .. }) => find_gpu(catalog.gpus()?, name)?,
        other => other?,
    };
    let gpu = named.gpu;
    let size = named.size_gb;
    if gpu.kind == GpuKind::Cpu {
        return Ok(Device::cpu(Some(gpu), host));
    }
    if let (Some(size), false) = (size, gpu.memory.options_gb.is_empty())
        && !gpu
            .memory
            .options_gb
            .iter()
            .any(|option| (option - size).abs() < 0.5)
    {
        return Err(Error::Unanswerable(format!(
            "{} is sold with {} GB, not {size}",
            gpu.name,
            sizes(&gpu.memory.options_gb)
        )));
    }
    let own_size = if gpu.memory.options_gb.is_empty() {
        None
    } else {
        size
    };
    sized(gpu, own_size, defaults)
}

fn sized(gpu: &Gpu, size: Option<f64>, defaults: &Defaults) -> Result<Device> {
    Device::of(gpu, size, &defaults.bare_memory).ok_or_else(|| Error::Ambiguous {
        name: gpu.id.clone(),
        candidates: gpu
            .memory
            .options_gb
            .iter()
            .map(|size| format!("{}-{size}", gpu.id))
            .collect(),
    })
}

fn sizes(options: &[f64]) -> String {
    let words: Vec<String> = options.iter().map(ToString::to_string).collect();
    words.join(", ")
}

fn checked_gb(size: f64) -> Result<f64> {
    if size.is_finite() && size > 0.0 && size <= MOST_GB {
        return Ok(size);
    }
    Err(Error::Usage(format!(
        "{size:e} GB of memory: it must lie above 0 and below {MOST_GB} GB"
    )))
}

fn checked_count(count: u64) -> Result<u64> {
    if (1..=MOST_DEVICES).contains(&count) {
        return Ok(count);
    }
    Err(Error::Usage(format!(
        "{count} devices: it must be 1 to {MOST_DEVICES}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_may_stand_before_or_behind_the_name() {
        assert_eq!(counted("8xH200").ok(), Some((Some(8), "H200")));
        assert_eq!(counted("8 x h200").ok(), Some((Some(8), "h200")));
        assert_eq!(counted("MI300X x8").ok(), Some((Some(8), "MI300X")));
        assert_eq!(counted("16x RTX 3090").ok(), Some((Some(16), "RTX 3090")));
        assert_eq!(counted("rtx-4090").ok(), Some((None, "rtx-4090")));
        assert_eq!(counted("rx 7900 xtx").ok(), Some((None, "rx 7900 xtx")));
        assert_eq!(counted("rtx 6000").ok(), Some((None, "rtx 6000")));
        assert!(counted("0xH200").is_err());
    }
}
