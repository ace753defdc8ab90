//! NVIDIA's devices, as nvidia-smi lists them.

use super::child::{Ran, run};
use super::found::{Found, Probed};
use crate::catalog::gpu::Vendor;
use crate::units::Bytes;

/// What is asked of each device.
const QUERY: &str = "--query-gpu=index,name,mig.mode.current,memory.total,memory.free";

/// The devices, and what failed, in words.
pub(super) fn probe() -> Probed {
    let (cards, mut failures) = match run("nvidia-smi", &[QUERY, "--format=csv,noheader,nounits"]) {
        Ran::Missing => return Probed::default(),
        Ran::Failed(why) => return Probed::failed(why),
        Ran::Said(text) => cards(&text),
    };
    if cards.iter().all(|card| !card.sliced) {
        let found = cards.into_iter().map(|card| card.found).collect();
        return Probed { found, failures };
    }
    let slices = match run("nvidia-smi", &[]) {
        Ran::Said(text) => slices(&text),
        Ran::Missing | Ran::Failed(_) => Vec::new(),
    };
    failures.extend(unlisted(&cards, &slices));
    Probed {
        found: with_slices(cards, &slices),
        failures,
    }
}

/// Cards that are cut, of which no slice was listed.
fn unlisted(cards: &[Card], slices: &[Slice]) -> Vec<String> {
    let bare = cards
        .iter()
        .filter(|card| card.sliced && slices.iter().all(|slice| slice.card != card.index));
    bare.map(|card| {
        format!(
            "{} (card {}) is in MIG mode, and its MIG devices could not be listed",
            card.found.title(),
            card.index
        )
    })
    .collect()
}

/// A card, and whether it is cut into MIG devices.
#[derive(Debug, PartialEq, Eq)]
struct Card {
    index: u64,
    sliced: bool,
    found: Found,
}

/// A MIG device.
#[derive(Debug, PartialEq, Eq)]
struct Slice {
    card: u64,
    used: Bytes,
    total: Bytes,
}

/// The cards of a table of index, name, MIG mode, total and free MiB, and the lines that cannot be read.
fn cards(text: &str) -> (Vec<Card>, Vec<String>) {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let (mut cards, mut failures) = (Vec::new(), Vec::new());
    for read in lines.map(card) {
        match read {
            Ok(card) => cards.push(card),
            Err(why) => failures.push(why),
        }
    }
    failures.dedup();
    (cards, failures)
}

fn card(line: &str) -> Result<Card, String> {
    let unknown = || "nvidia-smi answered in an unknown form".to_owned();
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [index, name, mode, total, free] = fields.as_slice() else {
        return Err(unknown());
    };
    let index = index.parse().map_err(|_| unknown())?;
    let own = mebibytes(total);
    if own.is_none() && !is_untold(total) {
        return Err(format!(
            "nvidia-smi says `{total}` of the memory of {name} (card {index})"
        ));
    }
    Ok(Card {
        index,
        sliced: *mode == "Enabled",
        found: Found {
            vendor: Vendor::Nvidia,
            name: Some((*name).to_owned()),
            pci: None,
            total: own,
            free: mebibytes(free),
            shared: own.is_none(),
        },
    })
}

/// Whether nvidia-smi has no such figure of the device, as of one that shares the host's memory; an error is none.
fn is_untold(text: &str) -> bool {
    matches!(text, "[N/A]" | "N/A" | "[Not Supported]")
}

/// MiB; none where it is no number.
fn mebibytes(text: &str) -> Option<Bytes> {
    let number = text.trim_end_matches("MiB").trim().parse::<f64>().ok()?;
    (number.is_finite() && number >= 0.0).then(|| Bytes::from_mib(number))
}

/// The MIG devices of the table that nvidia-smi prints without options.
fn slices(text: &str) -> Vec<Slice> {
    let below = text.split_once("MIG devices:").map_or("", |(_, rest)| rest);
    below.lines().filter_map(slice).collect()
}

fn slice(line: &str) -> Option<Slice> {
    let mut cells = line.split('|').map(str::trim).skip(1);
    let ids: Vec<u64> = cells
        .next()?
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [card, _, _, _] = ids.as_slice() else {
        return None;
    };
    let (used, total) = cells.next()?.split_once('/')?;
    Some(Slice {
        card: *card,
        used: mebibytes(used.trim())?,
        total: mebibytes(total.trim())?,
    })
}

/// The cards, each that is cut replaced by its slices.
fn with_slices(cards: Vec<Card>, slices: &[Slice]) -> Vec<Found> {
    let mut found = Vec::new();
    for card in cards {
        if !card.sliced {
            found.push(card.found);
            continue;
        }
        let own = slices.iter().filter(|slice| slice.card == card.index);
        found.extend(own.map(|slice| Found {
            name: card.found.name.as_ref().map(|name| format!("{name} MIG")),
            total: Some(slice.total),
            free: Some(slice.total.saturating_sub(slice.used)),
            ..card.found.clone()
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line is what driver 580.159.04 answered on an H200; the second has a gaming card's `[N/A]`.
    #[test]
    fn each_line_is_a_card() {
        let text = "0, NVIDIA H200, Disabled, 143771, 143156\n\
                    1, NVIDIA GeForce RTX 3080 Ti, [N/A], 12288, 12043\n";
        let (cards, failures) = cards(text);
        assert!(failures.is_empty());
        let names: Vec<_> = cards
            .iter()
            .map(|card| card.found.name.as_deref())
            .collect();
        assert_eq!(
            names,
            [Some("NVIDIA H200"), Some("NVIDIA GeForce RTX 3080 Ti")]
        );
        assert_eq!(
            cards.first().and_then(|card| card.found.free),
            Some(Bytes::from_mib(143_156.0))
        );
        assert!(cards.iter().all(|card| !card.sliced && !card.found.shared));
    }

    /// mostlygeek/llama-swap issue 782: the GB10 says `[N/A], [N/A]` of its memory.
    #[test]
    fn a_device_without_memory_of_its_own_shares_the_hosts() {
        let (cards, _) = cards("0, NVIDIA GB10, [N/A], [N/A], [N/A]\n");
        let card = cards.first().map(|card| &card.found);
        assert_eq!(card.map(|card| card.shared), Some(true));
        assert_eq!(card.and_then(|card| card.total), None);
    }

    #[test]
    fn garbage_is_an_error() {
        for text in [
            "NVIDIA-SMI has failed because it couldn't communicate",
            "<html>,,,,\n",
        ] {
            let (cards, failures) = cards(text);
            assert!(cards.is_empty());
            assert_eq!(failures.len(), 1);
        }
        assert_eq!(cards("\n"), (Vec::new(), Vec::new()));
    }

    #[test]
    fn memory_that_cannot_be_read_is_a_failure_of_that_card() {
        let text = "0, NVIDIA GeForce RTX 4090, [N/A], [Unknown Error], [Unknown Error]\n\
                    1, NVIDIA GeForce RTX 4090, [N/A], 24564, [Unknown Error]\n";
        let (cards, failures) = cards(text);
        assert_eq!(failures.len(), 1);
        let read: Vec<_> = cards.iter().map(|card| card.index).collect();
        assert_eq!(read, [1]);
        assert_eq!(cards.first().and_then(|card| card.found.free), None);
    }

    /// The table in XuehaiPan/nvitop pull request 8.
    #[test]
    fn a_card_that_is_cut_gives_its_slices() {
        let table = "\
| MIG devices:                                                                |
+------------------+----------------------+-----------+-----------------------+
| GPU  GI  CI  MIG |         Memory-Usage |        Vol|         Shared        |
|      ID  ID  Dev |           BAR1-Usage | SM     Unc| CE  ENC  DEC  OFA  JPG|
|                  |                      |        ECC|                       |
|==================+======================+===========+=======================|
|  1    3   0   0  |  14366MiB / 19968MiB | 28      0 |  2   0    1    0    0 |
|                  |      4MiB / 32767MiB |           |                       |
+------------------+----------------------+-----------+-----------------------+
|  1    5   0   1  |   9826MiB / 19968MiB | 28      0 |  2   0    1    0    0 |
|                  |      2MiB / 32767MiB |           |                       |
+------------------+----------------------+-----------+-----------------------+
|  2    3   0   0  |  15210MiB / 19968MiB | 28      0 |  2   0    1    0    0 |
";
        let slices = slices(table);
        let owners: Vec<u64> = slices.iter().map(|slice| slice.card).collect();
        assert_eq!(owners, [1, 1, 2]);
        let (cards, _) = cards("1, NVIDIA A100-SXM4-80GB, Enabled, 81920, 57728\n");
        assert!(unlisted(&cards, &slices).is_empty());
        assert_eq!(unlisted(&cards, &[]).len(), 1);
        let found = with_slices(cards, &slices);
        let free: Vec<_> = found.iter().map(|slice| slice.free).collect();
        assert_eq!(
            free,
            [
                Some(Bytes::from_mib(19968.0 - 14366.0)),
                Some(Bytes::from_mib(19968.0 - 9826.0))
            ]
        );
    }
}
