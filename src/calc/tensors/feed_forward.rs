//! Tensors of dense feed-forward networks, routers and experts.

use std::ops::Range;

use super::{List, Role, Section};
use crate::catalog::shape::{FeedForward, Shape};

/// Adds the feed-forward networks of `layers`.
pub(super) fn add(list: &mut List, shape: &Shape, feed_forward: &FeedForward, layers: Range<u32>) {
    let hidden = shape.hidden;
    let (dense_inner, first_expert) = match feed_forward {
        FeedForward::Dense { intermediate } => (*intermediate, layers.end),
        FeedForward::Experts {
            dense_layers,
            dense_intermediate,
            ..
        } => (
            *dense_intermediate,
            (*dense_layers).clamp(layers.start, layers.end),
        ),
    };
    let dense = layers.start..first_expert;
    list.add(Role::Gate, &dense, (dense_inner, hidden));
    list.add(Role::Up, &dense, (dense_inner, hidden));
    list.add(Role::Down, &dense, (hidden, dense_inner));
    let FeedForward::Experts {
        expert_intermediate,
        experts,
        shared_experts,
        ..
    } = feed_forward
    else {
        return;
    };
    let routed = first_expert..layers.end;
    add_router(list, shape, feed_forward, &routed);
    let inner = *expert_intermediate;
    list.add_copies(Role::ExpertGate, &routed, *experts, (inner, hidden));
    list.add_copies(Role::ExpertUp, &routed, *experts, (inner, hidden));
    list.add_copies(Role::ExpertDown, &routed, *experts, (hidden, inner));
    let shared = inner * shared_experts;
    list.add(Role::SharedGate, &routed, (shared, hidden));
    list.add(Role::SharedUp, &routed, (shared, hidden));
    list.add(Role::SharedDown, &routed, (hidden, shared));
}

/// The router; V4's first layers route by a table of token ids and have no bias, unless the model
/// sees images: then every router has both biases.
fn add_router(list: &mut List, shape: &Shape, feed_forward: &FeedForward, routed: &Range<u32>) {
    let FeedForward::Experts {
        experts,
        experts_per_token,
        router_bias,
        hash_layers,
        visual_router_bias,
        ..
    } = feed_forward
    else {
        return;
    };
    list.add(Role::Router, routed, (*experts, shape.hidden));
    let hashed = match list.section {
        Section::Main => routed.start..(*hash_layers).clamp(routed.start, routed.end),
        Section::Draft | Section::Vision => routed.start..routed.start,
    };
    let table = (shape.vocabulary, *experts_per_token);
    list.add(Role::HashTable, &hashed, table);
    let first_biased = if *visual_router_bias {
        routed.start
    } else {
        hashed.end
    };
    if *router_bias {
        let biased = first_biased..routed.end;
        list.add(Role::RouterBias, &biased, (1, *experts));
    }
    if *visual_router_bias {
        list.add(Role::VisualRouterBias, routed, (1, *experts));
    }
}
