//! Huawei's Ascend devices, as npu-smi lists them.

use super::child::{Ran, run};
use super::found::{Found, Probed};
use crate::catalog::gpu::Vendor;
use crate::units::Bytes;

/// The devices, and what failed, in words.
pub(super) fn probe() -> Probed {
    match run("npu-smi", &["info"]) {
        Ran::Missing => Probed::default(),
        Ran::Failed(why) => Probed::failed(why),
        Ran::Said(text) => {
            let found = chips(&text);
            if found.is_empty() {
                return Probed::failed("npu-smi answered in an unknown form".to_owned());
            }
            Probed {
                found,
                failures: Vec::new(),
            }
        }
    }
}

/// The chips of the table: a line that begins with an NPU's number and name, then one that ends with its memory.
fn chips(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut name = None;
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [first, second, third] = cells.as_slice() else {
            continue;
        };
        if !first.starts_with(|digit: char| digit.is_ascii_digit()) {
            continue;
        }
        let memory = third.rsplit_once('/').and_then(|(left, total)| {
            let used = left.split_whitespace().next_back()?.parse::<f64>().ok()?;
            Some((used, total.trim().parse::<f64>().ok()?))
        });
        match (memory, second.contains(':')) {
            (Some((used, total)), true) => found.push(chip(name.clone(), used, total)),
            _ => name = first.split_whitespace().nth(1).map(named),
        }
    }
    found
}

fn named(word: &str) -> String {
    if word.to_lowercase().starts_with("ascend") {
        word.to_owned()
    } else {
        format!("Ascend {word}")
    }
}

fn chip(name: Option<String>, used: f64, total: f64) -> Found {
    Found {
        vendor: Vendor::Huawei,
        name,
        pci: None,
        total: Some(Bytes::from_mib(total)),
        free: Some(Bytes::from_mib((total - used).max(0.0))),
        shared: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in Project-HAMi/HAMi-WebUI issue 47.
    #[test]
    fn a_910b_has_one_chip_a_card() {
        let table = "\
+------------------------------------------------------------------------------------------------+
| npu-smi 25.2.0                   Version: 25.2.0                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B4-1             | OK            | 91.3        33                0    / 0             |
| 0                         | 0000:xx:00.0  | 0           0    / 0          3197 / 65536         |
+===========================+===============+====================================================+
| 1     910B4-1             | OK            | 88.1        32                0    / 0             |
| 0                         | 0000:xx:00.0  | 0           0    / 0          3197 / 65536         |
";
        let found = chips(table);
        assert_eq!(found.len(), 2);
        let first = found.first();
        assert_eq!(
            first.and_then(|chip| chip.name.as_deref()),
            Some("Ascend 910B4-1")
        );
        assert_eq!(
            first.and_then(|chip| chip.free),
            Some(Bytes::from_mib(65536.0 - 3197.0))
        );
    }

    /// The table in vllm-project/vllm-ascend issue 2534: two chips a card.
    #[test]
    fn a_card_may_have_two_chips() {
        let table = "\
| 0     Ascend910           | OK            | 178.5       36                0    / 0             |
| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3416 / 65536         |
+------------------------------------------------------------------------------------------------+
| 0     Ascend910           | OK            | -           36                0    / 0             |
| 1     1                   | 0000:9F:00.0  | 0           0    / 0          3195 / 65536         |
";
        let free: Vec<_> = chips(table).iter().map(|chip| chip.free).collect();
        assert_eq!(
            free,
            [
                Some(Bytes::from_mib(65536.0 - 3416.0)),
                Some(Bytes::from_mib(65536.0 - 3195.0))
            ]
        );
        assert_eq!(chips("DrvMngGetConsoleLogLevel failed"), []);
    }
}
