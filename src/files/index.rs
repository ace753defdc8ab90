//! The index of a checkpoint that is split: which file holds which tensor.
//!
//! Its `total_size` is not read: DeepSeek-V3's is twice the number of stored elements, not bytes.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::limits::FILES;
use super::text::one_line;
use crate::units::count;

/// The names of the files that an index names.
///
/// # Errors
/// What is wrong with it, in one line.
pub(super) fn files(text: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    Part::Whole
        .deserialize(&mut json)
        .and_then(|names| json.end().map(|()| names))
        .map_err(|error| format!("is no sound index: {}", one_line(&error.to_string())))
}

/// What of the index is read: only the names are kept, so that a large one costs no memory.
#[derive(Clone, Copy)]
enum Part {
    /// The object with the key `weight_map`.
    Whole,
    /// The object from tensors to files.
    WeightMap,
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = BTreeSet<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = BTreeSet<String>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        match self {
            Self::Whole => whole(map),
            Self::WeightMap => weight_map(map),
        }
    }
}

fn whole<'de, A: MapAccess<'de>>(mut map: A) -> Result<BTreeSet<String>, A::Error> {
    let mut found = None;
    while let Some(key) = map.next_key::<String>()? {
        if key != "weight_map" {
            map.next_value::<IgnoredAny>()?;
        } else if found.is_none() {
            found = Some(map.next_value_seed(Part::WeightMap)?);
        } else {
            return Err(A::Error::custom("the key `weight_map` is there twice"));
        }
    }
    found.ok_or_else(|| A::Error::custom("`weight_map` is missing"))
}

fn weight_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<BTreeSet<String>, A::Error> {
    let mut names = BTreeSet::new();
    while map.next_key::<IgnoredAny>()?.is_some() {
        let name: String = map.next_value()?;
        names.insert(name);
        if count(names.len()) > FILES {
            return Err(A::Error::custom(format!("more than {FILES} files")));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_once() {
        let text =
            br#"{"metadata": {"total_size": 1}, "weight_map": {"a": "x", "b": "y", "c": "x"}}"#;
        let names: Vec<String> = files(text).expect("sound").into_iter().collect();
        assert_eq!(names, ["x", "y"]);
    }

    #[test]
    fn what_is_unsound_is_said() {
        let cases = [
            ("{}", "missing"),
            (r#"{"weight_map": 1}"#, "object"),
            (r#"{"weight_map": {"a": 1}}"#, "string"),
            (r#"{"weight_map": {}, "weight_map": {}}"#, "twice"),
        ];
        for (text, expected) in cases {
            let error = files(text.as_bytes()).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}
