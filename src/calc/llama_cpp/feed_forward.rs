//! Dense feed-forward networks and experts in llama.cpp's graph.
//!
//! Source: `build_ffn` and `build_moe_ffn` in `src/llama-graph.cpp` of `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba).

use super::compute::Staged;
use super::graph::Id;
use super::network::{ACTIVATION, Pass};
use crate::catalog::shape::FeedForward;
use crate::units::Bytes;

/// Experts of a token whose results a GPU weighs and adds in one kernel, at most.
///
/// Source: `MOE_WEIGHTED_REDUCTION_MAX_EXPERTS` in `ggml-cuda.cu`.
const MOST_FUSED_EXPERTS: u64 = 15;

/// Whether a GPU routes among so many experts in one kernel (`ggml_cuda_should_use_topk_moe` in `topk-moe.cu`).
fn is_fused(experts: u64) -> bool {
    experts.is_power_of_two() && experts <= 512 || matches!(experts, 288 | 576)
}

/// The experts that each token uses, their weights, and every tensor on the way to them.
struct Routing {
    picked: Id,
    weights: Id,
    steps: Vec<Id>,
}

/// One layer's experts.
#[derive(Debug, Clone, Copy)]
struct Experts {
    experts: u64,
    used: u64,
    inner: u64,
    shared_inner: u64,
    has_bias: bool,
    scoring: Scoring,
}

/// How experts are scored and picked.
#[derive(Debug, Clone, Copy)]
enum Scoring {
    /// By one function of the router's result.
    Once,
    /// V4: by the root of one, or by a table of tokens.
    Root { tokens: Option<Id> },
}

/// The feed-forward of `layer` for `rows` tokens, added to `stream`.
pub(super) fn record(pass: &mut Pass, stream: Id, (layer, rows): (u32, u64)) -> Id {
    let normed = pass.graph.onto(stream);
    let normed = pass.graph.onto(normed);
    let is_dense = layer < pass.shape.feed_forward.dense_layers(pass.shape.layers);
    let result = match &pass.shape.feed_forward {
        FeedForward::Dense { intermediate } => gated(pass, normed, (*intermediate, rows)),
        FeedForward::Experts {
            dense_intermediate, ..
        } if is_dense => gated(pass, normed, (*dense_intermediate, rows)),
        FeedForward::Experts {
            experts,
            experts_per_token,
            expert_intermediate,
            shared_experts,
            router_bias,
            ..
        } => {
            let experts = Experts {
                experts: *experts,
                used: *experts_per_token,
                inner: *expert_intermediate,
                shared_inner: expert_intermediate * shared_experts,
                has_bias: *router_bias,
                scoring: Scoring::Once,
            };
            routed(pass, normed, (experts, rows, layer))
        }
    };
    pass.sum(result, stream)
}

/// V4's experts over `entering`, picked by a table of `tokens` where there are any.
pub(super) fn by_root(pass: &mut Pass, entering: Id, (layer, tokens): (u32, Option<Id>)) -> Id {
    let normed = pass.graph.onto(entering);
    let normed = pass.graph.onto(normed);
    let rows = pass.batch.tokens;
    match &pass.shape.feed_forward {
        FeedForward::Dense { intermediate } => gated(pass, normed, (*intermediate, rows)),
        FeedForward::Experts {
            experts,
            experts_per_token,
            expert_intermediate,
            shared_experts,
            ..
        } => {
            let experts = Experts {
                experts: *experts,
                used: *experts_per_token,
                inner: *expert_intermediate,
                shared_inner: expert_intermediate * shared_experts,
                has_bias: true,
                scoring: Scoring::Root { tokens },
            };
            routed(pass, normed, (experts, rows, layer))
        }
    }
}

/// The product of `sources` with a matrix, which is copied from host memory first where it lies there.
fn times(pass: &mut Pass, (size, staged): (u64, Option<Bytes>), [one, other]: [Id; 2]) -> Id {
    match staged {
        Some(matrix) => {
            let copy = pass.graph.operation(matrix.0, &[]);
            pass.graph.operation(size, &[one, other, copy])
        }
        None => pass.graph.operation(size, &[one, other]),
    }
}

fn bytes(rows: u64, width: u64) -> u64 {
    rows.saturating_mul(width).saturating_mul(ACTIVATION)
}

fn gated(pass: &mut Pass, normed: Id, (inner, rows): (u64, u64)) -> Id {
    let size = bytes(rows, inner);
    let gate = pass.graph.operation(size, &[normed]);
    let up = pass.graph.operation(size, &[normed]);
    let product = pass.graph.operation(size, &[gate, up]);
    let result = bytes(rows, pass.shape.hidden);
    pass.graph.operation(result, &[product])
}

fn routed(pass: &mut Pass, normed: Id, (experts, rows, layer): (Experts, u64, u32)) -> Id {
    let hidden = pass.shape.hidden;
    let routing = router(pass, normed, (experts, rows));
    let (picked, weights) = (routing.picked, routing.weights);
    let seen = pass.graph.view(normed);
    if is_fused(experts.experts) {
        pass.graph.hold(&routing.steps);
    }
    let staged = pass.part.staged.filter(|staged| layer < staged.kept);
    let inner = bytes(rows, experts.used * experts.inner);
    let matrix = |of: fn(Staged) -> Bytes| staged.map(of);
    let gate = times(pass, (inner, matrix(|all| all.gate)), [seen, picked]);
    let up = times(pass, (inner, matrix(|all| all.up)), [seen, picked]);
    let product = pass.graph.operation(inner, &[gate, up]);
    let outer = bytes(rows, experts.used * hidden);
    let down = times(pass, (outer, matrix(|all| all.down)), [product, picked]);
    let weighted = pass.graph.over(outer, &[down, weights], &[down]);
    let sum = added(pass, weighted, (experts.used, bytes(rows, hidden)));
    if (2..=MOST_FUSED_EXPERTS).contains(&experts.used) {
        pass.graph.hold(&[down, weights]);
    }
    if experts.shared_inner == 0 {
        return sum;
    }
    let shared = gated(pass, normed, (experts.shared_inner, rows));
    pass.sum(sum, shared)
}

/// Scores the experts, ranks them and weighs the best.
fn router(pass: &mut Pass, normed: Id, (experts, rows): (Experts, u64)) -> Routing {
    let graph = &mut pass.graph;
    let each = bytes(rows, experts.experts);
    let logits = graph.operation(each, &[normed]);
    let mut scored = graph.onto(logits);
    let mut tokens = None;
    if let Scoring::Root { tokens: table } = experts.scoring {
        scored = graph.onto(scored);
        tokens = table;
    }
    let scored_rows = graph.view(scored);
    let mut steps = vec![scored, logits, scored_rows];
    let size = bytes(rows, experts.used);
    let picked = if let Some(tokens) = tokens {
        graph.operation(size, &[tokens])
    } else {
        let ranked = if experts.has_bias {
            let biased = graph.onto(scored);
            steps.push(biased);
            biased
        } else {
            scored
        };
        let order = graph.operation(each, &[ranked]);
        steps.push(order);
        graph.view(order)
    };
    let mut weights = graph.operation(size, &[scored_rows, picked]);
    steps.extend([picked, weights]);
    if experts.has_bias {
        let flat = graph.view(weights);
        let sum = graph.operation(bytes(rows, 1), &[flat]);
        let clamped = graph.onto(sum);
        let shares = graph.over(size, &[flat, clamped], &[flat]);
        let shares_rows = graph.view(shares);
        weights = graph.onto(shares_rows);
        steps.extend([flat, sum, clamped, shares, shares_rows, weights]);
    }
    Routing {
        picked,
        weights,
        steps,
    }
}

/// The sum of what the used experts give, one after the other.
fn added(pass: &mut Pass, weighted: Id, (used, size): (u64, u64)) -> Id {
    let parts: Vec<Id> = (0..used).map(|_| pass.graph.view(weighted)).collect();
    let mut parts = parts.into_iter();
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
        return pass.graph.view(weighted);
    };
    let mut sum = pass.graph.operation(size, &[first, second]);
    for part in parts {
        sum = pass.graph.over(size, &[sum, part], &[sum]);
    }
    sum
}
