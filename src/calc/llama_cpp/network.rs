//! The forward pass of one micro-batch, tensor by tensor, as llama.cpp builds it.
//!
//! Source: `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `src/models/llama.cpp`, `qwen2.cpp`, `qwen3.cpp`, `deepseek.cpp`,
//! `deepseek2.cpp` and `deepseek32.cpp`, and `build_attn` in `src/llama-graph.cpp`; the order of tensors is that of
//! the depth-first walk of `ggml_build_forward_expand`.

use super::backend::Backend;
use super::compute::Part;
use super::graph::{Buffers, Id, Recorder};
use super::settings::Settings;
use super::{compressed, feed_forward, grouped, hyper, latent};
use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::KvFormat;
use crate::catalog::shape::{Attention, Shape};
use crate::units::{Bytes, Parameters};

/// Bytes of an activation: all are 32-bit floats.
pub(super) const ACTIVATION: u64 = 4;
/// Bytes of a number in the masks of flash attention and of the indexer.
pub(super) const HALF: u64 = 2;
/// Bytes of a token id or a position.
pub(super) const INDEX: u64 = 4;
/// Bytes of an index into the cache.
pub(super) const CELL_INDEX: u64 = 8;
/// Layers at the start, dense ones before experts left aside, after which the allocator's state repeats itself.
const REPEATING: u32 = 4;
/// Layers at the end that are recorded.
const LAST_LAYERS: u32 = 2;

/// Sizes of a micro-batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    /// Tokens.
    pub(super) tokens: u64,
    /// Positions of one stream of the cache.
    pub(super) cells: u64,
    /// Streams of the cache.
    pub(super) streams: u64,
    /// Rows of logits.
    pub(super) outputs: u64,
}

/// What layers read besides the residual stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs {
    pub(super) positions: Id,
    pub(super) key_cells: Id,
    pub(super) value_cells: Option<Id>,
    pub(super) mask: Id,
    pub(super) key_rotation: Option<Id>,
    pub(super) value_rotation: Option<Id>,
    pub(super) outputs: Id,
    pub(super) index_cells: Option<Id>,
    pub(super) index_mask: Option<Id>,
}

/// A forward pass being recorded.
pub(super) struct Pass<'a> {
    pub(super) graph: Recorder,
    pub(super) shape: &'a Shape,
    pub(super) settings: &'a Settings,
    pub(super) backend: Backend,
    pub(super) batch: Batch,
    pub(super) part: Part,
    /// V3.2: where each layer writes what marks the picked positions.
    pub(super) marks: Vec<Id>,
}

/// The buffers of a forward pass; none for a shape that llama.cpp does not load (V4.1).
pub(super) fn buffers(
    shape: &Shape,
    settings: &Settings,
    backend: Backend,
    part: Part,
) -> Option<Buffers> {
    let mut pass = Pass::new(shape, settings, (backend, part));
    if is_compressed(shape) {
        let sizes = compressed::Sizes::of(shape, settings)?;
        hyper::record(&mut pass, &sizes);
    } else {
        pass.record();
    }
    Some(pass.graph.buffers())
}

/// What the processor holds when GPUs compute every layer: inputs and embeddings.
pub(super) fn pinned(shape: &Shape, settings: &Settings) -> Option<Bytes> {
    let part = Part::WHOLE;
    let mut pass = Pass::new(shape, settings, (Backend::Cuda, part));
    if is_compressed(shape) {
        let sizes = compressed::Sizes::of(shape, settings)?;
        hyper::embed(&mut pass, &sizes);
    } else {
        pass.embed();
    }
    Some(pass.graph.buffers().host)
}

fn is_compressed(shape: &Shape) -> bool {
    matches!(shape.attention, Attention::Compressed(_))
}

impl<'a> Pass<'a> {
    fn new(shape: &'a Shape, settings: &'a Settings, (backend, part): (Backend, Part)) -> Self {
        Self {
            graph: Recorder::new(backend, part.pipelined),
            shape,
            settings,
            backend,
            batch: Batch {
                tokens: settings.batch_tokens(),
                cells: settings.cells(),
                streams: settings.streams(),
                outputs: settings.output_rows(),
            },
            part,
            marks: Vec::new(),
        }
    }

    /// Bytes of `width` activations for every token.
    pub(super) fn wide(&self, width: u64) -> u64 {
        self.batch
            .tokens
            .saturating_mul(width)
            .saturating_mul(ACTIVATION)
    }

    /// Bytes of the attention mask: 16 bits with flash attention, else 32.
    pub(super) fn mask_bytes(&self) -> u64 {
        let element = if self.settings.flash_attention {
            HALF
        } else {
            ACTIVATION
        };
        self.batch
            .tokens
            .saturating_mul(self.batch.cells)
            .saturating_mul(element)
    }

    /// Bytes of one attention score for every head, token and position.
    pub(super) fn scores_bytes(&self, heads: u64) -> u64 {
        self.wide(heads).saturating_mul(self.batch.cells)
    }

    /// Bytes of flash attention's result, with what a GPU converts to 16 bits beside it.
    ///
    /// Source: `ggml_cuda_flash_attn_ext_get_f16_extra_data` in `ggml-cuda/fattn-common.cuh`.
    pub(super) fn flash_bytes(&self, result: u64, rows: &[(u64, KvFormat)]) -> u64 {
        let cells = self.batch.cells.saturating_mul(self.batch.streams);
        let numbers = rows
            .iter()
            .map(|(width, format)| (width.saturating_mul(cells), *format));
        self.flash_with(result, numbers)
    }

    /// As [`Pass::flash_bytes`], of so many cached numbers in each format.
    pub(super) fn flash_with(
        &self,
        result: u64,
        cached: impl IntoIterator<Item = (u64, KvFormat)>,
    ) -> u64 {
        let mut end = result;
        for (numbers, format) in cached {
            let is_converted = self.backend == Backend::Cuda && grouped::is_quantized(format);
            if is_converted {
                let aligned = end.next_multiple_of(Backend::Cuda.alignment());
                end = aligned.saturating_add(KvFormat::F16.bytes(Parameters(numbers)).0);
            }
        }
        end
    }

    /// The inputs, and the embedded tokens.
    fn embed(&mut self) -> (Inputs, Id) {
        let size = self.wide(self.shape.hidden);
        let tokens = self.graph.input(self.batch.tokens * INDEX);
        self.graph.input(size);
        let inputs = self.inputs();
        (inputs, self.graph.on_host(size, &[tokens]))
    }

    fn record(&mut self) {
        let (inputs, embedded) = self.embed();
        let mut stream = self.graph.import(embedded);
        let inputs = self.import(inputs);
        let last = self.shape.layers.saturating_sub(1);
        for layer in self.recorded_layers() {
            let is_last = self.part.output && layer == last;
            stream = self.layer(stream, &inputs, (layer, is_last));
        }
        if !self.part.output {
            return;
        }
        let normed = self.graph.onto(stream);
        let normed = self.graph.onto(normed);
        self.graph.keep(normed);
        let logits = self
            .batch
            .outputs
            .saturating_mul(self.shape.vocabulary)
            .saturating_mul(ACTIVATION);
        let logits = self.graph.operation(logits, &[normed]);
        self.graph.keep(logits);
    }

    /// Enough layers at the start and at the end for the worst moment.
    fn recorded_layers(&self) -> impl Iterator<Item = u32> + use<> {
        let layers = self.shape.layers;
        let dense = self.shape.feed_forward.dense_layers(layers);
        // Marks that layers have freed make room for ever more, so there every layer counts.
        let all = !self.marks.is_empty() && !self.settings.flash_attention;
        let leading = if dense == layers { 0 } else { dense };
        let between = layers.saturating_sub(leading + REPEATING + LAST_LAYERS);
        let resumed = layers.saturating_sub(LAST_LAYERS);
        // Each layer's result lies where the last but one's lay, so an even number is left out.
        let left_out = resumed.saturating_sub(between - between % 2)..resumed;
        let repeated = move |layer: &u32| all || !left_out.contains(layer);
        (0..layers).filter(repeated)
    }

    fn inputs(&mut self) -> Inputs {
        let tokens = self.batch.tokens;
        let latent = latent::is_absorbed(self.shape, self.settings);
        let indexer = latent::indexer(self.shape);
        let rotations = grouped::rotations(self.shape, self.settings);
        let key_rotation = match indexer {
            Some(indexer) => Some(grouped::rotation_width(indexer.head_size)),
            None => rotations.0,
        };
        let square = |width: u64| width * width * ACTIVATION;
        let key_rotation = key_rotation.map(|width| self.graph.input(square(width)));
        let positions = self.graph.input(tokens * INDEX);
        let value_rotation = rotations.1.map(|width| self.graph.input(square(width)));
        let cells = tokens * CELL_INDEX;
        let index_cells = indexer.map(|_| self.graph.input(cells));
        let key_cells = self.graph.input(cells);
        let value_cells = if latent {
            None
        } else {
            let scattered = grouped::value_width(self.shape);
            let each = if self.settings.flash_attention {
                1
            } else {
                scattered
            };
            Some(self.graph.input(cells.saturating_mul(each)))
        };
        let marks = latent::mark_bytes(self);
        if let Some(size) = marks {
            let first = self.graph.scratch(size);
            self.marks.push(first);
        }
        let mask = self.mask_bytes();
        let halves = self.batch.tokens.saturating_mul(self.batch.cells) * HALF;
        let index_mask = indexer.map(|_| self.graph.input(halves));
        let mask = self.graph.input(mask);
        if let Some(size) = marks {
            for _ in 1..self.shape.layers {
                let next = self.graph.scratch(size);
                self.marks.push(next);
            }
        }
        let outputs = self.graph.input(self.batch.outputs * INDEX);
        Inputs {
            positions,
            key_cells,
            value_cells,
            mask,
            key_rotation,
            value_rotation,
            outputs,
            index_cells,
            index_mask,
        }
    }

    /// Copies of the inputs on the GPU, in the order in which layers first read them.
    fn import(&mut self, inputs: Inputs) -> Inputs {
        let graph = &mut self.graph;
        let positions = graph.import(inputs.positions);
        let key_rotation = inputs.key_rotation.map(|input| graph.import(input));
        let value_rotation = inputs.value_rotation.map(|input| graph.import(input));
        let index_cells = inputs.index_cells.map(|input| graph.import(input));
        let key_cells = graph.import(inputs.key_cells);
        let value_cells = inputs.value_cells.map(|input| graph.import(input));
        let index_mask = inputs.index_mask.map(|input| graph.import(input));
        let mask = graph.import(inputs.mask);
        let outputs = graph.import(inputs.outputs);
        Inputs {
            positions,
            key_cells,
            value_cells,
            mask,
            key_rotation,
            value_rotation,
            outputs,
            index_cells,
            index_mask,
        }
    }

    fn layer(&mut self, stream: Id, inputs: &Inputs, (layer, is_last): (u32, bool)) -> Id {
        let normed = self.graph.onto(stream);
        let normed = self.graph.onto(normed);
        let attended = match (&self.shape.attention, self.settings.layout) {
            (Attention::Latent { .. }, LatentLayout::Absorbed) => {
                latent::absorbed(self, normed, (inputs, layer))
            }
            (Attention::Latent { .. }, LatentLayout::MultiHead) => {
                latent::multi_head(self, normed, inputs)
            }
            (Attention::Grouped { .. } | Attention::Compressed(_), _) => {
                grouped::attention(self, normed, inputs)
            }
        };
        let (attended, stream, rows) = if is_last {
            let rows = self.batch.outputs;
            let size = rows.saturating_mul(self.shape.hidden) * ACTIVATION;
            let attended = self.graph.operation(size, &[attended, inputs.outputs]);
            let stream = self.graph.operation(size, &[stream, inputs.outputs]);
            (attended, stream, rows)
        } else {
            (attended, stream, self.batch.tokens)
        };
        let sum = self.sum(attended, stream);
        feed_forward::record(self, sum, (layer, rows))
    }

    /// The sum of two tensors of the same layout.
    pub(super) fn sum(&mut self, one: Id, other: Id) -> Id {
        let size = self.graph.size(one);
        self.graph.over(size, &[one, other], &[one, other])
    }
}
