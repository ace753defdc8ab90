//! The machine that the program runs on: looked at only when it is asked for, each probe within a time limit.

mod apple;
mod ascend;
mod bus;
mod child;
mod found;
mod known;
mod nvidia;
mod processor;

use std::path::Path;
use std::thread;

use anyhow::{Result, bail};

use crate::calc::hardware::{Device, Hardware, Measured, MemoryOf};
use crate::catalog::Catalog;
use crate::catalog::gpu::Vendor;
use crate::cli::output::complain;
use crate::error::Error;
use crate::request::HardwareAsked;
use crate::units::{Bytes, index};
use found::{Found, Probed};
use known::{Known, Setting};
use processor::HostMemory;

/// The name that means this machine.
pub(super) const THIS: &str = "this";

/// The hardware that was asked for; `--gpu this` is the machine itself.
pub(super) fn hardware(catalog: &Catalog, asked: &HardwareAsked) -> Result<Option<Hardware>> {
    let this = asked
        .gpu
        .as_ref()
        .is_some_and(|name| name.eq_ignore_ascii_case(THIS));
    let listed = asked.gpu.iter().flat_map(|names| names.split(','));
    if !this
        && listed
            .into_iter()
            .any(|name| name.trim().eq_ignore_ascii_case(THIS))
    {
        bail!("`{THIS}` means all devices of this machine and stands alone: --gpu {THIS}");
    }
    if this && asked.vram_gb.is_some() {
        let message =
            format!("this machine's memory is measured: leave out --vram, or --gpu {THIS}");
        return Err(Error::Usage(message).into());
    }
    if !this && asked.of == MemoryOf::Total {
        complain(
            "note",
            "`--of` is about this machine's own memory (--gpu this); a named device counts whole",
        );
    }
    if this {
        return machine(catalog, asked).map(Some);
    }
    Ok(asked.resolve(catalog)?)
}

/// What was found on the machine, where it was asked, in a sentence.
pub(super) fn found(hardware: &Hardware) -> Option<String> {
    let of = hardware.measured_of()?;
    let usable = hardware.smallest()?.usable?;
    let each = if hardware.devices.len() > 1 {
        " at least on each"
    } else {
        ""
    };
    let unread = |device: &Device| device.measured.is_none_or(|found| found.free.is_none());
    let basis = match (of, hardware.devices.iter().any(unread)) {
        (MemoryOf::Free | MemoryOf::Total, true) => "in all; what is free is not known",
        (MemoryOf::Free, false) => "free now (`--of total` takes an idle machine's)",
        (MemoryOf::Total, false) => "in all (`--of free` takes what is free now)",
    };
    Some(format!(
        "found on this machine: {}, {}{each} {basis}",
        hardware.summary(),
        usable.bytes
    ))
}

/// The machine's accelerators, else its processor.
fn machine(catalog: &Catalog, asked: &HardwareAsked) -> Result<Hardware> {
    let host = processor::memory();
    let setting = Setting { of: asked.of, host };
    let mut hardware = match accelerators(catalog, setting)? {
        Some(devices) => Hardware {
            devices,
            host: host.map(|host| chosen(host, asked.of)),
            host_bandwidth: host.and_then(|host| host_bandwidth(catalog, host)),
            network: None,
        },
        None => processor_only(catalog, asked.of, host)?,
    };
    if let Some(wanted) = asked.count.map(index) {
        let there = hardware.devices.len();
        if wanted > there {
            bail!("this machine has {there} such devices, not {wanted}");
        }
        hardware.devices.truncate(wanted);
    }
    if let Some(size) = asked.ram_gb {
        hardware.host = Some(Bytes::from_gib(size));
    }
    if let Some(rate) = asked.host_bandwidth() {
        hardware.host_bandwidth = Some(rate);
    }
    hardware.network = asked.network();
    Ok(hardware)
}

fn chosen(host: HostMemory, of: MemoryOf) -> Bytes {
    match of {
        MemoryOf::Free => host.free,
        MemoryOf::Total => host.total,
    }
}

/// The accelerators of the vendor that has most memory here; none where there is none to use.
fn accelerators(catalog: &Catalog, setting: Setting) -> Result<Option<Vec<Device>>> {
    let Probed {
        found,
        mut failures,
    } = probe();
    let mut devices: Vec<Device> = Vec::new();
    for found in &found {
        match known::device(catalog, found, setting)? {
            Known::Used(device) => devices.push(*device),
            Known::Unused => {}
            Known::Unread(why) => failures.push(format!("{why}: {NOT_COUNTED}")),
        }
    }
    if let Some(apple) = apple::probe() {
        devices.extend(known::apple(catalog, &apple, setting)?);
    }
    for failure in failures {
        complain("note", &failure);
    }
    let Some(vendor) = richest(&devices) else {
        return Ok(None);
    };
    let (kept, left): (Vec<Device>, Vec<Device>) = devices
        .into_iter()
        .partition(|device| device.vendor() == vendor);
    if !left.is_empty() {
        let other = Hardware {
            devices: left,
            host: None,
            host_bandwidth: None,
            network: None,
        };
        complain(
            "note",
            &format!(
                "left out: {}, which no engine splits a model over together with the others",
                other.summary()
            ),
        );
    }
    Ok(Some(kept))
}

/// What follows from a failure.
const NOT_COUNTED: &str = "not counted";

/// What every probe found, and what failed; the tools run side by side.
fn probe() -> Probed {
    let (nvidia, ascend, bus) = thread::scope(|scope| {
        let nvidia = scope.spawn(nvidia::probe);
        let ascend = scope.spawn(ascend::probe);
        let bus = bus::probe(Path::new(bus::BUS));
        let lost = |_| Probed::failed("a probe of this machine broke off".to_owned());
        (
            nvidia.join().unwrap_or_else(lost),
            ascend.join().unwrap_or_else(lost),
            bus,
        )
    });
    let silent = nvidia.found.is_empty() && nvidia.failures.is_empty();
    let mut all = Probed::default();
    for probed in [nvidia, ascend] {
        all.found.extend(probed.found);
        let failures = probed.failures.into_iter();
        all.failures
            .extend(failures.map(|why| format!("{why}: {NOT_COUNTED}")));
    }
    let (nvidias, others): (Vec<Found>, Vec<Found>) = bus
        .into_iter()
        .partition(|found| found.vendor == Vendor::Nvidia);
    if silent && !nvidias.is_empty() {
        all.failures.push(
            "an NVIDIA device is on the bus, but there is no nvidia-smi to ask: it is not counted"
                .to_owned(),
        );
    }
    all.found.extend(others);
    all
}

fn richest(devices: &[Device]) -> Option<Vendor> {
    let memory = |vendor: Vendor| -> u64 {
        devices
            .iter()
            .filter(|device| device.vendor() == vendor)
            .filter_map(|device| device.usable)
            .map(|usable| usable.bytes.0)
            .sum()
    };
    devices
        .iter()
        .map(Device::vendor)
        .max_by_key(|vendor| memory(*vendor))
}

/// Bytes per second of the host's memory, where the catalog knows the processor.
fn host_bandwidth(catalog: &Catalog, host: HostMemory) -> Option<u64> {
    let processor = known::processor(catalog, &processor::probe(), host.total).ok()?;
    Some(processor.gpu?.memory.bandwidth_bytes_per_second)
}

/// The processor and its memory.
fn processor_only(catalog: &Catalog, of: MemoryOf, host: Option<HostMemory>) -> Result<Hardware> {
    let Some(host) = host else {
        bail!("cannot read this machine's memory; name the hardware (--vram GB or --gpu NAME)");
    };
    let processor = processor::probe();
    let memory = chosen(host, of);
    let mut device = known::processor(catalog, &processor, memory)?;
    device.measured = Some(Measured {
        vendor: known::maker(processor.name.as_deref()),
        total: Some(host.total),
        free: Some(host.free),
        of,
        sockets: processor.sockets,
    });
    Ok(Hardware {
        devices: vec![device],
        host: Some(memory),
        host_bandwidth: None,
        network: None,
    })
}
