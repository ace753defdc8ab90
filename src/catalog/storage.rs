//! How an official checkpoint stores its tensors.

use serde::Deserialize;

/// The element types of a checkpoint, tensor by tensor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NativeStorage {
    /// Whatever is neither quantized nor always of one type.
    pub element: Element,
    /// Norms, where they differ from `element`.
    #[serde(default)]
    pub norms: Option<Element>,
    /// Linear layers outside the routed experts.
    #[serde(default)]
    pub linears: Option<Quantized>,
    /// Routed experts, where they differ from `linears`.
    #[serde(default)]
    pub experts: Option<Quantized>,
    /// Tables of n-grams.
    #[serde(default)]
    pub tables: Option<Quantized>,
}

/// A quantized matrix: small elements and one scale for every block of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantized {
    /// The elements as the file holds them; `i8` stands for two 4-bit floats.
    pub element: Element,
    /// Rows and columns of weights under one scale.
    pub block: [u64; 2],
    /// The scales.
    pub scale: Element,
}

/// An element type, as safetensors names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Element {
    /// 16-bit brain float.
    Bf16,
    /// 16-bit float.
    F16,
    /// 32-bit float.
    F32,
    /// 64-bit integer.
    I64,
    /// A byte that holds two 4-bit floats (E2M1).
    I8,
    /// 8-bit float with 3 bits of mantissa.
    #[serde(rename = "F8_E4M3")]
    F8E4m3,
    /// 8-bit power of two: the scale of the MX formats.
    #[serde(rename = "F8_E8M0")]
    F8E8m0,
}

impl Element {
    /// Bits of one element in the file.
    #[must_use]
    pub fn bits(self) -> u64 {
        match self {
            Self::Bf16 | Self::F16 => 16,
            Self::F32 => 32,
            Self::I64 => 64,
            Self::I8 | Self::F8E4m3 | Self::F8E8m0 => 8,
        }
    }

    /// Weights in one element of a quantized matrix.
    #[must_use]
    pub fn weights(self) -> u64 {
        match self {
            Self::I8 => 2,
            Self::Bf16 | Self::F16 | Self::F32 | Self::I64 | Self::F8E4m3 | Self::F8E8m0 => 1,
        }
    }

    /// The name that safetensors uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::F16 => "F16",
            Self::F32 => "F32",
            Self::I64 => "I64",
            Self::I8 => "I8",
            Self::F8E4m3 => "F8_E4M3",
            Self::F8E8m0 => "F8_E8M0",
        }
    }
}
