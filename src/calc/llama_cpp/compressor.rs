//! V4's compressors in llama.cpp's graph: tokens and their scores become entries of the cache.
//!
//! Source: `build_hca_compressed_kv_from_state` and `build_overlap_compressed_kv_from_state` in `src/models/deepseek4.cpp`,
//! and the worst-case plan in `src/llama-kv-cache-dsv4.cpp`, of `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba).

use super::compressed::once;
use super::graph::Id;
use super::grouped::rotation_width;
use super::network::{ACTIVATION, CELL_INDEX, INDEX, Pass};

/// One compressor of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compressor {
    /// Numbers of an entry.
    pub(super) width: u64,
    /// Tokens that an entry stands for.
    pub(super) ratio: u64,
    /// Whether an entry reads its predecessor's tokens as well, from the other half of twice the width.
    pub(super) is_overlapped: bool,
    /// Sequences, each with a state of its own.
    pub(super) sequences: u64,
    /// Whether the entry is turned before it is cached.
    pub(super) is_rotated: bool,
}

/// Which rows a compressor reads and writes.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// What turns entries.
    pub(super) rotation: Option<Id>,
    read: Option<Id>,
    positions: Option<Id>,
    entry_positions: Option<Id>,
    entry_cells: Option<Id>,
    kept: Option<Id>,
    kept_cells: Option<Id>,
}

impl Compressor {
    fn overlap(self) -> u64 {
        if self.is_overlapped { 2 } else { 1 }
    }

    /// Numbers that a token adds to the state.
    fn state_width(self) -> u64 {
        self.overlap() * self.width
    }

    /// Tokens that the state holds.
    fn state_rows(self) -> u64 {
        self.overlap() * self.ratio * self.sequences
    }

    /// Entries that a micro-batch may complete.
    fn blocks(self, tokens: u64) -> u64 {
        tokens / self.ratio + self.sequences
    }

    /// Rows that these entries read.
    fn read_rows(self, tokens: u64) -> u64 {
        self.overlap() * self.ratio * self.blocks(tokens)
    }

    /// Tokens of a micro-batch that stay in the state.
    fn kept_rows(self, tokens: u64) -> u64 {
        tokens.min(self.state_rows())
    }
}

fn bytes(rows: u64, width: u64) -> u64 {
    rows.saturating_mul(width).saturating_mul(ACTIVATION)
}

/// New entries from `normed` into the cache, the last tokens into the state.
pub(super) fn record(pass: &mut Pass, normed: Id, (inputs, own): (&mut Inputs, Compressor)) {
    let tokens = pass.batch.tokens;
    let rotation = own.is_rotated.then(|| {
        let width = rotation_width(own.width);
        once(pass, &mut inputs.rotation, width * width * ACTIVATION)
    });
    let size = bytes(tokens, own.state_width());
    let state = pass.graph.operation(size, &[normed]);
    let values = gathered(pass, state, (inputs, own));
    let score = pass.graph.operation(size, &[normed]);
    let positions = once(pass, &mut inputs.positions, tokens * INDEX);
    let offset = pass.graph.operation(size, &[positions]);
    let score = pass.graph.over(size, &[score, offset], &[score, offset]);
    let scores = gathered(pass, score, (inputs, own));
    let entries = weighed(pass, (values, scores), (inputs, own));
    let entries = turned(pass, entries, rotation);
    let entries = pass.graph.view(entries);
    let cells = once(
        pass,
        &mut inputs.entry_cells,
        own.blocks(tokens) * CELL_INDEX,
    );
    pass.graph.store(&[entries, cells]);
    let rows = own.kept_rows(tokens);
    let kept = once(pass, &mut inputs.kept, rows * INDEX);
    let kept_cells = once(pass, &mut inputs.kept_cells, rows * INDEX);
    for tensor in [state, score] {
        let last = pass
            .graph
            .operation(bytes(rows, own.state_width()), &[tensor, kept]);
        pass.graph.store(&[last, kept_cells]);
    }
}

/// The state and the new tokens, gathered entry by entry.
fn gathered(pass: &mut Pass, state: Id, (inputs, own): (&mut Inputs, Compressor)) -> Id {
    let tokens = pass.batch.tokens;
    let width = own.state_width();
    let rows = own.state_rows() + tokens;
    let read_rows = own.read_rows(tokens);
    let mut source = pass.graph.operation(bytes(rows, width), &[state]);
    if own.is_overlapped {
        let row = pass.graph.view(source);
        let row = pass.graph.operation(bytes(1, width), &[row]);
        let row = pass.graph.view(row);
        source = pass.graph.operation(bytes(rows + 1, width), &[source, row]);
    }
    let read = once(pass, &mut inputs.read, read_rows * INDEX);
    let mut rows = pass
        .graph
        .operation(bytes(read_rows, width), &[source, read]);
    if own.is_overlapped {
        let half = bytes(read_rows / 2, own.width);
        let [one, other] = [(); 2].map(|()| {
            let part = pass.graph.view(rows);
            let part = pass.graph.operation(half, &[part]);
            pass.graph.view(part)
        });
        rows = pass
            .graph
            .operation(bytes(read_rows, own.width), &[one, other]);
    } else {
        rows = pass.graph.view(rows);
    }
    let turned = pass.graph.view(rows);
    pass.graph.operation(bytes(read_rows, own.width), &[turned])
}

/// Entries as sums of values weighed by scores, normed, with position.
fn weighed(
    pass: &mut Pass,
    (values, scores): (Id, Id),
    (inputs, own): (&mut Inputs, Compressor),
) -> Id {
    let blocks = own.blocks(pass.batch.tokens);
    let size = pass.graph.size(values);
    let weights = pass.graph.onto(scores);
    let products = pass
        .graph
        .over(size, &[values, weights], &[values, weights]);
    let size = bytes(blocks, own.width);
    let sums = pass.graph.operation(size, &[products]);
    let sums = pass.graph.view(sums);
    let entries = pass.graph.operation(size, &[sums]);
    let entries = pass.graph.onto(entries);
    let entries = pass.graph.onto(entries);
    let positions = once(pass, &mut inputs.entry_positions, blocks * INDEX);
    pass.graph.over(size, &[entries, positions], &[entries])
}

/// `tensor` multiplied by a rotation, where there is one.
pub(super) fn turned(pass: &mut Pass, tensor: Id, rotation: Option<Id>) -> Id {
    let Some(rotation) = rotation else {
        return tensor;
    };
    let flat = pass.graph.view(tensor);
    let size = pass.graph.size(tensor);
    let turned = pass.graph.operation(size, &[rotation, flat]);
    pass.graph.view(turned)
}
