//! V4's forward pass: several residual streams around each half of a layer.
//!
//! Source: `graph::graph`, `build_hc_pre`, `build_hc_post` and `build_hc_head` in `src/models/deepseek4.cpp` of
//! `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba).

use super::compressed::{self, Sizes};
use super::feed_forward;
use super::graph::Id;
use super::network::{ACTIVATION, INDEX, Pass};
use crate::catalog::shape::FeedForward;

/// Tensors of a layer that are not views, about.
const TENSORS: usize = 96;

/// How a half of a layer returns to the streams: weights of its result, and how the streams mix.
#[derive(Debug, Clone, Copy)]
struct Back {
    weights: Id,
    between: Id,
}

/// Records the forward pass: every layer, because holes that marks of picked entries leave make room for ever more.
pub(super) fn record(pass: &mut Pass, sizes: &Sizes) {
    let (mut stream, mut inputs) = start(pass, sizes);
    let layers = crate::units::index(u64::from(pass.shape.layers));
    pass.graph.reserve(layers.saturating_mul(TENSORS));
    for layer in 0..pass.shape.layers {
        stream = record_layer(pass, stream, (&mut inputs, sizes, layer));
    }
    if pass.part.output {
        head(pass, stream, sizes);
    }
}

/// Records what decides the processor's part when GPUs compute every layer: one layer of each kind reads all inputs.
pub(super) fn embed(pass: &mut Pass, sizes: &Sizes) {
    let (mut stream, mut inputs) = start(pass, sizes);
    let mut met = Vec::new();
    for layer in 0..pass.shape.layers {
        let kind = sizes.ratio(layer);
        if !met.contains(&kind) {
            met.push(kind);
            stream = record_layer(pass, stream, (&mut inputs, sizes, layer));
        }
    }
    head(pass, stream, sizes);
}

/// The embedded tokens in every residual stream, and the inputs so far.
fn start(pass: &mut Pass, sizes: &Sizes) -> (Id, compressed::Inputs) {
    let tokens = pass.graph.input(pass.batch.tokens * INDEX);
    let hidden = pass.wide(pass.shape.hidden);
    pass.graph.input(hidden);
    let mask = pass.graph.input(compressed::mask_bytes(pass, sizes.window));
    let embedded = pass.graph.on_host(hidden, &[tokens]);
    let embedded = pass.graph.import(embedded);
    let mask = pass.graph.import(mask);
    let flat = pass.graph.view(embedded);
    let stream = pass.graph.operation(hidden * sizes.streams, &[flat]);
    (stream, compressed::Inputs::new(tokens, mask))
}

/// Whether the layer picks its experts by token alone.
fn is_hashed(pass: &Pass, layer: u32) -> bool {
    match &pass.shape.feed_forward {
        FeedForward::Experts { hash_layers, .. } => layer < *hash_layers,
        FeedForward::Dense { .. } => false,
    }
}

fn record_layer(
    pass: &mut Pass,
    stream: Id,
    (inputs, sizes, layer): (&mut compressed::Inputs, &Sizes, u32),
) -> Id {
    let mixes = mixes(pass, stream, sizes.streams);
    let entering = entering(pass, stream, (mixes, sizes.streams));
    let normed = pass.graph.onto(entering);
    let normed = pass.graph.onto(normed);
    let attended = compressed::attention(pass, normed, (inputs, sizes, layer));
    let back = back(pass, mixes, sizes.streams);
    let stream = added(pass, attended, (stream, back));
    let mixes = self::mixes(pass, stream, sizes.streams);
    let back = self::back(pass, mixes, sizes.streams);
    let entering = self::entering(pass, stream, (mixes, sizes.streams));
    let hashed = is_hashed(pass, layer);
    let tokens = hashed.then(|| inputs.tokens(pass));
    let result = feed_forward::by_root(pass, entering, (layer, tokens));
    added(pass, result, (stream, back))
}

/// The weights of all streams, one matrix product over them.
fn mixes(pass: &mut Pass, stream: Id, streams: u64) -> Id {
    let flat = pass.graph.view(stream);
    let size = pass.graph.size(stream);
    let normed = pass.graph.operation(size, &[flat]);
    let size = pass.wide(streams * (2 + streams));
    pass.graph.operation(size, &[normed])
}

/// Some of the mixes, scaled, shifted and bounded.
fn bounded(pass: &mut Pass, mixes: Id, streams: u64) -> Id {
    let part = pass.graph.view(mixes);
    let size = pass.wide(streams);
    let scaled = pass.graph.operation(size, &[part]);
    let shifted = pass.graph.onto(scaled);
    let bounded = pass.graph.onto(shifted);
    pass.graph.onto(bounded)
}

/// The weighted sum of the streams that a half of a layer reads.
fn entering(pass: &mut Pass, stream: Id, (mixes, streams): (Id, u64)) -> Id {
    let weights = bounded(pass, mixes, streams);
    let size = pass.wide(pass.shape.hidden);
    pass.graph.operation(size, &[stream, weights])
}

fn back(pass: &mut Pass, mixes: Id, streams: u64) -> Back {
    let weights = bounded(pass, mixes, streams);
    let size = pass.wide(streams * streams);
    let between = pass.graph.operation(size, &[mixes]);
    Back { weights, between }
}

/// The streams after a half of a layer.
fn added(pass: &mut Pass, result: Id, (stream, back): (Id, Back)) -> Id {
    let size = pass.graph.size(stream);
    pass.graph
        .operation(size, &[result, stream, back.weights, back.between])
}

/// Merges the streams, and the logits.
fn head(pass: &mut Pass, stream: Id, sizes: &Sizes) {
    let rows = pass.batch.outputs;
    let wide = |width: u64| rows.saturating_mul(width).saturating_mul(ACTIVATION);
    let (hidden, streams) = (pass.shape.hidden, sizes.streams);
    let graph = &mut pass.graph;
    let outputs = graph.input(rows * INDEX);
    let outputs = graph.import(outputs);
    let flat = graph.view(stream);
    let picked = graph.operation(wide(hidden * streams), &[flat, outputs]);
    let parts = graph.view(picked);
    let flat = graph.view(parts);
    let normed = graph.operation(wide(hidden * streams), &[flat]);
    let mixes = graph.operation(wide(streams), &[normed]);
    let mut weights = mixes;
    for _ in 0..4 {
        weights = graph.onto(weights);
    }
    let mut merged = None;
    for _ in 0..streams {
        let part = graph.view(parts);
        let weight = graph.view(weights);
        let weighted = graph.operation(wide(hidden), &[part, weight]);
        merged = Some(match merged {
            None => weighted,
            Some(sum) => graph.over(wide(hidden), &[sum, weighted], &[sum, weighted]),
        });
    }
    let Some(merged) = merged else {
        return;
    };
    let normed = graph.onto(merged);
    let normed = graph.onto(normed);
    graph.keep(normed);
    let logits = graph.operation(wide(pass.shape.vocabulary), &[normed]);
    graph.keep(logits);
}
