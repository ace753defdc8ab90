//! Finding an entry by a name as people type it.

use super::entry::{Entry, normalized};
use crate::error::{Error, Result};

/// Vendor words that people put before a device's name or leave out.
const VENDOR_WORDS: [&str; 10] = [
    "deepseek", "nvidia", "amd", "intel", "apple", "huawei", "geforce", "radeon", "instinct",
    "tesla",
];

/// How many entries whose ids begin with a name are offered instead of it.
const MOST_CANDIDATES: usize = 6;

/// The entry that `name` means: its id before any other name, as written before as normalised.
///
/// # Errors
/// `Unknown` with the nearest names, `Ambiguous` with the candidates.
pub fn find<'a, T: Entry>(entries: &'a [T], name: &str) -> Result<&'a T> {
    let wanted = reduced(name);
    let exact = |entry: &&T| entry.id().eq_ignore_ascii_case(name);
    let called = |entry: &&T| {
        entry
            .names()
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
    };
    let by_id = |entry: &&T| reduced(entry.id()) == wanted;
    let by_name = |entry: &&T| entry.names().iter().any(|other| reduced(other) == wanted);
    if let Some(found) = entries.iter().find(exact) {
        return Ok(found);
    }
    let looser: [&dyn Fn(&&T) -> bool; 3] = [&called, &by_id, &by_name];
    for agrees in looser {
        let matches: Vec<&T> = entries.iter().filter(agrees).collect();
        match matches.as_slice() {
            [] => {}
            [one] => return Ok(one),
            several => {
                return Err(Error::Ambiguous {
                    name: name.to_owned(),
                    candidates: several.iter().map(|entry| entry.id().to_owned()).collect(),
                });
            }
        }
    }
    let begun: Vec<String> = entries
        .iter()
        .filter(|entry| !wanted.is_empty() && reduced(entry.id()).starts_with(&wanted))
        .map(|entry| entry.id().to_owned())
        .collect();
    if (1..=MOST_CANDIDATES).contains(&begun.len()) {
        return Err(Error::Ambiguous {
            name: name.to_owned(),
            candidates: begun,
        });
    }
    Err(Error::Unknown {
        kind: T::KIND,
        name: name.to_owned(),
        nearest: nearest(entries.iter().map(Entry::id), name),
    })
}

/// A name without case, spaces, dashes, underscores and leading vendor words.
fn reduced(name: &str) -> String {
    let mut rest = normalized(name);
    while let Some(shorter) = VENDOR_WORDS
        .iter()
        .find_map(|word| rest.strip_prefix(word).filter(|left| !left.is_empty()))
    {
        rest = shorter.to_owned();
    }
    rest
}

/// Up to three of `names` that are closest to `name`, best first; none that is far off.
///
/// Where no name as a whole is close, those count that have a close word: `14c` is close to the last of `qwen-14b`.
#[must_use]
pub fn nearest<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Vec<String> {
    let wanted = reduced(name);
    let names: Vec<&str> = names.collect();
    let close = |likeness: &dyn Fn(&str) -> f64| -> Vec<(f64, &'a str)> {
        let scored = names.iter().map(|other| (likeness(other), *other));
        scored.filter(|(score, _)| *score > 0.72).collect()
    };
    let mut scored = close(&|other| closeness(&reduced(other), &wanted));
    if scored.is_empty() {
        let best = |other: &str| {
            let words = other.split(['-', '_', '/', ' ']);
            words
                .map(|word| closeness(&reduced(word), &wanted))
                .fold(0.0, f64::max)
        };
        scored = close(&best);
    }
    scored.sort_by(|one, two| two.0.total_cmp(&one.0).then(one.1.cmp(two.1)));
    let mut seen: Vec<String> = Vec::new();
    scored
        .into_iter()
        .filter(|(_, other)| {
            let new = !seen.contains(&reduced(other));
            seen.push(reduced(other));
            new
        })
        .take(3)
        .map(|(_, other)| other.to_owned())
        .collect()
}

/// 1 for the same name, towards 0 for a strange one; a part of the other counts as close.
fn closeness(one: &str, two: &str) -> f64 {
    let similar =
        strsim::jaro_winkler(one, two).max(strsim::normalized_damerau_levenshtein(one, two));
    if two.len() >= 2 && (one.contains(two) || two.contains(one)) {
        similar.max(0.8)
    } else {
        similar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_words_and_dashes_do_not_matter() {
        assert_eq!(reduced("NVIDIA GeForce RTX 4090"), reduced("rtx-4090"));
        assert_eq!(reduced("nvidia"), "nvidia");
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let names = ["q4_k_m", "q8_0", "int4"];
        assert_eq!(nearest(names.into_iter(), "q4km"), ["q4_k_m"]);
        assert!(nearest(names.into_iter(), "zebra").is_empty());
    }

    #[test]
    fn a_word_of_a_name_may_be_close() {
        let names = ["r1-distill-qwen-14b", "r1-distill-llama-70b"];
        assert_eq!(nearest(names.into_iter(), "14c"), ["r1-distill-qwen-14b"]);
    }
}
