//! GGUF: how many bytes a block of each tensor type takes, and the file types that `llama-quantize` makes.
//!
//! Block sizes: `ggml-org/llama.cpp`, `ggml/src/ggml-common.h` at 0.5.0-dev (0c1e57098bba); file types: `include/llama.h`.

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// How a GGUF tensor's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlockType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit brain floats.
    Bf16,
    /// 32-bit integers (routing tables of V4).
    I32,
    /// 8 bits, 32 to a scale.
    Q8_0,
    /// 5 bits, 32 to a scale and a minimum.
    Q5_1,
    /// 5 bits, 32 to a scale.
    Q5_0,
    /// 4 bits, 32 to a scale and a minimum.
    Q4_1,
    /// 4 bits, 32 to a scale.
    Q4_0,
    /// 4 bits by a non-linear table, 32 to a scale.
    Iq4Nl,
    /// FP4 with a shared exponent, 32 to a block.
    Mxfp4,
    /// FP4 with an FP8 scale for every 16, 64 to a block.
    Nvfp4,
    /// 2 bits, 64 to a scale.
    Q2_0,
    /// 1 bit, 128 to a scale.
    Q1_0,
    /// Ternary, 1.6875 bits.
    Tq1_0,
    /// Ternary, 2.0625 bits.
    Tq2_0,
    /// 2 bits with two levels of scales.
    Q2K,
    /// 3 bits with two levels of scales.
    Q3K,
    /// 4 bits with two levels of scales.
    Q4K,
    /// 5 bits with two levels of scales.
    Q5K,
    /// 6 bits with two levels of scales.
    Q6K,
    /// 4.25 bits by a non-linear table.
    Iq4Xs,
    /// 3.4375 bits by a codebook.
    Iq3S,
    /// 3.0625 bits by a codebook.
    Iq3Xxs,
    /// 2.5625 bits by a codebook.
    Iq2S,
    /// 2.3125 bits by a codebook.
    Iq2Xs,
    /// 2.0625 bits by a codebook.
    Iq2Xxs,
    /// 1.75 bits by a codebook.
    Iq1M,
    /// 1.5625 bits by a codebook.
    Iq1S,
}

impl BlockType {
    /// Numbers in a block.
    #[must_use]
    pub const fn elements(self) -> u64 {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 | Self::I32 => 1,
            Self::Q8_0
            | Self::Q5_1
            | Self::Q5_0
            | Self::Q4_1
            | Self::Q4_0
            | Self::Iq4Nl
            | Self::Mxfp4 => 32,
            Self::Nvfp4 | Self::Q2_0 => 64,
            Self::Q1_0 => 128,
            Self::Tq1_0
            | Self::Tq2_0
            | Self::Q2K
            | Self::Q3K
            | Self::Q4K
            | Self::Q5K
            | Self::Q6K
            | Self::Iq4Xs
            | Self::Iq3S
            | Self::Iq3Xxs
            | Self::Iq2S
            | Self::Iq2Xs
            | Self::Iq2Xxs
            | Self::Iq1M
            | Self::Iq1S => 256,
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub const fn block_bytes(self) -> u64 {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 34,
            Self::Q5_1 => 24,
            Self::Q5_0 => 22,
            Self::Q4_1 => 20,
            Self::Q4_0 | Self::Iq4Nl | Self::Q2_0 | Self::Q1_0 => 18,
            Self::Mxfp4 => 17,
            Self::Nvfp4 => 36,
            Self::Tq1_0 => 54,
            Self::Tq2_0 | Self::Iq2Xxs => 66,
            Self::Q2K => 84,
            Self::Q3K | Self::Iq3S => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Iq4Xs => 136,
            Self::Iq3Xxs => 98,
            Self::Iq2S => 82,
            Self::Iq2Xs => 74,
            Self::Iq1M => 56,
            Self::Iq1S => 50,
        }
    }

    /// Whether it is made of blocks with scales.
    #[must_use]
    pub const fn is_quantized(self) -> bool {
        self.elements() > 1
    }

    /// Bytes of `elements` numbers, the last block whole.
    #[must_use]
    pub const fn bytes(self, elements: u64) -> Bytes {
        Bytes(
            elements
                .div_ceil(self.elements())
                .saturating_mul(self.block_bytes()),
        )
    }

    /// The name that llama.cpp prints, in capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I32 => "I32",
            Self::Q8_0 => "Q8_0",
            Self::Q5_1 => "Q5_1",
            Self::Q5_0 => "Q5_0",
            Self::Q4_1 => "Q4_1",
            Self::Q4_0 => "Q4_0",
            Self::Iq4Nl => "IQ4_NL",
            Self::Mxfp4 => "MXFP4",
            Self::Nvfp4 => "NVFP4",
            Self::Q2_0 => "Q2_0",
            Self::Q1_0 => "Q1_0",
            Self::Tq1_0 => "TQ1_0",
            Self::Tq2_0 => "TQ2_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Iq4Xs => "IQ4_XS",
            Self::Iq3S => "IQ3_S",
            Self::Iq3Xxs => "IQ3_XXS",
            Self::Iq2S => "IQ2_S",
            Self::Iq2Xs => "IQ2_XS",
            Self::Iq2Xxs => "IQ2_XXS",
            Self::Iq1M => "IQ1_M",
            Self::Iq1S => "IQ1_S",
        }
    }
}

/// Declares the file types: variant, llama.cpp's name, the type of most tensors, what it is.
macro_rules! file_types {
    ($($variant:ident $name:literal $base:ident $doc:literal,)*) => {
        /// What a GGUF file as a whole is called: a mix of block types, chosen tensor by tensor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FileType {
            $(#[doc = $doc] $variant,)*
        }

        impl FileType {
            /// Every file type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As llama.cpp names it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type that most tensors get (`llama_ftype_get_default_type`).
            #[must_use]
            pub const fn base(self) -> BlockType {
                match self { $(Self::$variant => BlockType::$base,)* }
            }
        }
    };
}

file_types! {
    Native "NATIVE" Bf16 "What the converter writes from a checkpoint that is already quantized (V4).",
    F32 "F32" F32 "32-bit floats.",
    F16 "F16" F16 "16-bit floats.",
    Bf16 "BF16" Bf16 "16-bit brain floats.",
    Q8_0 "Q8_0" Q8_0 "8 bits.",
    Q6K "Q6_K" Q6K "6 bits.",
    Q5KM "Q5_K_M" Q5K "5 bits, 6 in half of the values and down projections.",
    Q5KS "Q5_K_S" Q5K "5 bits.",
    Q5_1 "Q5_1" Q5_1 "5 bits with minimums.",
    Q5_0 "Q5_0" Q5_0 "5 bits, no k-quants.",
    Q4KM "Q4_K_M" Q4K "4 bits, 6 in half of the values and down projections.",
    Q4KS "Q4_K_S" Q4K "4 bits, 5 in the first values and down projections.",
    Q4_1 "Q4_1" Q4_1 "4 bits with minimums.",
    Q4_0 "Q4_0" Q4_0 "4 bits, no k-quants.",
    Iq4Nl "IQ4_NL" Iq4Nl "4.5 bits by a non-linear table.",
    Iq4Xs "IQ4_XS" Iq4Xs "4.25 bits by a non-linear table.",
    Mxfp4Moe "MXFP4_MOE" Mxfp4 "Experts in MXFP4, the rest in `Q8_0`.",
    Q3KL "Q3_K_L" Q3K "3 bits, 5 in values, down and output projections.",
    Q3KM "Q3_K_M" Q3K "3 bits, 4 in values, down and output projections.",
    Q3KS "Q3_K_S" Q3K "3 bits.",
    Iq3M "IQ3_M" Iq3S "3.66 bits.",
    Iq3S "IQ3_S" Iq3S "3.44 bits.",
    Iq3Xs "IQ3_XS" Iq3S "3.3 bits.",
    Iq3Xxs "IQ3_XXS" Iq3Xxs "3.06 bits.",
    Q2K "Q2_K" Q2K "2 bits, 3 and 4 where it matters.",
    Q2KS "Q2_K_S" Q2K "2 bits, 4 in the first down projections.",
    Iq2M "IQ2_M" Iq2S "2.7 bits.",
    Iq2S "IQ2_S" Iq2Xs "2.5 bits.",
    Iq2Xs "IQ2_XS" Iq2Xs "2.31 bits.",
    Iq2Xxs "IQ2_XXS" Iq2Xxs "2.06 bits.",
    Q2_0 "Q2_0" Q2_0 "2.25 bits, no k-quants.",
    Tq2_0 "TQ2_0" Tq2_0 "Ternary, 2.06 bits.",
    Iq1M "IQ1_M" Iq1M "1.75 bits.",
    Tq1_0 "TQ1_0" Tq1_0 "Ternary, 1.69 bits.",
    Iq1S "IQ1_S" Iq1S "1.56 bits.",
    Q1_0 "Q1_0" Q1_0 "1.125 bits.",
}

impl FileType {
    /// The file type of that name, whatever its case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|file_type| file_type.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of 4096 in `Q4_K`: 4.5 bits each.
    #[test]
    fn a_row_is_whole_blocks() {
        assert_eq!(BlockType::Q4K.bytes(4096), Bytes(2304));
        assert_eq!(BlockType::Q8_0.bytes(33), Bytes(68));
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(FileType::from_name("q4_k_m"), Some(FileType::Q4KM));
        assert_eq!(FileType::from_name("q4"), None);
    }
}
