//! V4's attention in llama.cpp's graph: a window, compressed entries, and an indexer that picks among them.
//!
//! Source: `build_attention_impl` and what it calls in `src/models/deepseek4.cpp`, and `build_worst_case_plan`'s counts in
//! `src/llama-kv-cache-dsv4.cpp`, of `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba).

use super::cache::{entries, window_cells};
use super::compressor::{self, Compressor};
use super::graph::Id;
use super::grouped::{is_quantized, rotation_width};
use super::network::{ACTIVATION, CELL_INDEX, HALF, INDEX, Pass};
use super::settings::Settings;
use crate::catalog::KvFormat;
use crate::catalog::shape::{Attention, Compressed, OVERLAPPED_RATIO, Shape};
use crate::units::Parameters;

/// The ratio of the layers without an indexer that llama.cpp knows.
const SPARSE_RATIO: u32 = 128;

/// Sizes of V4's attention.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    own: Compressed,
    /// Residual streams.
    pub(super) streams: u64,
    /// Cells of one sequence's window.
    pub(super) window: u64,
    sequences: u64,
    cells: u64,
}

impl Sizes {
    /// The sizes; none for another attention, or one that llama.cpp does not load (V4.1's ratios).
    pub(super) fn of(shape: &Shape, settings: &Settings) -> Option<Self> {
        let Attention::Compressed(own) = &shape.attention else {
            return None;
        };
        let known = |ratio: &u32| matches!(*ratio, 0 | OVERLAPPED_RATIO | SPARSE_RATIO);
        let streams = shape.hyper_connections?.streams;
        (own.shared.is_none() && own.ratios.iter().all(known)).then(|| Self {
            own: own.clone(),
            streams,
            window: window_cells(own, settings),
            sequences: settings.sequences.max(1),
            cells: settings.cells(),
        })
    }

    /// Tokens that one entry of `layer` stands for.
    pub(super) fn ratio(&self, layer: u32) -> u32 {
        self.own.ratio(layer)
    }

    fn queries(&self) -> u64 {
        self.own.heads * self.own.head_size
    }

    fn entries(&self, ratio: u32) -> u64 {
        entries(self.cells, ratio)
    }

    /// Bytes of the cached rows of `cells` of every sequence.
    fn cached_bytes(&self, format: KvFormat, cells: u64) -> u64 {
        let rows = cells.saturating_mul(self.sequences);
        format
            .bytes(Parameters(self.own.head_size.saturating_mul(rows)))
            .0
    }
}

/// Bytes of a mask over `cells` of every sequence.
pub(super) fn mask_bytes(pass: &Pass, cells: u64) -> u64 {
    let element = if pass.settings.flash_attention {
        HALF
    } else {
        ACTIVATION
    };
    pass.batch
        .tokens
        .saturating_mul(cells)
        .saturating_mul(element)
}

/// What layers read, made when the first of them reads it.
#[derive(Debug)]
pub(super) struct Inputs {
    host_tokens: Id,
    mask: Id,
    tokens: Option<Id>,
    positions: Option<Id>,
    cells: Option<Id>,
    rotation: Option<Id>,
    overlapped: compressor::Inputs,
    sparse: compressor::Inputs,
    indexer: compressor::Inputs,
    index_mask: Option<Id>,
    overlapped_mask: Option<Id>,
    sparse_mask: Option<Id>,
}

/// `slot`, filled with an input of `size` bytes when it is empty.
pub(super) fn once(pass: &mut Pass, slot: &mut Option<Id>, size: u64) -> Id {
    *slot.get_or_insert_with(|| {
        let input = pass.graph.input(size);
        pass.graph.import(input)
    })
}

impl Inputs {
    pub(super) fn new(host_tokens: Id, mask: Id) -> Self {
        Self {
            host_tokens,
            mask,
            tokens: None,
            positions: None,
            cells: None,
            rotation: None,
            overlapped: compressor::Inputs::default(),
            sparse: compressor::Inputs::default(),
            indexer: compressor::Inputs::default(),
            index_mask: None,
            overlapped_mask: None,
            sparse_mask: None,
        }
    }

    /// The tokens, where the layers run.
    pub(super) fn tokens(&mut self, pass: &mut Pass) -> Id {
        let host = self.host_tokens;
        *self.tokens.get_or_insert_with(|| pass.graph.import(host))
    }

    fn positions(&mut self, pass: &mut Pass) -> Id {
        let size = pass.batch.tokens * INDEX;
        once(pass, &mut self.positions, size)
    }

    /// What turns the heads, where the cache is quantized.
    fn rotation(&mut self, pass: &mut Pass, sizes: &Sizes) -> Option<Id> {
        is_quantized(pass.settings.keys).then(|| {
            let width = rotation_width(sizes.own.head_size);
            once(pass, &mut self.rotation, width * width * ACTIVATION)
        })
    }
}

/// Query and key-value of the tokens.
#[derive(Debug, Clone, Copy)]
struct Heads {
    normed: Id,
    compressed_query: Id,
    query: Id,
    positions: Id,
    rotation: Option<Id>,
}

/// Attention over `normed`, its output projection included.
pub(super) fn attention(
    pass: &mut Pass,
    normed: Id,
    (inputs, sizes, layer): (&mut Inputs, &Sizes, u32),
) -> Id {
    let ratio = sizes.ratio(layer);
    compress(pass, normed, (inputs, sizes, ratio));
    let heads = heads(pass, normed, (inputs, sizes));
    let attended = match ratio {
        0 => over_window(pass, heads, (inputs, sizes)),
        OVERLAPPED_RATIO => over_picked(pass, heads, (inputs, sizes)),
        _ => over_all(pass, heads, (inputs, sizes, ratio)),
    };
    projected(pass, attended, (heads, sizes))
}

/// What marks the picked entries of one layer.
fn zeros(pass: &mut Pass, sizes: &Sizes) -> Id {
    let size = mask_bytes(pass, picked(sizes));
    pass.graph.scratch(size)
}

fn picked(sizes: &Sizes) -> u64 {
    let entries = sizes.entries(OVERLAPPED_RATIO);
    sizes.own.indexer.top_tokens.min(entries)
}

/// New entries of the layer, and the indexer's.
fn compress(pass: &mut Pass, normed: Id, (inputs, sizes, ratio): (&mut Inputs, &Sizes, u32)) {
    if ratio == 0 {
        return;
    }
    let is_overlapped = ratio == OVERLAPPED_RATIO;
    let own = Compressor {
        width: sizes.own.head_size,
        ratio: u64::from(ratio),
        is_overlapped,
        sequences: sizes.sequences,
        is_rotated: is_quantized(pass.settings.keys),
    };
    if !is_overlapped {
        compressor::record(pass, normed, (&mut inputs.sparse, own));
        return;
    }
    compressor::record(pass, normed, (&mut inputs.overlapped, own));
    let index = Compressor {
        width: sizes.own.indexer.head_size,
        is_rotated: true,
        ..own
    };
    compressor::record(pass, normed, (&mut inputs.indexer, index));
}

fn heads(pass: &mut Pass, normed: Id, (inputs, sizes): (&mut Inputs, &Sizes)) -> Heads {
    let rotation = inputs.rotation(pass, sizes);
    let size = pass.wide(sizes.own.query_rank);
    let compressed = pass.graph.operation(size, &[normed]);
    let compressed = pass.graph.onto(compressed);
    let compressed = pass.graph.onto(compressed);
    let size = pass.wide(sizes.queries());
    let query = pass.graph.operation(size, &[compressed]);
    let query = pass.graph.view(query);
    let query = pass.graph.operation(size, &[query]);
    let positions = inputs.positions(pass);
    let query = pass.graph.over(size, &[query, positions], &[query]);
    let query = compressor::turned(pass, query, rotation);
    let size = pass.wide(sizes.own.head_size);
    let key = pass.graph.operation(size, &[normed]);
    let key = pass.graph.onto(key);
    let key = pass.graph.onto(key);
    let key = pass.graph.view(key);
    let key = pass.graph.operation(size, &[key, positions]);
    let key = compressor::turned(pass, key, rotation);
    let key = pass.graph.view(key);
    let cells = once(pass, &mut inputs.cells, pass.batch.tokens * CELL_INDEX);
    pass.graph.store(&[key, cells]);
    Heads {
        normed,
        compressed_query: compressed,
        query,
        positions,
        rotation,
    }
}

/// The result of attention, its position undone, through both halves of the output projection.
fn projected(pass: &mut Pass, attended: Id, (heads, sizes): (Heads, &Sizes)) -> Id {
    let attended = pass.graph.view(attended);
    let attended = compressor::turned(pass, attended, heads.rotation);
    let attended = pass.graph.view(attended);
    let size = pass.wide(sizes.queries());
    let plain = pass.graph.operation(size, &[attended, heads.positions]);
    let groups = pass.graph.view(plain);
    let size = pass.wide(sizes.own.output_rank * sizes.own.output_groups);
    let halved = pass.graph.operation(size, &[groups]);
    let halved = pass.graph.view(halved);
    let halved = pass.graph.operation(size, &[halved]);
    let size = pass.wide(pass.shape.hidden);
    pass.graph.operation(size, &[halved])
}

/// Keys that attention reads: those of the cache itself, or joined in a tensor of their own.
#[derive(Debug, Clone, Copy)]
struct Keys {
    joined: Option<Id>,
    cells: u64,
}

impl Keys {
    fn sources(self, query: Id) -> Vec<Id> {
        std::iter::once(query).chain(self.joined).collect()
    }
}

/// A query ready to be multiplied, and what the scores are multiplied with.
struct Ready {
    query: Id,
    keys: Vec<Id>,
    values: Option<Id>,
    scores: Option<Id>,
}

/// Joins the window with `entries` of every sequence.
fn joined(pass: &mut Pass, sizes: &Sizes, entries: u64) -> Keys {
    let cells = sizes.window + entries;
    let size = sizes.cached_bytes(pass.settings.keys, cells);
    Keys {
        joined: Some(pass.graph.operation(size, &[])),
        cells,
    }
}

/// Everything before the mask: without flash attention the scores, and the keys turned about as values.
fn ready(pass: &mut Pass, query: Id, (keys, sizes): (Keys, &Sizes)) -> Ready {
    let view = |pass: &mut Pass, id: Option<Id>| id.map(|id| pass.graph.view(id));
    if pass.settings.flash_attention {
        let query = pass.graph.view(query);
        let query = pass.graph.view(query);
        let one = view(pass, keys.joined);
        let other = view(pass, keys.joined);
        let mut read: Vec<Id> = one.into_iter().chain(other).collect();
        if pass.settings.keys == KvFormat::F32 {
            let size = sizes.cached_bytes(KvFormat::F16, keys.cells);
            read = (0..2).map(|_| pass.graph.operation(size, &read)).collect();
        }
        return Ready {
            query,
            keys: read,
            values: None,
            scores: None,
        };
    }
    let turned = view(pass, keys.joined);
    let turned = view(pass, turned);
    let size = sizes.cached_bytes(pass.settings.keys, keys.cells);
    let sources: Vec<Id> = turned.into_iter().collect();
    let values = pass.graph.operation(size, &sources);
    let read = view(pass, keys.joined);
    let query = pass.graph.view(query);
    let query = pass.graph.view(query);
    let size = scores_bytes(pass, sizes, keys.cells);
    let read = Keys {
        joined: read,
        ..keys
    };
    let scores = pass.graph.operation(size, &read.sources(query));
    Ready {
        query,
        keys: Vec::new(),
        values: Some(values),
        scores: Some(scores),
    }
}

fn scores_bytes(pass: &Pass, sizes: &Sizes, cells: u64) -> u64 {
    pass.wide(sizes.own.heads).saturating_mul(cells)
}

/// The attended values.
fn attended(pass: &mut Pass, ready: &Ready, (mask, sizes, cells): (Id, &Sizes, u64)) -> Id {
    let result = pass.wide(sizes.queries());
    let (Some(scores), Some(values)) = (ready.scores, ready.values) else {
        let row = (
            sizes.own.head_size.saturating_mul(cells * sizes.sequences),
            pass.settings.keys,
        );
        let size = pass.flash_with(result, [row]);
        let mut sources = vec![ready.query];
        sources.extend(&ready.keys);
        sources.push(mask);
        return pass.graph.operation(size, &sources);
    };
    let size = scores_bytes(pass, sizes, cells);
    let weights = pass.graph.over(size, &[scores, mask], &[scores]);
    let weighted = pass.graph.operation(result, &[values, weights]);
    let weighted = pass.graph.view(weighted);
    pass.graph.operation(result, &[weighted])
}

fn over_window(pass: &mut Pass, heads: Heads, (inputs, sizes): (&mut Inputs, &Sizes)) -> Id {
    let keys = Keys {
        joined: None,
        cells: sizes.window,
    };
    let ready = ready(pass, heads.query, (keys, sizes));
    attended(pass, &ready, (inputs.mask, sizes, keys.cells))
}

fn over_all(
    pass: &mut Pass,
    heads: Heads,
    (inputs, sizes, ratio): (&mut Inputs, &Sizes, u32),
) -> Id {
    let entries = sizes.entries(ratio);
    let keys = joined(pass, sizes, entries);
    let ready = ready(pass, heads.query, (keys, sizes));
    let size = mask_bytes(pass, entries);
    let own = once(pass, &mut inputs.sparse_mask, size);
    let size = mask_bytes(pass, keys.cells);
    let mask = pass.graph.operation(size, &[inputs.mask, own]);
    attended(pass, &ready, (mask, sizes, keys.cells))
}

fn over_picked(pass: &mut Pass, heads: Heads, (inputs, sizes): (&mut Inputs, &Sizes)) -> Id {
    let entries = sizes.entries(OVERLAPPED_RATIO);
    let keys = joined(pass, sizes, entries);
    let ready = ready(pass, heads.query, (keys, sizes));
    let marks = zeros(pass, sizes);
    let marks = pass.graph.onto(marks);
    let top = top(pass, heads, (inputs, sizes, entries));
    let size = mask_bytes(pass, entries);
    let own = once(pass, &mut inputs.overlapped_mask, size);
    let hidden = pass.graph.over(size, &[own], &[own]);
    let rows = pass.graph.view(hidden);
    let shown = pass.graph.view_after(hidden, &[marks, top, rows]);
    let shown = pass.graph.view(shown);
    let shown = pass.graph.over(size, &[shown, own], &[own]);
    let size = mask_bytes(pass, keys.cells);
    let mask = pass.graph.operation(size, &[inputs.mask, shown]);
    attended(pass, &ready, (mask, sizes, keys.cells))
}

/// The entries that the indexer picks.
fn top(pass: &mut Pass, heads: Heads, (inputs, sizes, entries): (&mut Inputs, &Sizes, u64)) -> Id {
    let indexer = sizes.own.indexer;
    let size = pass.wide(indexer.heads * indexer.head_size);
    let query = pass.graph.operation(size, &[heads.compressed_query]);
    let query = pass.graph.view(query);
    let query = pass.graph.operation(size, &[query, heads.positions]);
    let rotation = inputs.indexer.rotation;
    let query = compressor::turned(pass, query, rotation);
    let query = pass.graph.view(query);
    let size = pass.wide(indexer.heads);
    let weights = pass.graph.operation(size, &[heads.normed]);
    let weights = pass.graph.onto(weights);
    let weights = pass.graph.view(weights);
    let halves = pass.batch.tokens.saturating_mul(entries) * HALF;
    let mask = once(pass, &mut inputs.index_mask, halves);
    let size = pass.wide(entries);
    let scores = pass.graph.operation(size, &[query, weights, mask]);
    let size = pass.wide(picked(sizes));
    let top = pass.graph.operation(size, &[scores]);
    let top = pass.graph.operation(size, &[top]);
    pass.graph.view(top)
}
