//! The processor and the host's memory.

use super::child::{Ran, run};
use crate::units::Bytes;

/// The processor, as far as the system tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Processor {
    /// Its name.
    pub(super) name: Option<String>,
    /// How many of them.
    pub(super) sockets: Option<u64>,
}

/// The host's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostMemory {
    /// All of it that this process may have.
    pub(super) total: Bytes,
    /// What programs can still have.
    pub(super) free: Bytes,
}

/// The processor of this machine.
pub(super) fn probe() -> Processor {
    let listed = std::fs::read_to_string("/proc/cpuinfo")
        .map(|text| of_cpuinfo(&text))
        .unwrap_or_default();
    if listed.name.is_some() {
        return listed;
    }
    let told = match run("lscpu", &[]) {
        Ran::Said(text) => of_lscpu(&text),
        Ran::Missing | Ran::Failed(_) => Processor::default(),
    };
    if told.name.is_some() {
        return told;
    }
    Processor {
        name: brand(),
        sockets: None,
    }
}

/// The name that the system's own interface gives, where there is no /proc.
fn brand() -> Option<String> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_cpu_all();
    let name = system.cpus().first()?.brand().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The host's memory, within the limit of the control group that the process lives in.
pub(super) fn memory() -> Option<HostMemory> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let host = HostMemory {
        total: Bytes(system.total_memory()),
        free: Bytes(system.available_memory()),
    };
    let limits = system.cgroup_limits();
    let found = match limits {
        Some(limits) if limits.total_memory > 0 => HostMemory {
            total: host.total.min(Bytes(limits.total_memory)),
            free: host.free.min(Bytes(limits.free_memory)),
        },
        Some(_) | None => host,
    };
    (found.free.0 > 0).then_some(found)
}

/// What /proc/cpuinfo says.
fn of_cpuinfo(text: &str) -> Processor {
    let values = |key: &str| {
        text.lines()
            .filter_map(move |line| line.split_once(':'))
            .filter(move |(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned())
            .collect::<Vec<String>>()
    };
    let mut places = values("physical id");
    places.sort();
    places.dedup();
    Processor {
        name: values("model name").into_iter().next(),
        sockets: (!places.is_empty()).then(|| crate::units::count(places.len())),
    }
}

/// What lscpu says; the name that the firmware gives comes before the core's.
fn of_lscpu(text: &str) -> Processor {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned())
            .filter(|value| !value.is_empty() && value != "-")
    };
    Processor {
        name: value("BIOS Model name").or_else(|| value("Model name")),
        sockets: value("Socket(s)").and_then(|text| text.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// nviennot/core-to-core-latency issue 49.
    #[test]
    fn lscpu_names_an_altra() {
        let text = "Architecture:           aarch64\nCPU(s):                 80\nVendor ID:              ARM\n  \
                    BIOS Vendor ID:       Ampere(R)\n  Model name:           Neoverse-N1\n    \
                    BIOS Model name:    Ampere(R) Altra(R) Processor Q80-30 CPU @ 3.0GHz\n    \
                    Core(s) per socket: 80\n    Socket(s):          1\n";
        let found = of_lscpu(text);
        assert_eq!(
            found.name.as_deref(),
            Some("Ampere(R) Altra(R) Processor Q80-30 CPU @ 3.0GHz")
        );
        assert_eq!(found.sockets, Some(1));
    }

    /// libxsmm/libxsmm issue 737: an A64FX has no sockets to count.
    #[test]
    fn lscpu_may_not_know() {
        let text =
            "Architecture:        aarch64\nSocket(s):           -\nModel name:          A64FX\n";
        let found = of_lscpu(text);
        assert_eq!(found.name.as_deref(), Some("A64FX"));
        assert_eq!(found.sockets, None);
    }

    /// The keys of /proc/cpuinfo on x86, the name as in sustainable-computing-io/kepler pull request 1288.
    #[test]
    fn cpuinfo_counts_sockets() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 8434P 48-Core Processor\nphysical id\t: 0\n\n\
                    processor\t: 1\nmodel name\t: AMD EPYC 8434P 48-Core Processor\nphysical id\t: 1\n";
        let found = of_cpuinfo(text);
        assert_eq!(
            found.name.as_deref(),
            Some("AMD EPYC 8434P 48-Core Processor")
        );
        assert_eq!(found.sockets, Some(2));
    }
}
