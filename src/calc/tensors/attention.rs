//! Tensors of multi-head, grouped and latent attention, and of V3.2's indexer.

use std::ops::Range;

use super::{List, Role};
use crate::catalog::shape::{Attention, Indexer, Shape};

/// Adds the attention of `layers`; V4's attention has a file of its own.
pub(super) fn add(list: &mut List, shape: &Shape, layers: &Range<u32>) {
    match &shape.attention {
        Attention::Grouped { .. } => add_grouped(list, shape, layers),
        Attention::Latent { .. } => add_latent(list, shape, layers),
        Attention::Compressed(_) => {}
    }
}

fn add_grouped(list: &mut List, shape: &Shape, layers: &Range<u32>) {
    let hidden = shape.hidden;
    let Attention::Grouped {
        heads,
        kv_heads,
        head_size,
        qkv_bias,
        qk_norm,
    } = &shape.attention
    else {
        return;
    };
    let (queries, keys) = (heads * head_size, kv_heads * head_size);
    list.add(Role::Query, layers, (queries, hidden));
    list.add(Role::Key, layers, (keys, hidden));
    list.add(Role::Value, layers, (keys, hidden));
    if *qkv_bias {
        list.add(Role::QueryBias, layers, (1, queries));
        list.add(Role::KeyBias, layers, (1, keys));
        list.add(Role::ValueBias, layers, (1, keys));
    }
    if *qk_norm {
        list.add(Role::QueryNorm, layers, (1, *head_size));
        list.add(Role::KeyNorm, layers, (1, *head_size));
    }
    list.add(Role::AttentionOutput, layers, (hidden, queries));
}

fn add_latent(list: &mut List, shape: &Shape, layers: &Range<u32>) {
    let hidden = shape.hidden;
    let Attention::Latent {
        heads,
        query_rank,
        kv_rank,
        nope_size,
        rope_size,
        value_size,
        indexer,
    } = &shape.attention
    else {
        return;
    };
    let queries = heads * (nope_size + rope_size);
    match query_rank {
        Some(rank) => {
            list.add(Role::QueryDown, layers, (*rank, hidden));
            list.add(Role::QueryDownNorm, layers, (1, *rank));
            list.add(Role::QueryUp, layers, (queries, *rank));
        }
        None => list.add(Role::Query, layers, (queries, hidden)),
    }
    list.add(Role::KvDown, layers, (kv_rank + rope_size, hidden));
    list.add(Role::KvDownNorm, layers, (1, *kv_rank));
    let expanded = heads * (nope_size + value_size);
    list.add(Role::KvUp, layers, (expanded, *kv_rank));
    list.add(Role::AttentionOutput, layers, (hidden, heads * value_size));
    if let Some(indexer) = indexer {
        let query_input = query_rank.unwrap_or(hidden);
        add_indexer(list, layers, *indexer, (hidden, query_input));
    }
}

/// V3.2's indexer: its key norm is a layer norm, with weight and bias.
fn add_indexer(
    list: &mut List,
    layers: &Range<u32>,
    indexer: Indexer,
    (hidden, query_input): (u64, u64),
) {
    let size = indexer.head_size;
    let queries = indexer.heads * size;
    list.add(Role::IndexerQuery, layers, (queries, query_input));
    list.add(Role::IndexerKey, layers, (size, hidden));
    list.add_copies(Role::IndexerKeyNorm, layers, 2, (1, size));
    list.add(Role::IndexerWeights, layers, (indexer.heads, hidden));
}
