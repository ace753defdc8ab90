//! Apple's processors, whose GPU shares the host's memory.

use super::child::{Ran, run};
use crate::units::Bytes;

/// An Apple processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Apple {
    /// Its name: "Apple M3 Pro".
    pub(super) name: String,
    /// All memory.
    pub(super) total: Bytes,
    /// The most that the GPU may hold, where the user set a limit.
    pub(super) limit: Option<Bytes>,
}

/// The processor of this machine; none where it is not Apple's.
pub(super) fn probe() -> Option<Apple> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let name = "machdep.cpu.brand_string";
    let limit = "iogpu.wired_limit_mb";
    match run("sysctl", &[name, "hw.memsize", limit]) {
        Ran::Said(text) => of_sysctl(&text),
        Ran::Missing | Ran::Failed(_) => match run("sysctl", &[name, "hw.memsize"]) {
            Ran::Said(text) => of_sysctl(&text),
            Ran::Missing | Ran::Failed(_) => None,
        },
    }
}

/// What sysctl says, one `key: value` or `key = value` a line.
fn of_sysctl(text: &str) -> Option<Apple> {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once([':', '=']))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim())
    };
    let name = value("machdep.cpu.brand_string")?;
    let limit = value("iogpu.wired_limit_mb").and_then(|text| text.parse::<u64>().ok());
    name.starts_with("Apple").then_some(Apple {
        name: name.to_owned(),
        total: Bytes(value("hw.memsize")?.parse().ok()?),
        limit: limit
            .filter(|mebibytes| *mebibytes > 0)
            .map(|mebibytes| Bytes(mebibytes << 20)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_limit_counts_where_it_is_set() {
        let text = "machdep.cpu.brand_string: Apple M3 Max\nhw.memsize: 68719476736\niogpu.wired_limit_mb: 0\n";
        let found = of_sysctl(text);
        assert_eq!(
            found.as_ref().map(|apple| apple.total),
            Some(Bytes(64 << 30))
        );
        assert_eq!(found.and_then(|apple| apple.limit), None);
        let raised = text.replace("mb: 0", "mb: 57344");
        let limit = of_sysctl(&raised).and_then(|apple| apple.limit);
        assert_eq!(limit, Some(Bytes(56 << 30)));
    }

    #[test]
    fn an_intel_mac_is_not_apples_processor() {
        let text = "machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz\nhw.memsize: 17179869184\n";
        assert_eq!(of_sysctl(text), None);
    }
}
