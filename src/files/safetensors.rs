//! The header of a safetensors file.
//!
//! The safetensors crate reads a header only with the whole file behind it and takes the last of two
//! entries of one name, so the map is walked here, with limits, and each entry and the layout as a
//! whole are given to the crate's own types and validation.

use std::collections::HashSet;
use std::fmt;
use std::io::Read;

use ::safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::element::ElementType;
use super::limits::Budget;
use super::text::{one_line, shown};
use super::weights::{FileTensor, Order};
use crate::units::{Bytes, count, index};

/// Bytes before the header: its length.
const LENGTH_BYTES: u64 = 8;
/// Dimensions of a tensor; PyTorch's linear and convolution weights have up to 5.
const DIMENSIONS: usize = 8;
/// The crate's element types by name.
const TYPES: [(Dtype, &str); 22] = [
    (Dtype::BOOL, "BOOL"),
    (Dtype::F4, "F4"),
    (Dtype::F6_E2M3, "F6_E2M3"),
    (Dtype::F6_E3M2, "F6_E3M2"),
    (Dtype::U8, "U8"),
    (Dtype::I8, "I8"),
    (Dtype::F8_E5M2, "F8_E5M2"),
    (Dtype::F8_E4M3, "F8_E4M3"),
    (Dtype::F8_E8M0, "F8_E8M0"),
    (Dtype::F8_E4M3FNUZ, "F8_E4M3FNUZ"),
    (Dtype::F8_E5M2FNUZ, "F8_E5M2FNUZ"),
    (Dtype::I16, "I16"),
    (Dtype::U16, "U16"),
    (Dtype::F16, "F16"),
    (Dtype::BF16, "BF16"),
    (Dtype::I32, "I32"),
    (Dtype::U32, "U32"),
    (Dtype::F32, "F32"),
    (Dtype::C64, "C64"),
    (Dtype::F64, "F64"),
    (Dtype::I64, "I64"),
    (Dtype::U64, "U64"),
];

/// Reads the header of a file of `size` bytes.
///
/// # Errors
/// What is wrong with it, in one line.
pub(super) fn parse(
    mut reader: impl Read,
    size: u64,
    budget: &mut Budget,
) -> Result<Vec<FileTensor>, String> {
    let mut length = [0; 8];
    reader
        .read_exact(&mut length)
        .map_err(|_| "is cut off: it has no header".to_owned())?;
    let length = u64::from_le_bytes(length);
    let data = size
        .checked_sub(LENGTH_BYTES)
        .and_then(|rest| rest.checked_sub(length))
        .ok_or_else(|| {
            format!("is cut off or no safetensors file: a header of {length} bytes is announced")
        })?;
    budget.take(length)?;
    let mut header = Vec::new();
    reader
        .take(length)
        .read_to_end(&mut header)
        .map_err(|error| format!("cannot be read: {error}"))?;
    let entries = entries(&header, budget)?;
    drop(header);
    let metadata = Metadata::new(None, entries)
        .map_err(|error| format!("has an impossible header: {}", one_line(&error.to_string())))?;
    let held = count(metadata.data_len());
    if held != data {
        return Err(format!(
            "has {data} bytes of data, but its header describes {held}: cut off or damaged"
        ));
    }
    metadata
        .offset_keys()
        .into_iter()
        .map(|name| tensor(name, &metadata, LENGTH_BYTES + length))
        .collect()
}

fn tensor(name: String, metadata: &Metadata, start: u64) -> Result<FileTensor, String> {
    let known = metadata.info(&name).and_then(|info| {
        let (_, type_name) = TYPES.iter().find(|(known, _)| *known == info.dtype)?;
        Some((info, *type_name))
    });
    let Some((info, type_name)) = known else {
        return Err(format!("the type of `{}` is not known", shown(&name)));
    };
    let (from, to) = info.data_offsets;
    Ok(FileTensor {
        dimensions: info.shape.iter().copied().map(count).collect(),
        order: Order::RowLast,
        element: ElementType::plain(type_name, count(info.dtype.bitsize())),
        bytes: Bytes(count(to.saturating_sub(from))),
        offset: start.saturating_add(count(from)),
        file: 0,
        name,
    })
}

/// The entries, in the order of their data.
fn entries(header: &[u8], budget: &mut Budget) -> Result<Vec<(String, TensorInfo)>, String> {
    if header.first() != Some(&b'{') {
        return Err("is no safetensors file: its header is no JSON object".to_owned());
    }
    let most = budget.tensors;
    let mut json = serde_json::Deserializer::from_slice(header);
    let mut entries = Entries { most }
        .deserialize(&mut json)
        .and_then(|entries| json.end().map(|()| entries))
        .map_err(|error| format!("has a broken header: {}", one_line(&error.to_string())))?;
    budget.take_tensors(count(entries.len()))?;
    entries.sort_by_key(|(_, info)| info.data_offsets);
    Ok(entries)
}

/// Reads the header's map with at most so many tensors.
struct Entries {
    most: u64,
}

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Vec<(String, TensorInfo)>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, TensorInfo)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = HashSet::new();
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                let message = format!("`{}` is there twice", shown(&name));
                return Err(A::Error::custom(message));
            }
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if count(entries.len()) >= self.most {
                let message = format!("more than the {} tensors that are read", self.most);
                return Err(A::Error::custom(message));
            }
            let entry: Entry = map.next_value()?;
            entries.push((
                name,
                TensorInfo {
                    dtype: entry.dtype,
                    shape: entry.shape.0,
                    data_offsets: entry.data_offsets,
                },
            ));
        }
        Ok(entries)
    }
}

/// An entry as the crate has it, but with a limit on dimensions.
#[derive(Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Lengths,
    data_offsets: (usize, usize),
}

struct Lengths(Vec<usize>);

impl<'de> Deserialize<'de> for Lengths {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(LengthsVisitor)
    }
}

struct LengthsVisitor;

impl<'de> Visitor<'de> for LengthsVisitor {
    type Value = Lengths;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "at most {DIMENSIONS} lengths")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut lengths = Vec::new();
        while let Some(length) = list.next_element::<u64>()? {
            if lengths.len() == DIMENSIONS {
                return Err(A::Error::custom(format!("more than {DIMENSIONS} lengths")));
            }
            lengths.push(index(length));
        }
        Ok(Lengths(lengths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: u64) -> (Vec<u8>, u64) {
        let mut bytes = count(header.len()).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        let size = count(bytes.len()) + data;
        (bytes, size)
    }

    fn read(header: &str, data: u64) -> Result<Vec<FileTensor>, String> {
        let (bytes, size) = file(header, data);
        parse(bytes.as_slice(), size, &mut Budget::headers())
    }

    const TWO: &str = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

    #[test]
    fn tensors_come_in_the_order_of_their_data() {
        let tensors = read(TWO, 20).expect("a sound file");
        let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let last = tensors.last().expect("two");
        assert_eq!((last.bytes, last.element.name), (Bytes(12), "BF16"));
        assert_eq!(last.offset, 8 + count(TWO.len()) + 8);
    }

    #[test]
    fn strangers_files_end_in_one_line() {
        let entry = r#""a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}"#;
        let cases = [
            (TWO.to_owned(), 19, "cut off"),
            (TWO.to_owned(), 21, "cut off"),
            (format!("{{{entry},{entry}}}"), 4, "twice"),
            (r#"{"a":{"dtype":"U8","shape":[18446744073709551615,2],"data_offsets":[0,4]}}"#.to_owned(), 4, "impossible"),
            (r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#.to_owned(), 4, "impossible"),
            (r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#.to_owned(), 6, "impossible"),
            (r#"{"a":{"dtype":"X9\u001b[2J","shape":[4],"data_offsets":[0,4]}}"#.to_owned(), 4, "broken"),
            (r#"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}"#.to_owned(), 1, "more than 8"),
            (r#"{"a":{"dtype":"U8","shape":"4","data_offsets":[0,4]}}"#.to_owned(), 4, "broken"),
            (format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000)), 0, "broken"),
            ("[]".to_owned(), 0, "no JSON object"),
            (String::new(), 0, "no JSON object"),
        ];
        for (header, data, expected) in cases {
            let error = read(&header, data).expect_err(expected);
            assert!(error.contains(expected), "{error}");
            assert!(!error.chars().any(char::is_control) && error.len() < 600);
        }
    }

    #[test]
    fn a_header_may_not_be_longer_than_the_file() {
        for length in [u64::MAX, 1 << 63, 100] {
            let bytes = length.to_le_bytes();
            let error = parse(bytes.as_slice(), 8, &mut Budget::headers()).expect_err("cut off");
            assert!(error.contains("cut off"), "{error}");
        }
        let huge: u64 = 1 << 40;
        let bytes = huge.to_le_bytes();
        let error = parse(bytes.as_slice(), 1 << 50, &mut Budget::headers()).expect_err("too long");
        assert!(error.contains("64 MiB"), "{error}");
    }
}
