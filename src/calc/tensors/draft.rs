//! Tensors of draft layers: V3's and V4's multi-token prediction, and DSpark.

use std::ops::Range;

use super::{List, Role, Section, add_head_mix, add_layers};
use crate::catalog::shape::{DraftKind, FeedForward, Shape};
use crate::units::count;

/// Adds the draft layers, which are numbered after the decoder's.
pub(super) fn add(list: &mut List, shape: &Shape) {
    if shape.draft_layers == 0 {
        return;
    }
    list.section = Section::Draft;
    let layers = shape.layers..shape.layers.saturating_add(shape.draft_layers);
    match &shape.draft_kind {
        DraftKind::Joint {} => add_joint(list, shape, &layers),
        DraftKind::Separate { copies } => add_separate(list, shape, (&layers, *copies)),
        DraftKind::Block { .. } => add_block(list, shape, &layers),
    }
    list.section = Section::Main;
}

/// V3: a full layer with its own copies of embedding and head.
fn add_joint(list: &mut List, shape: &Shape, layers: &Range<u32>) {
    let hidden = shape.hidden;
    list.add(Role::Embedding, layers, (shape.vocabulary, hidden));
    list.add(Role::DraftEmbeddingNorm, layers, (1, hidden));
    list.add(Role::DraftHiddenNorm, layers, (1, hidden));
    list.add(Role::DraftProjection, layers, (hidden, 2 * hidden));
    add_layers(list, shape, layers.clone());
    list.add(Role::OutputNorm, layers, (1, hidden));
    list.add(Role::Head, layers, (shape.vocabulary, hidden));
}

/// V4: a full layer that uses the decoder's embedding and head, or brings copies (Base editions).
fn add_separate(list: &mut List, shape: &Shape, (layers, copies): (&Range<u32>, bool)) {
    let hidden = shape.hidden;
    let vocabulary = (shape.vocabulary, hidden);
    if copies {
        list.add(Role::Embedding, layers, vocabulary);
    }
    list.add(Role::DraftEmbeddingNorm, layers, (1, hidden));
    list.add(Role::DraftHiddenNorm, layers, (1, hidden));
    list.add(Role::DraftEmbeddingProjection, layers, (hidden, hidden));
    list.add(Role::DraftHiddenProjection, layers, (hidden, hidden));
    add_layers(list, shape, layers.clone());
    list.add(Role::OutputNorm, layers, (1, hidden));
    if let Some(hyper) = shape.hyper_connections {
        add_head_mix(list, hyper, (layers, hidden));
    }
    if copies {
        list.add(Role::Head, layers, vocabulary);
    }
}

/// DSpark: the first stage reads the target layers, the last one has the heads.
///
/// Source: the tensor inventory of DeepSeek-V4-Flash-0731 (gogongxt/python
/// `scripts/models/deepseek_v4_flash_0731.md`); NVIDIA-NeMo/Automodel `deepseek_v41/dspark.py`.
fn add_block(list: &mut List, shape: &Shape, layers: &Range<u32>) {
    let DraftKind::Block {
        target_layers,
        markov_rank,
        ..
    } = &shape.draft_kind
    else {
        return;
    };
    let hidden = shape.hidden;
    let first = layers.start..layers.start.saturating_add(1);
    let final_stage = layers.end.saturating_sub(1)..layers.end;
    let read = count(target_layers.len()) * hidden;
    list.add(Role::DraftTargetProjection, &first, (hidden, read));
    list.add(Role::DraftTargetNorm, &first, (1, hidden));
    add_stages(list, shape, layers);
    list.add(Role::OutputNorm, &final_stage, (1, hidden));
    if let Some(hyper) = shape.hyper_connections {
        add_head_mix(list, hyper, (&final_stage, hidden));
    }
    let markov = (shape.vocabulary, *markov_rank);
    list.add(Role::MarkovEmbedding, &final_stage, markov);
    list.add(Role::MarkovHead, &final_stage, markov);
    list.add(
        Role::DraftConfidence,
        &final_stage,
        (1, hidden + markov_rank),
    );
}

/// Decoder layers whose router may have fewer experts.
fn add_stages(list: &mut List, shape: &Shape, layers: &Range<u32>) {
    let stage = Shape {
        feed_forward: feed_forward(shape),
        ..shape.clone()
    };
    add_layers(list, &stage, layers.clone());
}

/// The feed-forward of a draft layer.
#[must_use]
pub(super) fn feed_forward(shape: &Shape) -> FeedForward {
    let mut feed_forward = shape.feed_forward.clone();
    if let (
        FeedForward::Experts {
            experts,
            experts_per_token,
            ..
        },
        DraftKind::Block {
            experts: own_experts,
            experts_per_token: own_per_token,
            ..
        },
    ) = (&mut feed_forward, &shape.draft_kind)
    {
        *experts = own_experts.unwrap_or(*experts);
        *experts_per_token = own_per_token.unwrap_or(*experts_per_token);
    }
    feed_forward
}
