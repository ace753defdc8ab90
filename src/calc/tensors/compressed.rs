//! Tensors of V4's window and compressed attention, and of V4.1's shared sources.
//!
//! Source: `inference/model.py` of deepseek-ai/DeepSeek-V4-Flash (`Attention`, `Compressor`,
//! `Indexer`); for V4.1 NVIDIA-NeMo/Automodel `deepseek_v41/attention.py`, its port of the vendor's.

use std::ops::Range;

use super::{List, Role, Section};
use crate::catalog::shape::{Compressed, OVERLAPPED_RATIO};

/// Adds the attention of `layers`; draft layers have the window alone.
pub(super) fn add(list: &mut List, attention: &Compressed, (layers, hidden): (&Range<u32>, u64)) {
    let (rank, size) = (attention.query_rank, attention.head_size);
    let queries = attention.heads * size;
    list.add(Role::AttentionSink, layers, (1, attention.heads));
    list.add(Role::QueryDown, layers, (rank, hidden));
    list.add(Role::QueryDownNorm, layers, (1, rank));
    list.add(Role::QueryUp, layers, (queries, rank));
    list.add(Role::KvDown, layers, (size, hidden));
    list.add(Role::KvDownNorm, layers, (1, size));
    let groups = attention.output_groups.max(1);
    let grouped = groups * attention.output_rank;
    list.add(Role::OutputDown, layers, (grouped, queries / groups));
    list.add(Role::AttentionOutput, layers, (hidden, grouped));
    if list.section == Section::Draft {
        return;
    }
    for layer in layers.clone() {
        add_entries(list, attention, (layer, hidden));
        add_indexer(list, attention, (layer, hidden));
    }
}

/// What makes a layer's compressed entries.
fn add_entries(list: &mut List, attention: &Compressed, (layer, hidden): (u32, u64)) {
    if !attention.owns_entries(layer) {
        return;
    }
    let ratio = attention.ratio(layer);
    let layers = layer..layer.saturating_add(1);
    let size = attention.head_size;
    let width = match attention.shared {
        None => overlap(ratio) * size,
        Some(_) => size,
    };
    if attention.shared.is_none() {
        let places = u64::from(ratio);
        list.add(Role::CompressorPosition, &layers, (places, width));
    }
    list.add(Role::CompressorKv, &layers, (width, hidden));
    if ratio > 1 {
        list.add(Role::CompressorGate, &layers, (width, hidden));
    }
    list.add(Role::CompressorNorm, &layers, (1, size));
}

/// What picks a layer's entries: V4 compresses keys anew, V4.1 projects the shared entries.
fn add_indexer(list: &mut List, attention: &Compressed, (layer, hidden): (u32, u64)) {
    if !attention.owns_indexer(layer) {
        return;
    }
    let layers = layer..layer.saturating_add(1);
    let indexer = attention.indexer;
    let size = indexer.head_size;
    let queries = (indexer.heads * size, attention.query_rank);
    list.add(Role::IndexerQuery, &layers, queries);
    list.add(Role::IndexerWeights, &layers, (indexer.heads, hidden));
    if attention.shared.is_some() {
        if attention.owns_entries(layer) {
            list.add(Role::IndexerEntryKey, &layers, (size, attention.head_size));
            list.add(Role::IndexerKeyNorm, &layers, (1, size));
        }
        return;
    }
    let ratio = attention.ratio(layer);
    let width = overlap(ratio) * size;
    let places = u64::from(ratio);
    list.add(Role::IndexerCompressorPosition, &layers, (places, width));
    list.add(Role::IndexerCompressorKv, &layers, (width, hidden));
    list.add(Role::IndexerCompressorGate, &layers, (width, hidden));
    list.add(Role::IndexerCompressorNorm, &layers, (1, size));
}

/// Entries of the overlapped ratio are made of two groups of tokens, with weights for each.
fn overlap(ratio: u32) -> u64 {
    if ratio == OVERLAPPED_RATIO { 2 } else { 1 }
}
