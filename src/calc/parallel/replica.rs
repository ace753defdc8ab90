//! Servers that answer apart from each other.

use crate::calc::load::Split;
use crate::catalog::shape::{FeedForward, Shape};
use crate::units::float;

/// One of the servers that a split makes, its share of the sequences, and how many servers there are.
///
/// Replicas of a dense model have nothing to do with each other; those of experts are one server.
#[must_use]
pub fn replica(shape: &Shape, split: Split, sequences: u64) -> (Split, u64, f64) {
    match shape.feed_forward {
        FeedForward::Dense { .. } if split.data > 1 => (
            Split { data: 1, ..split },
            sequences.div_ceil(split.data),
            float(split.data),
        ),
        FeedForward::Dense { .. } | FeedForward::Experts { .. } => (split, sequences, 1.0),
    }
}
