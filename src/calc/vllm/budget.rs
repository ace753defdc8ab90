//! What is left for vLLM's cache, and the blocks that it is cut into.

use std::ops::Range;

use super::load::{Weights, load_bytes};
use super::server::{Runner, Server};
use super::{activation, graphs};
use crate::calc::cache::{Blocks, CacheRequest, blocks};
use crate::calc::load::Split;
use crate::catalog::KvFormat;
use crate::catalog::engine_memory::Overheads;
use crate::catalog::shape::{FeedForward, Shape};
use crate::units::{Bytes, Tokens, count};

/// What is served: the model, its formats, its split.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// The shape.
    pub shape: &'a Shape,
    /// How weights are stored.
    pub weights: Weights<'a>,
    /// How cached numbers are stored.
    pub kv: KvFormat,
    /// How the model is spread.
    pub split: Split,
    /// Draft layers that are loaded.
    pub draft_layers: u32,
}

/// What one device of a stage holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// After loading: "Model loading took".
    pub load: Bytes,
    /// The profiled peak, kept free for steps.
    pub activation: Bytes,
    /// Libraries and communication, outside PyTorch.
    pub non_torch: Bytes,
    /// CUDA graphs.
    pub graphs: Bytes,
    /// What of the graphs is set aside before the cache is sized.
    pub set_aside: Bytes,
    /// How the cache is cut.
    pub blocks: Blocks,
}

impl Stage {
    /// "Available KV cache memory": what the budget leaves.
    ///
    /// Source: `determine_available_memory` in vLLM 0.24 `v1/worker/gpu_worker.py`.
    #[must_use]
    pub fn available(&self, server: &Server) -> Bytes {
        let fixed = self.load + self.activation + self.non_torch + self.set_aside;
        server.device.scale(server.utilization) - fixed
    }

    /// Whole blocks of cache that fit.
    #[must_use]
    pub fn fitting(&self, server: &Server) -> u64 {
        self.blocks.fitting(self.available(server))
    }
}

/// The stages of a model, first to last; all devices of one stage hold the same.
#[must_use]
pub fn stages(model: &Model, server: &Server, overheads: &Overheads) -> Vec<Stage> {
    let layers = model.split.stages(model.shape.layers);
    layers
        .iter()
        .map(|layers| stage(model, server, overheads, layers))
        .collect()
}

/// "GPU KV cache size" of one replica: the stage with the fewest blocks decides.
#[must_use]
pub fn cache_tokens(stages: &[Stage], server: &Server) -> Tokens {
    let tokens = |stage: &Stage| {
        let blocks = stage.fitting(server);
        stage
            .blocks
            .reported_tokens(blocks, server.longest, server.batched_tokens)
    };
    stages.iter().map(tokens).min().unwrap_or(Tokens::ZERO)
}

/// Whether replicas exchange tokens, which dense models' do not.
fn has_experts(shape: &Shape) -> bool {
    matches!(shape.feed_forward, FeedForward::Experts { .. })
}

fn stage(model: &Model, server: &Server, overheads: &Overheads, layers: &Range<u32>) -> Stage {
    let (shape, split) = (model.shape, &model.split);
    let graphs = graphs::bytes(
        shape,
        &model.weights,
        (count(layers.len()), server.sequences),
        overheads,
    );
    let request = CacheRequest {
        shape,
        kv: model.kv,
        split: model.split,
        draft_layers: model.draft_layers,
    };
    Stage {
        load: load_bytes(shape, &model.weights, split, layers),
        activation: activation::peak(shape, split, server, overheads),
        non_torch: if split.tensor > 1 || split.data > 1 && has_experts(shape) {
            overheads.non_torch_parallel_bytes
        } else {
            overheads.non_torch_bytes
        },
        graphs,
        set_aside: match server.runner {
            Runner::First => graphs,
            Runner::Second => Bytes::ZERO,
        },
        blocks: blocks(&request, layers, server.block_tokens),
    }
}
