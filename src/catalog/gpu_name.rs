//! Names of devices as people, drivers and shops write them: `4090`, `h100-80gb-sxm`, `M1 Max 32-Core GPU 64GB`.
//!
//! A name is read as a set of words. A device answers to it when the name has every word that its id needs and
//! no word that it does not know; memory is a word of its own, compared with the sizes that the device is sold in.

use super::entry::Entry;
use super::find::find;
use super::gpu::Gpu;
use crate::error::{Error, Result};

mod words;

use words::{Word, words};

/// Words that a device's id may have and a name may leave out.
const SERIES: [&str; 15] = [
    "rtx",
    "gtx",
    "rx",
    "arc",
    "epyc",
    "ryzen",
    "xeon",
    "threadripper",
    "core",
    "platinum",
    "gold",
    "silver",
    "max+",
    "ai",
    "superchip",
];
/// Words of another chip under the same number, which a name never leaves out.
const DISTINCT: [&str; 2] = ["laptop", "maxq"];
/// How many candidates of an ambiguous name are offered.
const MOST_CANDIDATES: usize = 8;

/// A device, and the memory that its name asks for.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// GB of memory, where the name has it.
    pub size_gb: Option<f64>,
}

/// The numbers that an entry must have to answer to a name: `4090`, and `300` of `MI 300X`.
#[derive(Debug)]
pub(super) struct Digits(Vec<String>);

impl Digits {
    /// Those of `name`, without what may be GB of memory.
    pub(super) fn of(name: &str) -> Self {
        let asked = words(name);
        let fixed = asked
            .iter()
            .filter(|word| word.size().is_none() && word.number().is_none());
        let runs = fixed.flat_map(|word| {
            let parts = word.text().split(|letter: char| !letter.is_ascii_digit());
            parts.map(str::to_owned).collect::<Vec<_>>()
        });
        Self(runs.filter(|run| !run.is_empty()).collect())
    }

    /// Whether an entry with these keys can answer to the name: it has every number, or stands for a series.
    pub(super) fn may_be_in(&self, keys: &str) -> bool {
        let apart = |byte: &u8| matches!(byte, b' ' | b'-' | b'_');
        let joined: Vec<u8> = keys.bytes().filter(|byte| !apart(byte)).collect();
        let has = |run: &String| {
            let mut windows = joined.windows(run.len());
            windows.any(|window| window == run.as_bytes())
        };
        // A text with escapes may hold any number.
        self.0.iter().all(has) || keys.contains("\nseries") || keys.contains('\\')
    }
}

/// The device that `name` means.
///
/// # Errors
/// `Unknown` with the nearest names, `Ambiguous` with the candidates, `Unanswerable` for a size that is not sold.
pub fn find_gpu<'a>(gpus: &'a [Gpu], name: &str) -> Result<Named<'a>> {
    let asked = words(name);
    let size_gb = asked.iter().find_map(Word::size);
    let unknown = match find(gpus, name) {
        Ok(gpu) => {
            return Ok(Named {
                gpu,
                size_gb: size_gb.or_else(|| last_number(gpu, &asked)),
            });
        }
        Err(error) => error,
    };
    if let Some(error) = wrong_size(gpus, &asked) {
        return Err(error);
    }
    let matches = candidates(gpus, name);
    match matches.as_slice() {
        [gpu] if !is_plain_word(&asked) => Ok(Named {
            gpu,
            size_gb: size_gb.or_else(|| last_number(gpu, &asked)),
        }),
        [] | [_] => Err(unknown),
        several if several.len() <= MOST_CANDIDATES => Err(Error::Ambiguous {
            name: name.to_owned(),
            candidates: several.iter().map(|gpu| gpu.id.clone()).collect(),
        }),
        _ => Err(unknown),
    }
}

/// The devices that `name` may mean, those that it names in full before those that it begins to name.
#[must_use]
pub fn candidates<'a>(gpus: &'a [Gpu], name: &str) -> Vec<&'a Gpu> {
    let asked = words(name);
    if asked.is_empty() {
        return Vec::new();
    }
    let known: Vec<(&Gpu, Known)> = gpus.iter().map(|gpu| (gpu, Known::of(gpu))).collect();
    let named: Vec<&(&Gpu, Known)> = known
        .iter()
        .filter(|(_, known)| known.covers(&asked))
        .collect();
    let whole: Vec<&(&Gpu, Known)> = named
        .iter()
        .filter(|(_, known)| known.is_named_by(&asked))
        .copied()
        .collect();
    let best = if whole.is_empty() { named } else { whole };
    best.into_iter().map(|(gpu, _)| *gpu).collect()
}

/// What is known of a device's names.
struct Known {
    /// Every word of every name.
    all: Vec<Word>,
    /// Words that its id is told from others by.
    needed: Vec<Word>,
    /// Sizes that it is sold in, in GB.
    sizes: Vec<f64>,
    /// Whether its id names a size.
    sized: bool,
    /// Series that it stands for.
    series: Vec<Vec<Word>>,
}

impl Known {
    fn of(gpu: &Gpu) -> Self {
        let sizes = sizes(gpu);
        let is_size = |word: &Word| {
            word.size()
                .or_else(|| word.number())
                .is_some_and(|size| has(&sizes, size))
        };
        let id = words(&gpu.id);
        let needed: Vec<Word> = id
            .iter()
            .filter(|word| !is_size(word) && !SERIES.contains(&word.text()))
            .cloned()
            .collect();
        let mut all = words(&gpu.architecture);
        all.extend(id.iter().cloned());
        for name in gpu.names() {
            all.extend(words(&without_brackets(name)));
        }
        if !all.iter().any(Word::is_form) {
            all.push(Word::text_of("pcie"));
        }
        Self {
            all,
            needed,
            sized: id.iter().any(is_size),
            sizes,
            series: gpu.series.iter().map(|name| words(name)).collect(),
        }
    }

    /// Whether every word of `asked` is one of its words, its size, or of a series.
    fn covers(&self, asked: &[Word]) -> bool {
        let said = |word: &Word| asked.contains(word);
        let distinct = self
            .needed
            .iter()
            .filter(|word| DISTINCT.contains(&word.text()));
        let own = distinct.into_iter().all(said) && asked.iter().all(|word| self.knows(word));
        own || self.in_series(asked)
    }

    fn knows(&self, word: &Word) -> bool {
        self.is_size(word) || word.size().is_none() && self.all.contains(word)
    }

    fn is_size(&self, word: &Word) -> bool {
        let size = word.size().or_else(|| word.number());
        size.is_some_and(|size| has(&self.sizes, size))
    }

    /// Whether `asked` has every word that tells it from others, and a size where its id has one.
    fn is_named_by(&self, asked: &[Word]) -> bool {
        let sized = !self.sized || asked.iter().any(|word| self.is_size(word));
        sized && self.needed.iter().all(|word| asked.contains(word)) || self.in_series(asked)
    }

    fn in_series(&self, asked: &[Word]) -> bool {
        self.series.iter().any(|series| {
            series
                .iter()
                .all(|part| asked.iter().any(|word| part.stands_for(word)))
        })
    }
}

/// A name without what it says in brackets, which explains it and is no part of it.
fn without_brackets(name: &str) -> String {
    let mut depth = 0_u32;
    let kept = |letter: &char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            other => return depth == 0 || other.is_whitespace(),
        }
        false
    };
    name.chars().filter(kept).collect()
}

/// Whether it is one word without a digit, which tells no device from another unless it is a name of its own.
fn is_plain_word(asked: &[Word]) -> bool {
    asked.first().is_some_and(|first| {
        let digits = first
            .text()
            .contains(|letter: char| letter.is_ascii_digit());
        !digits && asked.iter().all(|word| word == first)
    })
}

/// The sizes that it is sold in, and the figure that another source gives for the box.
fn sizes(gpu: &Gpu) -> Vec<f64> {
    let memory = &gpu.memory;
    let others = gpu
        .disagreements
        .iter()
        .filter(|other| other.key == "memory.vendor_gb")
        .filter_map(|other| other.value.split(' ').next()?.parse().ok());
    let listed = memory.vendor_gb.into_iter();
    listed
        .chain(memory.options_gb.iter().copied())
        .chain(others)
        .collect()
}

fn has(sizes: &[f64], size: f64) -> bool {
    sizes.iter().any(|own| (own - size).abs() < 0.5)
}

/// The last word as a size, where the device is sold in it: `m2-ultra-192`.
fn last_number(gpu: &Gpu, asked: &[Word]) -> Option<f64> {
    let size = asked.last()?.number()?;
    (gpu.memory.options_gb.len() > 1 && has(&gpu.memory.options_gb, size)).then_some(size)
}

/// What to say when the name would do without its size, and no device of that name has it.
fn wrong_size(gpus: &[Gpu], asked: &[Word]) -> Option<Error> {
    let size = asked.iter().find_map(Word::size)?;
    let known: Vec<(&Gpu, Known)> = gpus.iter().map(|gpu| (gpu, Known::of(gpu))).collect();
    let named = |asked: &[Word]| -> Vec<&Gpu> {
        let matches = known
            .iter()
            .filter(|(_, known)| known.covers(asked) && known.is_named_by(asked));
        matches.map(|(gpu, _)| *gpu).collect()
    };
    if !named(asked).is_empty() {
        return None;
    }
    let rest: Vec<Word> = asked
        .iter()
        .filter(|word| word.size().is_none())
        .cloned()
        .collect();
    let sold: Vec<String> = named(&rest)
        .into_iter()
        .map(|gpu| {
            let words: Vec<String> = sizes(gpu).iter().map(ToString::to_string).collect();
            format!("{} is sold with {} GB", gpu.name, words.join(", "))
        })
        .collect();
    (!rest.is_empty() && !sold.is_empty())
        .then(|| Error::Unanswerable(format!("{}, not {size}", sold.join("; "))))
}
