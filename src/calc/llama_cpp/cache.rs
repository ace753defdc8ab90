//! The key-value cache, layer by layer.
//!
//! Source: `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `src/llama-kv-cache.cpp`, `src/llama-kv-cache-dsa.cpp` (V3.2) and
//! `src/llama-kv-cache-dsv4.cpp` (V4).

use super::backend::Backend;
use super::settings::Settings;
use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::KvFormat;
use crate::catalog::shape::{Attention, Compressed, OVERLAPPED_RATIO, Shape};
use crate::units::Bytes;

/// Cells of V4's window and compressed caches are rounded up to it.
const CELL_STEP: u64 = 256;
/// A compressor's state holds a projection and a score, in 32 bits each.
const STATE_BYTES: u64 = 2 * 4;

/// A row of the cache: so many numbers of one position and layer.
#[derive(Debug, Clone, Copy)]
struct Row {
    width: u64,
    format: KvFormat,
}

/// Bytes of the cache in all layers, as the processor's memory holds it.
#[must_use]
pub fn cache_bytes(shape: &Shape, settings: &Settings) -> Bytes {
    (0..shape.layers)
        .map(|layer| layer_bytes(shape, settings, (layer, Backend::Cpu)))
        .sum()
}

/// Bytes of the cache of one layer on `backend`.
#[must_use]
pub fn layer_bytes(shape: &Shape, settings: &Settings, (layer, backend): (u32, Backend)) -> Bytes {
    let keys = settings.keys;
    let row = |width, format| Row { width, format };
    let rows = match &shape.attention {
        Attention::Grouped {
            kv_heads,
            head_size,
            ..
        } => {
            let width = kv_heads.saturating_mul(*head_size);
            [Some(row(width, keys)), Some(row(width, settings.values))]
        }
        Attention::Latent {
            heads,
            nope_size,
            rope_size,
            value_size,
            ..
        } if settings.layout == LatentLayout::MultiHead => [
            Some(row(heads.saturating_mul(nope_size + rope_size), keys)),
            Some(row(heads.saturating_mul(*value_size), settings.values)),
        ],
        Attention::Latent {
            kv_rank,
            rope_size,
            indexer,
            ..
        } => [
            Some(row(kv_rank + rope_size, keys)),
            indexer.map(|indexer| row(indexer.head_size, keys)),
        ],
        Attention::Compressed(attention) => {
            return compressed_bytes(attention, settings, (layer, backend));
        }
    };
    let cells = settings.cells().saturating_mul(settings.streams());
    rows.into_iter()
        .flatten()
        .map(|row| row_bytes(row, cells, backend))
        .sum()
}

/// Bytes of one cache tensor.
fn row_bytes(row: Row, cells: u64, backend: Backend) -> Bytes {
    let (elements, bytes) = row.format.block();
    let data = Bytes(row.width.div_ceil(elements)) * bytes * cells;
    backend.tensor_bytes(data, row.width, (elements, bytes))
}

/// V4: a window in every layer, compressed entries and the compressors' state where the ratio says so.
///
/// Every sequence has caches of its own, unified or not.
fn compressed_bytes(
    attention: &Compressed,
    settings: &Settings,
    (layer, backend): (u32, Backend),
) -> Bytes {
    let sequences = settings.sequences.max(1);
    let cells = settings.cells();
    let size = attention.head_size;
    let keys = settings.keys;
    let cached = |width, cells: u64| {
        let row = Row {
            width,
            format: keys,
        };
        row_bytes(row, cells.saturating_mul(sequences), backend)
    };
    let window = window_cells(attention, settings);
    let ratio = attention.ratio(layer);
    let mut total = cached(size, window);
    if ratio == 0 {
        return total;
    }
    let entries = entries(cells, ratio);
    total += cached(size, entries);
    let state = |width: u64, places: u64| {
        let data = Bytes(STATE_BYTES) * width * places * sequences;
        backend.tensor_bytes(data, width, (1, 4))
    };
    let places = u64::from(ratio);
    if ratio == OVERLAPPED_RATIO {
        let key = attention.indexer.head_size;
        total += cached(key, entries) + state(2 * size, 2 * places) + state(2 * key, 2 * places);
    } else {
        total += state(size, places);
    }
    total
}

/// V4: cells of one sequence's window, the micro-batch beside it.
pub(super) fn window_cells(attention: &Compressed, settings: &Settings) -> u64 {
    let window = attention.window_tokens.saturating_add(settings.micro_batch);
    round_up(settings.cells().min(window))
}

/// V4: cells for the compressed entries of `cells` positions.
pub(super) fn entries(cells: u64, ratio: u32) -> u64 {
    round_up(cells.div_ceil(u64::from(ratio.max(1))).max(1))
}

fn round_up(cells: u64) -> u64 {
    cells
        .checked_next_multiple_of(CELL_STEP)
        .unwrap_or(u64::MAX)
}
