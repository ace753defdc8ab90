//! Prompts of a wanted length, no two alike, without the model's tokenizer.
//!
//! Short common words, drawn at random from the first on: no prompt shares a beginning with another, so no
//! cache of prefixes answers in the model's place. How many tokens a word takes is asked of the server.

use crate::units::{float, whole};

/// Words that most vocabularies hold whole.
const WORDS: [&str; 64] = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world",
    "school", "state", "family", "student", "group", "country", "problem", "hand", "part", "place",
    "case", "week", "company", "system", "program", "question", "work", "number", "night", "point",
    "home", "water", "room", "mother", "area", "money", "story", "fact", "month", "lot", "right",
    "study", "book", "eye", "job", "word", "business", "issue", "side", "kind", "head", "house",
    "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law", "car",
];

/// Makes prompts.
#[derive(Debug, Clone)]
pub struct Prompts {
    random: fastrand::Rng,
}

impl Prompts {
    /// Prompts that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// A prompt of `words` words, at least one.
    #[must_use]
    pub fn text(&mut self, words: u64) -> String {
        let mut text = String::new();
        for position in 0..words.max(1) {
            if position > 0 {
                text.push(' ');
            }
            text.push_str(self.random.choice(WORDS).unwrap_or("word"));
        }
        text
    }
}

/// A prompt that a server counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Words that were sent.
    pub words: u64,
    /// Tokens that the server says they are, with what it adds: a first token, a template.
    pub tokens: u64,
}

/// How many tokens a prompt of so many words has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Tokens for each word.
    pub tokens_per_word: f64,
    /// Tokens that stand around every prompt.
    pub around: f64,
}

impl Scale {
    /// One token for each word, where no server says otherwise.
    pub const ASSUMED: Self = Self {
        tokens_per_word: 1.0,
        around: 0.0,
    };

    /// The line through two probes of different length; none when it does not rise.
    #[must_use]
    pub fn through(one: Probe, other: Probe) -> Option<Self> {
        let words = float(other.words) - float(one.words);
        let tokens = float(other.tokens) - float(one.tokens);
        let tokens_per_word = tokens / words;
        (tokens_per_word.is_finite() && tokens_per_word > 0.0).then(|| Self {
            tokens_per_word,
            around: float(one.tokens) - tokens_per_word * float(one.words),
        })
    }

    /// Words of a prompt of `tokens`, at least one.
    #[must_use]
    pub fn words_for(self, tokens: u64) -> u64 {
        let words = (float(tokens) - self.around) / self.tokens_per_word;
        whole(words.round()).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn prompts_share_no_beginning() {
        let mut prompts = Prompts::new(7);
        let beginnings: HashSet<String> = (0..1000)
            .map(|_| {
                let text = prompts.text(100);
                assert_eq!(text.split(' ').count(), 100);
                text.split(' ').take(8).collect()
            })
            .collect();
        assert_eq!(beginnings.len(), 1000);
        assert_eq!(Prompts::new(7).text(20), Prompts::new(7).text(20));
        assert_ne!(Prompts::new(7).text(20), Prompts::new(8).text(20));
    }

    /// 1.25 tokens a word and five around: 100 words are 130 tokens.
    #[test]
    fn words_follow_from_two_probes() {
        let short = Probe {
            words: 8,
            tokens: 15,
        };
        let long = Probe {
            words: 64,
            tokens: 85,
        };
        let scale = Scale::through(short, long).expect("a line");
        assert_eq!(scale.words_for(130), 100);
        assert_eq!(scale.words_for(1), 1);
        assert_eq!(Scale::through(short, short), None);
        let falling = Probe {
            words: 64,
            tokens: 3,
        };
        assert_eq!(Scale::through(short, falling), None);
    }
}
