//! The machine that the program runs on.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::calc::hardware::{Device, Hardware};
use crate::catalog::find::find;
use crate::catalog::gpu::Usable;
use crate::catalog::{Basis, Catalog};
use crate::request::HardwareAsked;
use crate::units::Bytes;

/// How long a vendor's tool may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The hardware that was asked for; `--gpu this` is the machine itself.
pub(super) fn hardware(catalog: &Catalog, asked: &HardwareAsked) -> Result<Option<Hardware>> {
    if asked
        .gpu
        .as_ref()
        .is_some_and(|name| name.eq_ignore_ascii_case("this"))
    {
        return this(catalog).map(Some);
    }
    Ok(asked.resolve(catalog)?)
}

/// Its NVIDIA cards, else its processor and memory.
fn this(catalog: &Catalog) -> Result<Hardware> {
    let host = host_memory();
    let devices = nvidia()
        .map(|text| cards(catalog, &text))
        .transpose()?
        .unwrap_or_default();
    if !devices.is_empty() {
        return Ok(Hardware {
            devices,
            host,
            host_bandwidth: None,
        });
    }
    let Some(memory) = host else {
        bail!("cannot read this machine's memory; name the hardware (--vram GB or --gpu NAME)");
    };
    let devices = vec![Device::cpu(None, Some(memory))];
    Ok(Hardware {
        devices,
        host: Some(memory),
        host_bandwidth: None,
    })
}

/// Memory that programs can still have.
fn host_memory() -> Option<Bytes> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let bytes = system.available_memory();
    (bytes > 0).then_some(Bytes(bytes))
}

/// What nvidia-smi says of each card, one a line; none where there is no such tool or it does not answer in time.
fn nvidia() -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let output = Command::new("nvidia-smi")
            .args([
                "--query-gpu=name,memory.free",
                "--format=csv,noheader,nounits",
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        // Nobody listens any more when it took too long.
        let _ = sender.send(output);
    });
    let output = receiver.recv_timeout(PATIENCE).ok()?.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The cards with the memory that is free on each.
fn cards(catalog: &Catalog, text: &str) -> Result<Vec<Device>> {
    let bare = &catalog.defaults()?.bare_memory;
    let mut devices = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, free) = line
            .rsplit_once(',')
            .context("nvidia-smi answered in an unknown form")?;
        let free: f64 = free
            .trim()
            .parse()
            .context("nvidia-smi gave no free memory")?;
        let mut device = match find(catalog.gpus()?, name.trim()) {
            Ok(gpu) => {
                Device::of(gpu, None, bare).unwrap_or_else(|| Device::bare(free / 1024.0, bare))
            }
            Err(_) => Device::bare(free / 1024.0, bare),
        };
        name.trim().clone_into(&mut device.name);
        device.usable = Some(Usable {
            bytes: Bytes::from_mib(free),
            basis: Basis::Measured,
        });
        devices.push(device);
    }
    Ok(devices)
}
