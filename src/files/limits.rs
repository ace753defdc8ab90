//! How much of a stranger's file is read.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::{malformed, unreadable};
use crate::error::Result;

/// Bytes of headers that are read for one model, over all its files; also of an index of shards.
///
/// The largest known header, DeepSeek-V4-Pro with NVFP4 experts, has some 280,000 tensors and 42 MB.
pub const HEADER_BYTES: u64 = 64 << 20;
/// Tensors of one model, over all its files.
pub const TENSORS: u64 = 1 << 19;
/// Bytes of a `config.json`.
pub const CONFIG_BYTES: u64 = 4 << 20;
/// Files that the weights of a model may be split over.
pub const FILES: u64 = 1 << 12;

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Bytes of headers.
    pub bytes: u64,
    /// Tensors.
    pub tensors: u64,
}

impl Budget {
    /// All that the headers of a model may take.
    #[must_use]
    pub fn headers() -> Self {
        Self {
            bytes: HEADER_BYTES,
            tensors: TENSORS,
        }
    }

    /// Takes `bytes` off.
    ///
    /// # Errors
    /// When so many are not left.
    pub(super) fn take(&mut self, bytes: u64) -> std::result::Result<(), String> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            format!(
                "has a header of more than {} MiB, which no model needs",
                HEADER_BYTES >> 20
            )
        })?;
        Ok(())
    }

    /// Takes `tensors` off.
    ///
    /// # Errors
    /// When so many are not left.
    pub(super) fn take_tensors(&mut self, tensors: u64) -> std::result::Result<(), String> {
        self.tensors = self.tensors.checked_sub(tensors).ok_or_else(|| {
            format!("says that it has {tensors} tensors; at most {TENSORS} are read")
        })?;
        Ok(())
    }
}

/// A regular file opened for reading, and its size in bytes; a pipe or a device would never end.
///
/// # Errors
/// When it is none, or cannot be opened.
pub(super) fn regular_file(path: &Path) -> Result<(BufReader<File>, u64)> {
    let found = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !found.is_file() {
        return Err(malformed(path, "is not a regular file"));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let size = file
        .metadata()
        .map_err(|error| unreadable(path, &error))?
        .len();
    Ok((BufReader::with_capacity(1 << 16, file), size))
}

/// The whole of a small file.
///
/// # Errors
/// When it is larger than `most` bytes or cannot be read.
pub(super) fn whole_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    let (file, size) = regular_file(path)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if size > most || crate::units::count(bytes.len()) > most {
        let message = format!("has more than {} MiB, which no model needs", most >> 20);
        return Err(malformed(path, message));
    }
    Ok(bytes)
}
