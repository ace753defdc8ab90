//! Bytes of the weights by layer.

use std::ops::Range;

use super::backend::Backend;
use super::compute::Staged;
use super::places::Place;
use crate::calc::gguf::BlockType;
use crate::calc::gguf_tensors::{Category, GgufTensor};
use crate::calc::mix::{Mix, each_run};
use crate::calc::tensors::Section;
use crate::catalog::Shape;
use crate::catalog::model::{FileSizes, LayerSizes};
use crate::catalog::shape::FeedForward;
use crate::units::Bytes;

/// Bytes of the weights by layer, as a kind of memory rounds them.
pub(super) struct LayerWeights {
    /// Layers that have a tensor in one type.
    runs: Vec<Held>,
    pub(super) embedding: Bytes,
    pub(super) output: Bytes,
    /// What the processor copies into an order of its own, beside the mapped file.
    pub(super) repacked: Bytes,
}

/// A tensor in one type.
struct Held {
    /// The layers that have it.
    layers: Range<u32>,
    /// Its bytes in each of them.
    each: Bytes,
    /// The same in a file that the host maps.
    mapped: Bytes,
    /// What it is of a layer's routed experts.
    experts: Option<Category>,
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

/// Layers that are in both.
fn shared(one: &Range<u32>, other: &Range<u32>) -> u64 {
    let (start, end) = (one.start.max(other.start), one.end.min(other.end));
    u64::from(end.saturating_sub(start))
}

/// Whether `--n-cpu-moe` leaves a tensor with the host: `LLM_FFN_EXPS_REGEX` in `common/common.h`.
fn is_expert(tensor: &GgufTensor, shape: &Shape) -> bool {
    matches!(shape.feed_forward, FeedForward::Experts { .. })
        && tensor.matrices > 1
        && matches!(
            tensor.category,
            Category::Gate | Category::Up | Category::Down
        )
}

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
            let mapped = run.each();
            let each = match backend {
                Backend::Cpu => mapped,
                Backend::Cuda => {
                    let block = (run.block.elements(), run.block.block_bytes());
                    backend.tensor_bytes(mapped, run.tensor.columns, block)
                }
            };
            if run.tensor.category == Category::Embedding {
                found.embedding += mapped;
                if shape.tied_embeddings {
                    found.output += each;
                }
                return;
            }
            if REPACKED.contains(&run.block) {
                found.repacked += run.bytes();
            }
            if run.tensor.in_layer {
                found.runs.push(Held {
                    layers: run.layers.clone(),
                    each,
                    mapped,
                    experts: is_expert(run.tensor, shape).then_some(run.tensor.category),
                });
            } else {
                found.output += each;
            }
        });
        found
    }

    /// What the user's own file holds.
    pub(super) fn of_file(file: &FileSizes) -> Self {
        let mut runs = Vec::with_capacity(file.layers.len() * 4);
        for (layer, LayerSizes { total, experts }) in (0..).zip(&file.layers) {
            let mut held = |bytes: Bytes, experts| {
                runs.push(Held {
                    layers: layer..layer + 1,
                    each: bytes,
                    mapped: bytes,
                    experts,
                });
            };
            held(*total - experts.gate - experts.up - experts.down, None);
            held(experts.gate, Some(Category::Gate));
            held(experts.up, Some(Category::Up));
            held(experts.down, Some(Category::Down));
        }
        Self {
            runs,
            embedding: file.embedding,
            output: file.output,
            repacked: Bytes::ZERO,
        }
    }

    pub(super) fn range(&self, layers: &Range<u32>) -> Bytes {
        self.runs
            .iter()
            .map(|run| run.each * shared(&run.layers, layers))
            .sum()
    }

    /// The routed experts of the layers below `kept`, which stay in the host's memory.
    pub(super) fn host_experts(&self, kept: u32) -> Bytes {
        self.experts()
            .map(|run| run.mapped * shared(&run.layers, &(0..kept)))
            .sum()
    }

    /// What of the routed experts below `kept` a large batch copies to a GPU at a time; none where there are none.
    pub(super) fn staged(&self, kept: u32) -> Option<Staged> {
        let largest = |category| {
            self.experts()
                .filter(|run| run.experts == Some(category) && shared(&run.layers, &(0..kept)) > 0)
                .map(|run| run.each)
                .max()
                .filter(|largest| *largest > Bytes::ZERO || category == Category::Up)
        };
        Some(Staged {
            kept,
            gate: largest(Category::Gate)?,
            up: largest(Category::Up)?,
            down: largest(Category::Down)?,
        })
    }

    fn experts(&self) -> impl Iterator<Item = &Held> {
        self.runs.iter().filter(|run| run.experts.is_some())
    }

    /// What a device saves of the place's layers when the experts below `kept` stay with the host.
    pub(super) fn spared(&self, place: &Place, kept: u32) -> Bytes {
        let layers = place.layers.start..place.layers.end.min(kept);
        self.experts()
            .map(|run| run.each * shared(&run.layers, &layers))
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
