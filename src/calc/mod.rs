//! The calculator: pure functions from shapes, formats and hardware to bytes and seconds.

pub mod tensors;
