//! The tensors of a model, as its official checkpoint lists them.
//!
//! Names and shapes follow the modelling code in Hugging Face Transformers 5
//! (`modeling_llama.py`, `modeling_qwen2.py`, `modeling_deepseek_v2.py`, `modeling_deepseek_v3.py`)
//! and, for V4 and later, the `inference/model.py` that the vendor ships with the weights; every
//! list was held against the element and tensor counts of the checkpoints.

mod attention;
mod compressed;
mod count;
mod draft;
mod feed_forward;
mod role;
mod vision;

use std::ops::Range;

use crate::catalog::shape::{Attention, Engram, HyperConnections, Shape};
use crate::units::{Parameters, count as length};

pub use count::{ParameterCount, active_copies, parameters};
pub use role::{Role, Section};

/// One tensor, or the same tensor of several layers and experts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// What it does.
    pub role: Role,
    /// The part that it belongs to.
    pub section: Section,
    /// The layers that have it; `0..1` for those outside the layers.
    pub layers: Range<u32>,
    /// How many a layer has: experts, else 1.
    pub copies: u64,
    /// Output features; 1 for vectors.
    pub rows: u64,
    /// Input features: the length of a stored row.
    pub columns: u64,
}

impl Tensor {
    /// Weights of one copy in one layer.
    #[must_use]
    pub fn each(&self) -> Parameters {
        Parameters(self.rows) * self.columns
    }

    /// How many tensors of this kind the checkpoint holds.
    #[must_use]
    pub fn tensors(&self) -> u64 {
        length(self.layers.len()).saturating_mul(self.copies)
    }

    /// Weights of all copies in all layers.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.each() * self.tensors()
    }

    /// Whether it is a norm, a bias or another vector.
    #[must_use]
    pub fn is_vector(&self) -> bool {
        self.rows == 1
    }
}

/// Collects tensors of one section.
struct List {
    tensors: Vec<Tensor>,
    section: Section,
}

impl List {
    fn add(&mut self, role: Role, layers: &Range<u32>, shape: (u64, u64)) {
        self.add_copies(role, layers, 1, shape);
    }

    fn add_copies(
        &mut self,
        role: Role,
        layers: &Range<u32>,
        copies: u64,
        (rows, columns): (u64, u64),
    ) {
        if layers.is_empty() || copies == 0 || rows == 0 || columns == 0 {
            return;
        }
        self.tensors.push(Tensor {
            role,
            section: self.section,
            layers: layers.clone(),
            copies,
            rows,
            columns,
        });
    }
}

/// Every tensor of a checkpoint of that shape.
#[must_use]
pub fn tensors(shape: &Shape) -> Vec<Tensor> {
    let mut list = List {
        tensors: Vec::with_capacity(40),
        section: Section::Main,
    };
    let once = 0..1;
    list.add(Role::Embedding, &once, (shape.vocabulary, shape.hidden));
    if let Some(engram) = &shape.engram {
        add_engram(&mut list, shape, engram);
    }
    add_layers(&mut list, shape, 0..shape.layers);
    list.add(Role::OutputNorm, &once, (1, shape.hidden));
    if let Some(hyper) = shape.hyper_connections {
        add_head_mix(&mut list, hyper, (&once, shape.hidden));
    }
    if !shape.tied_embeddings {
        list.add(Role::Head, &once, (shape.vocabulary, shape.hidden));
    }
    draft::add(&mut list, shape);
    if let Some(vision) = &shape.vision {
        vision::add(&mut list, vision, shape.hidden);
    }
    list.tensors
}

fn add_layers(list: &mut List, shape: &Shape, layers: Range<u32>) {
    let hidden = shape.hidden;
    if let Some(hyper) = shape.hyper_connections {
        add_mix(list, hyper, (&layers, hidden));
    }
    list.add(Role::AttentionNorm, &layers, (1, hidden));
    match &shape.attention {
        Attention::Compressed(attention) => compressed::add(list, attention, (&layers, hidden)),
        Attention::Grouped { .. } | Attention::Latent { .. } => {
            attention::add(list, shape, &layers);
        }
    }
    list.add(Role::FeedForwardNorm, &layers, (1, hidden));
    feed_forward::add(list, shape, &shape.feed_forward, layers);
}

/// The mixing weights around attention and around the feed-forward.
///
/// For `n` streams: how each feeds the half-layer (n), how the result feeds each (n), and how they
/// feed each other (n x n), each group with one scale.
fn add_mix(list: &mut List, hyper: HyperConnections, (layers, hidden): (&Range<u32>, u64)) {
    let streams = hyper.streams;
    let weights = (2 + streams) * streams;
    list.add_copies(Role::HyperMap, layers, 2, (weights, streams * hidden));
    list.add_copies(Role::HyperBase, layers, 2, (1, weights));
    list.add_copies(Role::HyperScale, layers, 2, (1, 3));
}

/// The weights that merge the streams before a head.
fn add_head_mix(list: &mut List, hyper: HyperConnections, (layers, hidden): (&Range<u32>, u64)) {
    if !hyper.head_mix {
        return;
    }
    let streams = hyper.streams;
    list.add(Role::HyperMap, layers, (streams, streams * hidden));
    list.add(Role::HyperBase, layers, (1, streams));
    list.add(Role::HyperScale, layers, (1, 1));
}

/// A table per layer; one key for every residual stream and a value common to all.
fn add_engram(list: &mut List, shape: &Shape, engram: &Engram) {
    let hidden = shape.hidden;
    let streams = shape.hyper_connections.map_or(1, |hyper| hyper.streams);
    let looked_up = engram.lookups() * engram.head_size;
    for (layer, rows) in engram.layers.iter().zip(&engram.rows) {
        let layer = *layer..layer.saturating_add(1);
        list.add(Role::EngramTable, &layer, (*rows, engram.head_size));
        let projection = (hidden * (streams + 1), looked_up);
        list.add(Role::EngramProjection, &layer, projection);
        list.add_copies(Role::EngramGate, &layer, 2, (streams, hidden));
    }
}
