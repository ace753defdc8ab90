//! Versions of engines, in the order in which they came out.

use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;

/// A version such as `0.32.0`, `0.5.8.post1` or `v0.24`; a tag's `v` is dropped.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Version {
    text: String,
    numbers: Vec<u64>,
}

impl Version {
    /// The version that `text` names.
    ///
    /// # Errors
    /// When it does not begin with numbers between dots, or has a character that no version has.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let bare = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let fault = || format!("`{text}` is no version; expected one such as 0.32.0");
        let known = |letter: char| letter.is_ascii_alphanumeric() || ".+-".contains(letter);
        if !bare.starts_with(|first: char| first.is_ascii_digit()) || !bare.chars().all(known) {
            return Err(fault());
        }
        let mut numbers = Vec::new();
        for part in bare.split('.') {
            let part = part.strip_prefix("post").unwrap_or(part);
            let end = part
                .find(|letter: char| !letter.is_ascii_digit())
                .unwrap_or(part.len());
            let (digits, rest) = part.split_at(end);
            if digits.is_empty() {
                break;
            }
            numbers.push(digits.parse().map_err(|_| fault())?);
            if !rest.is_empty() {
                break;
            }
        }
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Ok(Self {
            text: bare.to_owned(),
            numbers,
        })
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(version("0.9.2") < version("0.10"));
        assert!(version("0.5.8") < version("0.5.8.post1"));
        assert!(version("0.5.8.post1") < version("0.5.9"));
        assert_eq!(version("v0.24"), version("0.24.0"));
        assert_eq!(version("v0.24").to_string(), "0.24");
    }

    #[test]
    fn what_could_leave_its_place_is_no_version() {
        for text in ["", "latest", "1;reboot", "1 2", "1\n2", "-1", "$(id)"] {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }
}
