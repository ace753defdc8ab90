//! The words of a device's name: one that is written together is taken apart, one that says nothing is left out.

/// Words that tell no device from another.
const EMPTY: [&str; 54] = [
    "nvidia",
    "geforce",
    "amd",
    "ati",
    "radeon",
    "instinct",
    "intel",
    "apple",
    "huawei",
    "tesla",
    "gpu",
    "gpus",
    "graphics",
    "card",
    "generation",
    "gen",
    "edition",
    "series",
    "hbm",
    "hbm2",
    "hbm2e",
    "hbm3",
    "hbm3e",
    "gddr5",
    "gddr6",
    "gddr6x",
    "gddr7",
    "processor",
    "cpu",
    "with",
    "memory",
    "vram",
    "unified",
    "tensor",
    "chip",
    "accelerator",
    "mac",
    "macbook",
    "studio",
    "mini",
    "book",
    "imac",
    "hgx",
    "habana",
    "r",
    "tm",
    "e",
    "the",
    "lovelace",
    "of",
    "oam",
    "and",
    "workstation",
    "ws",
];
/// Words that begin a name that is written together: `rtx4090`.
const FIRST: [&str; 8] = [
    "geforce", "nvidia", "radeon", "rtx", "gtx", "rx", "epyc", "arc",
];
/// Words that follow a number that is written together with them: `4070tisuper`. Longer ones first.
const LAST: [&str; 21] = [
    "laptop", "mobile", "super", "ultra", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6", "pcie", "maxq",
    "sxm", "nvl", "max", "pro", "gre", "xtx", "ada", "xt", "ti", "d",
];
/// Letters of a model that people write apart from its number: `MI 300X`.
const MODELS: [&str; 12] = [
    "mi", "gb", "gh", "a", "b", "h", "l", "m", "p", "t", "v", "w",
];
/// Words for the same thing.
const SAME: [(&str, &str); 10] = [
    ("mobile", "laptop"),
    ("notebook", "laptop"),
    ("sxm2", "sxm"),
    ("sxm3", "sxm"),
    ("sxm4", "sxm"),
    ("sxm5", "sxm"),
    ("sxm6", "sxm"),
    ("pci", "pcie"),
    ("server", "se"),
    ("nvl72", "nvl"),
];

/// A word of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A word or a number.
    Text(String),
    /// Memory, in GB.
    Size(u32),
}

impl Word {
    pub(super) fn text_of(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// The word; nothing for memory.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Size(_) => "",
        }
    }

    /// GB of memory, where it says so.
    pub(super) fn size(&self) -> Option<f64> {
        match self {
            Self::Text(_) => None,
            Self::Size(size) => Some(f64::from(*size)),
        }
    }

    /// A number that may be GB of memory.
    pub(super) fn number(&self) -> Option<f64> {
        let short = self.text().len() <= 3;
        self.text()
            .parse::<u16>()
            .ok()
            .filter(|_| short)
            .map(f64::from)
    }

    /// Whether it says how the card is built in.
    pub(super) fn is_form(&self) -> bool {
        matches!(self.text(), "sxm" | "pcie" | "nvl")
    }

    /// Whether `other` is this word, where `#` is any digit and letters may follow.
    pub(super) fn stands_for(&self, other: &Self) -> bool {
        let pattern = self.text();
        let text = other.text();
        let (Some(head), Some(tail)) = (text.get(..pattern.len()), text.get(pattern.len()..))
        else {
            return false;
        };
        let same = pattern
            .chars()
            .zip(head.chars())
            .all(|(wanted, own)| wanted == own || wanted == '#' && own.is_ascii_digit());
        !pattern.is_empty()
            && same
            && tail
                .chars()
                .all(|own| own.is_ascii_alphabetic() || own == '+')
    }
}

/// The words of a name.
pub(super) fn words(name: &str) -> Vec<Word> {
    let lower = name
        .to_lowercase()
        .replace("tensor core", "")
        .replace("macbook pro", "");
    let parts: Vec<String> = lower
        .split(|letter: char| {
            !letter.is_alphanumeric() && letter != '+' && letter != '#' && letter != '.'
        })
        .filter(|part| !part.is_empty())
        .flat_map(apart)
        .collect();
    let mut found = Vec::new();
    let mut rest = parts.as_slice();
    while let [first, after @ ..] = rest {
        let (word, left) = joined(first, after);
        rest = left;
        found.extend(word.filter(|word| !EMPTY.contains(&word.text())));
    }
    found
}

/// The word that begins with `first`, taken together with what belongs to it; and what is left.
fn joined<'a>(first: &str, after: &'a [String]) -> (Option<Word>, &'a [String]) {
    let second = after.first().map_or("", String::as_str);
    let beyond = after.get(1..).unwrap_or_default();
    let number = first.parse::<u32>().ok();
    match (number, second) {
        (Some(size), "gb" | "g" | "gib") => return (Some(Word::Size(size)), beyond),
        (Some(_), "core" | "cores" | "threads") => return (None, beyond),
        _ => {}
    }
    if first == "max" && second == "q" {
        return (Some(Word::text_of("maxq")), beyond);
    }
    if first.ends_with("ghz") || first.contains('.') {
        return (None, after);
    }
    if MODELS.contains(&first) && second.starts_with(|letter: char| letter.is_ascii_digit()) {
        return (Some(Word::Text(format!("{first}{second}"))), beyond);
    }
    let same = SAME.iter().find(|(word, _)| *word == first);
    (
        Some(Word::text_of(same.map_or(first, |(_, same)| same))),
        after,
    )
}

/// The parts of a word that is written together.
fn apart(word: &str) -> Vec<String> {
    if let Some((first, rest)) = FIRST
        .iter()
        .find_map(|first| Some((first, word.strip_prefix(first)?)))
        && rest.contains(|letter: char| letter.is_ascii_digit())
    {
        let mut parts = vec![(*first).to_owned()];
        parts.extend(apart(rest));
        return parts;
    }
    let Some(end) = word.rfind(|letter: char| letter.is_ascii_digit()) else {
        return vec![word.to_owned()];
    };
    if word.starts_with(|letter: char| letter.is_ascii_digit())
        && let Some(parts) = suffixes(word)
    {
        return parts;
    }
    let digit = word
        .find(|letter: char| letter.is_ascii_digit())
        .unwrap_or(end);
    for split in digit..=end {
        let Some((model, rest)) = word.split_at_checked(split + 1) else {
            continue;
        };
        if rest.is_empty() || rest.starts_with(|letter: char| letter.is_ascii_digit()) {
            continue;
        }
        if let Some(mut parts) = suffixes(rest) {
            parts.insert(0, model.to_owned());
            return parts;
        }
    }
    vec![word.to_owned()]
}

/// The words of LAST that `rest` is made of, memory among them; none where it has something else.
fn suffixes(rest: &str) -> Option<Vec<String>> {
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let letters = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = rest.len() - letters.len();
    let word = if digits > 0 {
        ["gb", "gib", "g"].iter().find(|unit| letters == **unit)?
    } else {
        LAST.iter().find(|word| rest.starts_with(**word))?
    };
    let (number, left) = rest.split_at_checked(digits)?;
    let mut parts = vec![number.to_owned(), (*word).to_owned()];
    parts.retain(|part| !part.is_empty());
    parts.extend(suffixes(left.get(word.len()..)?)?);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str) -> Vec<String> {
        let said = |word: &Word| match word {
            Word::Text(text) => text.clone(),
            Word::Size(size) => format!("{size} GB"),
        };
        words(name).iter().map(said).collect()
    }

    #[test]
    fn words_written_together_are_taken_apart() {
        assert_eq!(
            texts("rtx4070tisuper16gb"),
            ["rtx", "4070", "ti", "super", "16 GB"]
        );
        assert_eq!(texts("A100-SXM4-80GB"), ["a100", "sxm", "80 GB"]);
        assert_eq!(texts("h100nvl"), ["h100", "nvl"]);
        assert_eq!(texts("m2ultra"), ["m2", "ultra"]);
        assert_eq!(texts("7900XTX"), ["7900", "xtx"]);
        assert_eq!(texts("4090D"), ["4090", "d"]);
    }

    #[test]
    fn a_models_own_letters_stay() {
        assert_eq!(texts("MI300X"), ["mi300x"]);
        assert_eq!(texts("MI 300X"), ["mi300x"]);
        assert_eq!(texts("A10G"), ["a10g"]);
        assert_eq!(texts("L40S"), ["l40s"]);
        assert_eq!(texts("Ryzen 9 7950X"), ["ryzen", "9", "7950x"]);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        assert_eq!(
            texts("M1 Max 32\u{2011}Core GPU 64GB"),
            ["m1", "max", "64 GB"]
        );
        assert_eq!(
            texts("Intel(R) Xeon(R) Platinum 8480+"),
            ["xeon", "platinum", "8480+"]
        );
        assert_eq!(
            texts("NVIDIA GeForce RTX 4090 Laptop GPU"),
            ["rtx", "4090", "laptop"]
        );
    }

    #[test]
    fn a_series_stands_for_its_numbers() {
        let series = Word::text_of("9##4");
        assert!(series.stands_for(&Word::text_of("9654p")));
        assert!(!series.stands_for(&Word::text_of("9655")));
        assert!(!series.stands_for(&Word::text_of("96541")));
    }
}
