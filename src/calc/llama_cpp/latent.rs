//! Latent attention (MLA) in llama.cpp's graph: absorbed, with V3.2's indexer, and as multi-head in old files.

use super::graph::Id;
use super::grouped::{self, Heads, Widths, halved, rope, rotated};
use super::network::{Inputs, Pass};
use super::settings::Settings;
use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::shape::{Attention, Indexer, Shape};
use crate::units::Parameters;

/// Sizes of latent attention.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    heads: u64,
    query_rank: Option<u64>,
    rank: u64,
    nope: u64,
    rope: u64,
    value: u64,
}

/// Whether only the latent is cached.
pub(super) fn is_absorbed(shape: &Shape, settings: &Settings) -> bool {
    matches!(shape.attention, Attention::Latent { .. }) && settings.layout == LatentLayout::Absorbed
}

/// V3.2's indexer.
pub(super) fn indexer(shape: &Shape) -> Option<Indexer> {
    match &shape.attention {
        Attention::Latent { indexer, .. } => *indexer,
        Attention::Grouped { .. } | Attention::Compressed(_) => None,
    }
}

/// Positions that the indexer picks for a token.
fn picked(pass: &Pass, indexer: Indexer) -> u64 {
    indexer.top_tokens.min(pass.batch.cells)
}

/// V3.2: bytes of what marks the picked positions of one layer.
pub(super) fn mark_bytes(pass: &Pass) -> Option<u64> {
    indexer(pass.shape).map(|indexer| pass.wide(picked(pass, indexer)))
}

fn sizes(shape: &Shape) -> Option<Sizes> {
    match &shape.attention {
        Attention::Latent {
            heads,
            query_rank,
            kv_rank,
            nope_size,
            rope_size,
            value_size,
            ..
        } => Some(Sizes {
            heads: *heads,
            query_rank: *query_rank,
            rank: *kv_rank,
            nope: *nope_size,
            rope: *rope_size,
            value: *value_size,
        }),
        Attention::Grouped { .. } | Attention::Compressed(_) => None,
    }
}

/// Attention over the latent, its output projection included.
pub(super) fn absorbed(pass: &mut Pass, normed: Id, (inputs, layer): (&Inputs, u32)) -> Id {
    let Some(sizes) = sizes(pass.shape) else {
        return normed;
    };
    if indexer(pass.shape).is_some() {
        index_key(pass, normed, inputs);
    }
    let compressed = compressed_query(pass, normed, sizes);
    let query = absorbed_query(pass, compressed, (inputs, sizes));
    let key = latent_key(pass, normed, (inputs, sizes));
    let key = pass.graph.view(key);
    pass.graph.store(&[key, inputs.key_cells]);
    let sources = Sources {
        normed,
        compressed,
        query,
        layer,
    };
    let attended = if pass.settings.flash_attention {
        flash(pass, sources, (inputs, sizes))
    } else {
        by_scores(pass, sources, (inputs, sizes))
    };
    let size = pass.wide(pass.shape.hidden);
    pass.graph.operation(size, &[attended])
}

/// What attention reads.
#[derive(Debug, Clone, Copy)]
struct Sources {
    normed: Id,
    compressed: Id,
    query: Id,
    layer: u32,
}

/// The query's low-rank form, or the stream itself.
fn compressed_query(pass: &mut Pass, normed: Id, sizes: Sizes) -> Id {
    let Some(rank) = sizes.query_rank else {
        return normed;
    };
    let size = pass.wide(rank);
    let compressed = pass.graph.operation(size, &[normed]);
    let compressed = pass.graph.onto(compressed);
    pass.graph.onto(compressed)
}

/// Every head's query, its part without position mapped to the latent.
fn absorbed_query(pass: &mut Pass, compressed: Id, (inputs, sizes): (&Inputs, Sizes)) -> Id {
    let heads = sizes.heads;
    let size = pass.wide(heads * (sizes.nope + sizes.rope));
    let query = pass.graph.operation(size, &[compressed]);
    let query = if indexer(pass.shape).is_some() {
        query
    } else {
        pass.graph.view(query)
    };
    let nope = pass.graph.view(query);
    let nope = pass.graph.view(nope);
    let size = pass.wide(heads * sizes.rank);
    let mapped = pass.graph.operation(size, &[nope]);
    let mapped = pass.graph.view(mapped);
    let part = pass.graph.view(query);
    let size = pass.wide(heads * sizes.rope);
    let part = pass.graph.operation(size, &[part, inputs.positions]);
    let size = pass.wide(heads * (sizes.rank + sizes.rope));
    pass.graph.operation(size, &[mapped, part])
}

/// The latent, normed, and the shared rotary key beside it.
fn latent_key(pass: &mut Pass, normed: Id, (inputs, sizes): (&Inputs, Sizes)) -> Id {
    let (both, latent) = latent(pass, normed, sizes);
    let latent = pass.graph.view(latent);
    let part = pass.graph.view(both);
    let size = pass.wide(sizes.rope);
    let part = pass.graph.operation(size, &[part, inputs.positions]);
    let size = pass.wide(sizes.rank + sizes.rope);
    pass.graph.operation(size, &[latent, part])
}

/// The compressed key-value with its rotary part, and the normed latent.
fn latent(pass: &mut Pass, normed: Id, sizes: Sizes) -> (Id, Id) {
    let size = pass.wide(sizes.rank + sizes.rope);
    let both = pass.graph.operation(size, &[normed]);
    let latent = pass.graph.view(both);
    let size = pass.wide(sizes.rank);
    let latent = pass.graph.operation(size, &[latent]);
    (both, pass.graph.onto(latent))
}

fn flash(pass: &mut Pass, sources: Sources, (inputs, sizes): (&Inputs, Sizes)) -> Id {
    let query = pass.graph.view(sources.query);
    let query = pass.graph.view(query);
    let mask = picked_mask(pass, sources, inputs);
    let latent = pass.wide(sizes.heads * sizes.rank);
    let keys = pass.settings.keys;
    let key = (sizes.rank + sizes.rope, keys);
    let halved = halved(pass, &[key, (sizes.rank, keys)]);
    let size = pass.flash_bytes(latent, &[key]);
    let mut read = vec![query];
    read.extend(halved);
    read.push(mask);
    let attended = pass.graph.operation(size, &read);
    let attended = pass.graph.view(attended);
    let size = pass.wide(sizes.heads * sizes.value);
    let values = pass.graph.operation(size, &[attended]);
    let values = pass.graph.view(values);
    let values = pass.graph.operation(size, &[values]);
    pass.graph.view(values)
}

fn by_scores(pass: &mut Pass, sources: Sources, (inputs, sizes): (&Inputs, Sizes)) -> Id {
    let cells = pass.batch.cells.saturating_mul(pass.batch.streams);
    let transposed = Parameters(sizes.rank.saturating_mul(cells));
    let transposed = pass.settings.keys.bytes(transposed).0;
    let cached = pass.graph.operation(transposed, &[]);
    let query = pass.graph.view(sources.query);
    let query = pass.graph.view(query);
    let scores = pass.scores_bytes(sizes.heads);
    let products = pass.graph.operation(scores, &[query]);
    let mask = picked_mask(pass, sources, inputs);
    let weights = pass.graph.over(scores, &[products, mask], &[products]);
    let size = pass.wide(sizes.heads * sizes.rank);
    let latent = pass.graph.operation(size, &[cached, weights]);
    let size = pass.wide(sizes.heads * sizes.value);
    let values = pass.graph.operation(size, &[latent]);
    let values = pass.graph.view(values);
    pass.graph.operation(size, &[values])
}

/// V3.2: the indexer's key of every token, into its cache.
fn index_key(pass: &mut Pass, normed: Id, inputs: &Inputs) {
    let (Some(indexer), Some(rotation), Some(cells)) =
        (indexer(pass.shape), inputs.key_rotation, inputs.index_cells)
    else {
        return;
    };
    let size = pass.wide(indexer.head_size);
    let key = pass.graph.operation(size, &[normed]);
    let key = pass.graph.operation(size, &[key]);
    let key = pass.graph.onto(key);
    let key = pass.graph.onto(key);
    let key = pass.graph.view(key);
    let key = rope(pass, key, inputs);
    let key = pass.graph.operation(size, &[rotation, key]);
    let key = pass.graph.view(key);
    pass.graph.store(&[key, cells]);
}

/// The mask; in V3.2 one that hides all but the picked positions.
fn picked_mask(pass: &mut Pass, sources: Sources, inputs: &Inputs) -> Id {
    let (Some(indexer), Some(rotation), Some(index_mask)) =
        (indexer(pass.shape), inputs.key_rotation, inputs.index_mask)
    else {
        return inputs.mask;
    };
    let picked = pass.wide(picked(pass, indexer));
    let marks = usize::try_from(sources.layer)
        .ok()
        .and_then(|layer| pass.marks.get(layer).copied());
    let Some(marks) = marks else {
        return inputs.mask;
    };
    let marks = pass.graph.onto(marks);
    let size = pass.wide(indexer.heads * indexer.head_size);
    let query = pass.graph.operation(size, &[sources.compressed]);
    let query = pass.graph.view(query);
    let query = rope(pass, query, inputs);
    let query = pass.graph.operation(size, &[rotation, query]);
    let query = pass.graph.view(query);
    let size = pass.wide(indexer.heads);
    let weights = pass.graph.operation(size, &[sources.normed]);
    let weights = pass.graph.view(weights);
    let weights = pass.graph.onto(weights);
    let each = pass.wide(pass.batch.cells);
    let scored = pass.graph.operation(each, &[query, weights, index_mask]);
    let top = pass.graph.operation(picked, &[scored]);
    let top = pass.graph.operation(picked, &[top]);
    let top = pass.graph.view(top);
    let size = pass.mask_bytes();
    let hidden = pass.graph.operation(size, &[inputs.mask]);
    let rows = pass.graph.view(hidden);
    let shown = pass.graph.view_after(hidden, &[marks, top, rows]);
    let shown = pass.graph.view(shown);
    pass.graph
        .over(size, &[shown, inputs.mask], &[shown, inputs.mask])
}

/// Attention of files without absorption: every head's key and value are made and cached.
pub(super) fn multi_head(pass: &mut Pass, normed: Id, inputs: &Inputs) -> Id {
    let Some(sizes) = sizes(pass.shape) else {
        return normed;
    };
    let heads = sizes.heads;
    let widths = Widths {
        heads,
        queries: heads * (sizes.nope + sizes.rope),
        keys: heads * (sizes.nope + sizes.rope),
        values: heads * sizes.value,
        result: heads * sizes.value,
    };
    let compressed = compressed_query(pass, normed, sizes);
    let size = pass.wide(widths.queries);
    let query = pass.graph.operation(size, &[compressed]);
    let query = pass.graph.view(query);
    let query = rope(pass, query, inputs);
    let query = rotated(pass, query, inputs.key_rotation);
    let (both, latent) = latent(pass, normed, sizes);
    let size = pass.wide(heads * (sizes.nope + sizes.value));
    let expanded = pass.graph.operation(size, &[latent]);
    let value = pass.graph.view(expanded);
    let size = pass.wide(widths.values);
    let value = pass.graph.operation(size, &[value]);
    let value = rotated(pass, value, inputs.value_rotation);
    let nope = pass.graph.view(expanded);
    let part = pass.graph.view(both);
    let size = pass.wide(sizes.rope);
    let part = pass.graph.operation(size, &[part, inputs.positions]);
    let size = pass.wide(heads * sizes.rope);
    let part = pass.graph.operation(size, &[part]);
    let size = pass.wide(widths.keys);
    let key = pass.graph.operation(size, &[nope, part]);
    let key = rotated(pass, key, inputs.key_rotation);
    grouped::attend(pass, Heads { query, key, value }, (inputs, widths))
}
