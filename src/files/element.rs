//! How the numbers of a tensor in a file are stored.

use crate::calc::gguf::BlockType;

/// An element type of GGUF or safetensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementType {
    /// The format's own name for it, in capitals.
    pub name: &'static str,
    /// Numbers in a block; 1 for plain types.
    pub block_elements: u64,
    /// Bits of a block.
    pub block_bits: u64,
}

/// GGUF's type numbers that the calculator knows as block types.
///
/// Source: `enum ggml_type` in `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `ggml/include/ggml.h`.
const BLOCKS: [(u32, BlockType); 29] = [
    (0, BlockType::F32),
    (1, BlockType::F16),
    (2, BlockType::Q4_0),
    (3, BlockType::Q4_1),
    (6, BlockType::Q5_0),
    (7, BlockType::Q5_1),
    (8, BlockType::Q8_0),
    (10, BlockType::Q2K),
    (11, BlockType::Q3K),
    (12, BlockType::Q4K),
    (13, BlockType::Q5K),
    (14, BlockType::Q6K),
    (16, BlockType::Iq2Xxs),
    (17, BlockType::Iq2Xs),
    (18, BlockType::Iq3Xxs),
    (19, BlockType::Iq1S),
    (20, BlockType::Iq4Nl),
    (21, BlockType::Iq3S),
    (22, BlockType::Iq2S),
    (23, BlockType::Iq4Xs),
    (26, BlockType::I32),
    (29, BlockType::Iq1M),
    (30, BlockType::Bf16),
    (34, BlockType::Tq1_0),
    (35, BlockType::Tq2_0),
    (39, BlockType::Mxfp4),
    (40, BlockType::Nvfp4),
    (41, BlockType::Q1_0),
    (42, BlockType::Q2_0),
];

/// GGUF's plain types that no weight matrix has.
const PLAIN: [(u32, ElementType); 4] = [
    (24, ElementType::plain("I8", 8)),
    (25, ElementType::plain("I16", 16)),
    (27, ElementType::plain("I64", 64)),
    (28, ElementType::plain("F64", 64)),
];

impl ElementType {
    /// A type whose numbers stand alone.
    #[must_use]
    pub(super) const fn plain(name: &'static str, bits: u64) -> Self {
        Self {
            name,
            block_elements: 1,
            block_bits: bits,
        }
    }

    /// The type that GGUF numbers `number`; none for one that files no longer or not yet have.
    #[must_use]
    pub(super) fn of_gguf(number: u32) -> Option<Self> {
        let block = BLOCKS.iter().find(|(known, _)| *known == number);
        if let Some((_, block)) = block {
            return Some(Self {
                name: block.name(),
                block_elements: block.elements(),
                block_bits: block.block_bytes().saturating_mul(8),
            });
        }
        let plain = PLAIN.iter().find(|(known, _)| *known == number);
        plain.map(|(_, element)| *element)
    }

    /// Bytes of `elements` numbers; none where they are no whole blocks or too many to count.
    #[must_use]
    pub(super) fn bytes(self, elements: u64) -> Option<u64> {
        if !elements.is_multiple_of(self.block_elements) {
            return None;
        }
        let bits = (elements / self.block_elements).checked_mul(self.block_bits)?;
        (bits % 8 == 0).then_some(bits / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_by_number() {
        let q4_k = ElementType::of_gguf(12).expect("Q4_K");
        assert_eq!((q4_k.name, q4_k.bytes(512)), ("Q4_K", Some(288)));
        assert_eq!(q4_k.bytes(100), None);
        assert_eq!(ElementType::of_gguf(4), None);
        assert_eq!(ElementType::of_gguf(u32::MAX), None);
    }
}
