//! Bytes of the weights by layer.

use std::ops::Range;

use super::backend::Backend;
use super::places::Place;
use crate::calc::gguf::BlockType;
use crate::calc::gguf_tensors::{Category, GgufTensor};
use crate::calc::mix::{Mix, each_run};
use crate::calc::tensors::Section;
use crate::catalog::Shape;
use crate::catalog::model::FileSizes;
use crate::units::Bytes;

/// Bytes of the weights by layer, as a kind of memory rounds them.
pub(super) struct LayerWeights {
    /// Layers that have a tensor in one type, and its bytes in each of them.
    runs: Vec<(Range<u32>, Bytes)>,
    pub(super) embedding: Bytes,
    pub(super) output: Bytes,
    /// What the processor copies into an order of its own, beside the mapped file.
    pub(super) repacked: Bytes,
}

/// Types that a processor with AVX2 multiplies in an order of its own, into which it copies them.
///
/// Source: `ggml_repack_get_optimal_repack_type` in `ggml/src/ggml-cpu/repack.cpp`; with AVX-512 `Q2_K` as well.
const REPACKED: [BlockType; 4] = [
    BlockType::Q4_0,
    BlockType::Q4K,
    BlockType::Iq4Nl,
    BlockType::Mxfp4,
];

impl LayerWeights {
    pub(super) fn of(
        shape: &Shape,
        mix: Mix,
        (backend, tensors): (Backend, &[GgufTensor]),
    ) -> Self {
        let mut found = Self {
            runs: Vec::with_capacity(64),
            embedding: Bytes::ZERO,
            output: Bytes::ZERO,
            repacked: Bytes::ZERO,
        };
        each_run(shape, tensors, mix, |run| {
            if run.tensor.section == Section::Draft {
                return;
            }
            // The processor maps the file as it is; a GPU's memory rounds every tensor up.
            let held = |backend: Backend| match backend {
                Backend::Cpu => run.each(),
                Backend::Cuda => {
                    let block = (run.block.elements(), run.block.block_bytes());
                    backend.tensor_bytes(run.each(), run.tensor.columns, block)
                }
            };
            if run.tensor.category == Category::Embedding {
                found.embedding += held(Backend::Cpu);
                if shape.tied_embeddings {
                    found.output += held(backend);
                }
                return;
            }
            if REPACKED.contains(&run.block) {
                found.repacked += run.bytes();
            }
            let each = held(backend);
            if run.tensor.in_layer {
                found.runs.push((run.layers.clone(), each));
            } else {
                found.output += each;
            }
        });
        found
    }

    /// What the user's own file holds.
    pub(super) fn of_file(file: &FileSizes) -> Self {
        Self {
            runs: (0..)
                .zip(&file.layers)
                .map(|(layer, each)| (layer..layer + 1, *each))
                .collect(),
            embedding: file.embedding,
            output: file.output,
            repacked: Bytes::ZERO,
        }
    }

    pub(super) fn range(&self, layers: &Range<u32>) -> Bytes {
        self.runs
            .iter()
            .map(|(run, each)| {
                let (start, end) = (run.start.max(layers.start), run.end.min(layers.end));
                *each * u64::from(end.saturating_sub(start))
            })
            .sum()
    }

    pub(super) fn on(&self, place: &Place, backend: Backend) -> Bytes {
        let output = if place.output {
            self.output
        } else {
            Bytes::ZERO
        };
        let embedding = if backend == Backend::Cpu {
            self.embedding
        } else {
            Bytes::ZERO
        };
        self.range(&place.layers) + output + embedding
    }
}
