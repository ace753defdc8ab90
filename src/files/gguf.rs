//! The header of a GGUF file: metadata and the list of tensors.
//!
//! An own parser, because the published ones do not hold here: gguf-rs 0.1.8 allocates a string's
//! stated length (up to 1 GiB) before it reads it, ggus 0.5.1 wants the whole file mapped and panics
//! on wrong types, gguf-rs-lib 0.3.3 bounds its input but keeps every token, and none of them holds
//! the tensors' offsets against the file's size.
//!
//! Layout: `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `ggml/include/gguf.h`; what a file must
//! satisfy is what `gguf_init_from_reader` in `ggml/src/gguf.cpp` demands.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Read};

use super::element::ElementType;
use super::limits::Budget;
use super::text::shown;
use super::weights::{FileTensor, Order};
use crate::units::{Bytes, count, index};

/// The first bytes of every GGUF file.
pub(super) const MAGIC: [u8; 4] = *b"GGUF";
/// Where tensor data starts and each tensor ends, unless the file says otherwise.
const ALIGNMENT: u64 = 32;
/// Metadata entries; llama.cpp's converter writes about 50.
const MOST_KEYS: u64 = 1 << 16;
/// Bytes of a key, by the specification.
const KEY_BYTES: u64 = 65_535;
/// Bytes of a tensor's name: `GGML_MAX_NAME` without the closing zero.
const NAME_BYTES: u64 = 63;
/// Bytes of a text that is kept; longer ones (chat templates) are skipped.
const KEPT_TEXT: u64 = 1024;
/// Numbers of an array that is kept: one for each layer.
const KEPT_NUMBERS: u64 = 1 << 12;
/// Numbers of all such arrays together, so that a small file cannot take much memory.
const ALL_KEPT_NUMBERS: u64 = 1 << 16;
/// `GGML_MAX_DIMS`.
const DIMENSIONS: u32 = 4;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A whole number.
    Whole(i128),
    /// A broken number.
    Float(f64),
    /// Yes or no.
    Flag(bool),
    /// A short text.
    Text(String),
    /// Whole numbers, one for each layer.
    Numbers(Vec<i128>),
    /// So many of something that is not kept: tokens, scores; 1 for a long text.
    Skipped(u64),
}

/// What a GGUF file says before its data.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    /// Metadata by key.
    pub(super) metadata: BTreeMap<String, Value>,
    /// The tensors, in the file's order.
    pub(super) tensors: Vec<FileTensor>,
}

/// Reads the header of a file of `size` bytes.
///
/// # Errors
/// What is wrong with it, in one line.
pub(super) fn parse(
    reader: impl BufRead,
    size: u64,
    budget: &mut Budget,
) -> Result<Header, String> {
    let mut input = Input {
        reader,
        position: 0,
        size,
        budget,
        kept_numbers: 0,
    };
    if input.bytes::<4>()? != MAGIC {
        return Err("is no GGUF file: it does not start with `GGUF`".to_owned());
    }
    check_version(input.u32()?)?;
    let tensor_count = input.u64()?;
    input.budget.take_tensors(tensor_count)?;
    let key_count = input.u64()?;
    if key_count > MOST_KEYS {
        return Err(format!(
            "says that it has {key_count} metadata entries; at most {MOST_KEYS} are read"
        ));
    }
    let mut metadata = BTreeMap::new();
    for _ in 0..key_count {
        let (key, value) = input.entry()?;
        if let Some(earlier) = metadata.insert(key, value) {
            drop(earlier);
            return Err("has a metadata key twice".to_owned());
        }
    }
    let alignment = alignment(&metadata)?;
    let mut tensors = Vec::new();
    for _ in 0..tensor_count {
        tensors.push(input.tensor()?);
    }
    let start = align(input.position, alignment)?;
    check_layout(&mut tensors, (start, alignment), size)?;
    Ok(Header { metadata, tensors })
}

fn check_version(version: u32) -> Result<(), String> {
    match version {
        2 | 3 => Ok(()),
        1 => Err("is GGUF version 1, which llama.cpp no longer reads".to_owned()),
        swapped if swapped.swap_bytes() <= 3 => Err("is a big-endian GGUF file".to_owned()),
        other => Err(format!(
            "is GGUF version {other}; versions 2 and 3 are known"
        )),
    }
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<u64, String> {
    let alignment = match metadata.get("general.alignment") {
        None => return Ok(ALIGNMENT),
        Some(Value::Whole(alignment)) => u32::try_from(*alignment).unwrap_or(0),
        Some(_) => 0,
    };
    if alignment.is_power_of_two() {
        Ok(u64::from(alignment))
    } else {
        Err("`general.alignment` must be a power of 2".to_owned())
    }
}

fn align(position: u64, alignment: u64) -> Result<u64, String> {
    position
        .checked_next_multiple_of(alignment)
        .ok_or_else(|| "has more data than can be counted".to_owned())
}

/// Each tensor must start where the one before it ends, and the file must hold the last one; then
/// offsets become positions in the file.
fn check_layout(
    tensors: &mut [FileTensor],
    (start, alignment): (u64, u64),
    size: u64,
) -> Result<(), String> {
    let mut names = HashSet::new();
    let mut expected = 0;
    let mut end = 0;
    for tensor in tensors.iter() {
        if !names.insert(tensor.name.as_str()) {
            return Err(format!("has the tensor `{}` twice", shown(&tensor.name)));
        }
        if tensor.offset != expected {
            return Err(format!(
                "the tensor `{}` lies at offset {}, not at {expected} where the one before it ends",
                shown(&tensor.name),
                tensor.offset
            ));
        }
        end = tensor
            .offset
            .checked_add(tensor.bytes.0)
            .ok_or("has more data than can be counted")?;
        expected = align(end, alignment)?;
    }
    let needed = start
        .checked_add(end)
        .ok_or("has more data than can be counted")?;
    if !tensors.is_empty() && needed > size {
        return Err(format!(
            "is cut off: its tensors end at byte {needed}, the file has {size} bytes"
        ));
    }
    for tensor in tensors {
        tensor.offset = tensor.offset.saturating_add(start);
    }
    Ok(())
}

/// The part of the file that is still to be read.
struct Input<'a, R> {
    reader: R,
    position: u64,
    size: u64,
    budget: &'a mut Budget,
    kept_numbers: u64,
}

impl<R: BufRead> Input<'_, R> {
    /// Makes sure that the file and the budget have `length` more bytes, and counts them as read.
    fn claim(&mut self, length: u64) -> Result<(), String> {
        let end = self.position.checked_add(length);
        match end {
            Some(end) if end <= self.size => {
                self.budget.take(length)?;
                self.position = end;
                Ok(())
            }
            Some(_) | None => Err(format!(
                "is cut off: its header asks for {length} bytes at {}, but the file has {}",
                self.position, self.size
            )),
        }
    }

    fn bytes<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], String> {
        self.claim(count(LENGTH))?;
        let mut bytes = [0; LENGTH];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|error| format!("cannot be read: {error}"))?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn skip(&mut self, length: u64) -> Result<(), String> {
        self.claim(length)?;
        let read = std::io::copy(&mut self.reader.by_ref().take(length), &mut std::io::sink())
            .map_err(|error| format!("cannot be read: {error}"))?;
        if read == length {
            Ok(())
        } else {
            Err("is cut off while it is read".to_owned())
        }
    }

    /// A text of `length` bytes.
    fn text(&mut self, length: u64) -> Result<String, String> {
        self.claim(length)?;
        let mut bytes = vec![0; index(length)];
        self.reader
            .read_exact(&mut bytes)
            .map_err(|error| format!("cannot be read: {error}"))?;
        String::from_utf8(bytes).map_err(|_| "has a name that is no text (UTF-8)".to_owned())
    }

    /// A name of at most `most` bytes.
    fn name(&mut self, most: u64) -> Result<String, String> {
        let length = self.u64()?;
        if length > most {
            return Err(format!(
                "has a name of {length} bytes; at most {most} are allowed"
            ));
        }
        self.text(length)
    }

    fn entry(&mut self) -> Result<(String, Value), String> {
        let key = self.name(KEY_BYTES)?;
        if key.is_empty() {
            return Err("has an empty metadata key".to_owned());
        }
        let kind = self.u32()?;
        let value = self.value(kind, &key)?;
        Ok((key, value))
    }

    fn value(&mut self, kind: u32, key: &str) -> Result<Value, String> {
        Ok(match kind {
            6 => Value::Float(f64::from(f32::from_le_bytes(self.bytes()?))),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            7 => Value::Flag(self.bytes::<1>()? != [0]),
            8 => {
                let length = self.u64()?;
                if length > KEPT_TEXT {
                    self.skip(length)?;
                    Value::Skipped(1)
                } else {
                    Value::Text(self.text(length)?)
                }
            }
            9 => self.array(key)?,
            other => match self.whole(other)? {
                Some(number) => Value::Whole(number),
                None => {
                    return Err(format!(
                        "the value of `{}` has the unknown type {other}",
                        shown(key)
                    ));
                }
            },
        })
    }

    /// A whole number of that type; none where the type is not one of whole numbers.
    fn whole(&mut self, kind: u32) -> Result<Option<i128>, String> {
        Ok(Some(match kind {
            0 => u8::from_le_bytes(self.bytes()?).into(),
            1 => i8::from_le_bytes(self.bytes()?).into(),
            2 => u16::from_le_bytes(self.bytes()?).into(),
            3 => i16::from_le_bytes(self.bytes()?).into(),
            4 => u32::from_le_bytes(self.bytes()?).into(),
            5 => i32::from_le_bytes(self.bytes()?).into(),
            10 => u64::from_le_bytes(self.bytes()?).into(),
            11 => i64::from_le_bytes(self.bytes()?).into(),
            _ => return Ok(None),
        }))
    }

    fn array(&mut self, key: &str) -> Result<Value, String> {
        let kind = self.u32()?;
        let length = self.u64()?;
        let each = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            other => {
                return Err(format!(
                    "`{}` is an array of the unknown type {other}",
                    shown(key)
                ));
            }
        };
        // Before looping over them: the file must have the bytes that so many elements take at least.
        let least = length.checked_mul(each);
        if least.is_none_or(|least| least > self.size.saturating_sub(self.position)) {
            return Err(format!(
                "`{}` says that it has {length} elements, more than the file can hold",
                shown(key)
            ));
        }
        if kind == 8 {
            for _ in 0..length {
                let bytes = self.u64()?;
                self.skip(bytes)?;
            }
            return Ok(Value::Skipped(length));
        }
        let kept = self.kept_numbers.saturating_add(length);
        if length > KEPT_NUMBERS || kept > ALL_KEPT_NUMBERS || matches!(kind, 6 | 7 | 12) {
            self.skip(least.unwrap_or(u64::MAX))?;
            return Ok(Value::Skipped(length));
        }
        self.kept_numbers = kept;
        let mut numbers = Vec::new();
        for _ in 0..length {
            numbers.extend(self.whole(kind)?);
        }
        Ok(Value::Numbers(numbers))
    }

    fn tensor(&mut self) -> Result<FileTensor, String> {
        let name = self.name(NAME_BYTES)?;
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > DIMENSIONS {
            return Err(format!(
                "the tensor `{}` has {dimensions} dimensions; 1 to {DIMENSIONS} are possible",
                shown(&name)
            ));
        }
        let mut lengths = Vec::new();
        for _ in 0..dimensions {
            lengths.push(self.u64()?);
        }
        let number = self.u32()?;
        let offset = self.u64()?;
        let element = ElementType::of_gguf(number).ok_or_else(|| {
            format!(
                "the tensor `{}` is of type {number}, which llama.cpp does not have",
                shown(&name)
            )
        })?;
        let bytes = tensor_bytes(&lengths, element).ok_or_else(|| {
            format!(
                "the tensor `{}` cannot have the dimensions {lengths:?} in {}",
                shown(&name),
                element.name
            )
        })?;
        Ok(FileTensor {
            name,
            dimensions: lengths,
            order: Order::RowFirst,
            element,
            bytes: Bytes(bytes),
            offset,
            file: 0,
        })
    }
}

/// Bytes of a tensor; none where a length is zero, a row is no whole blocks, or too large a number results.
fn tensor_bytes(lengths: &[u64], element: ElementType) -> Option<u64> {
    let row = element.bytes(*lengths.first()?)?;
    let elements = lengths
        .iter()
        .try_fold(1_u64, |product, length| product.checked_mul(*length))?;
    // llama.cpp counts elements in 63 bits.
    i64::try_from(elements).ok()?;
    let bytes = lengths
        .iter()
        .skip(1)
        .try_fold(row, |product, length| product.checked_mul(*length))?;
    (elements > 0).then_some(bytes)
}
