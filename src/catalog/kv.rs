//! Formats of the key-value cache.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::units::{Bytes, Parameters};

/// How an engine stores one cached number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum KvFormat {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point, FP16 or BF16.
    F16,
    /// 8-bit floating point without scales in the cache.
    Fp8,
    /// 8-bit floating point, with the keys of a sparse indexer in FP4.
    Fp8IndexFp4,
    /// vLLM's FP8 layout for sparse latent attention: 656 bytes per token and layer.
    Fp8DsMla,
    /// vLLM's NVFP4 layout for latent attention: 352 bytes per token and layer.
    Nvfp4DsMla,
    /// llama.cpp's 8-bit blocks.
    Q8_0,
    /// llama.cpp's 5-bit blocks with a minimum.
    Q5_1,
    /// llama.cpp's 5-bit blocks.
    Q5_0,
    /// llama.cpp's 4-bit blocks with a minimum.
    Q4_1,
    /// llama.cpp's 4-bit blocks.
    Q4_0,
    /// llama.cpp's non-linear 4-bit blocks.
    Iq4Nl,
}

impl KvFormat {
    /// Whether a cached number takes fewer than 16 bits.
    #[must_use]
    pub fn is_narrow(self) -> bool {
        match self {
            Self::F32 | Self::F16 => false,
            Self::Fp8
            | Self::Fp8IndexFp4
            | Self::Fp8DsMla
            | Self::Nvfp4DsMla
            | Self::Q8_0
            | Self::Q5_1
            | Self::Q5_0
            | Self::Q4_1
            | Self::Q4_0
            | Self::Iq4Nl => true,
        }
    }
}

/// Every format with the names that mean it, the first one printed.
const NAMES: [(KvFormat, &[&str]); 12] = [
    (KvFormat::F32, &["f32", "fp32", "float32"]),
    (
        KvFormat::F16,
        &["f16", "fp16", "bf16", "16", "auto", "float16", "bfloat16"],
    ),
    (KvFormat::Fp8, &["fp8", "fp8_e4m3", "fp8_e5m2"]),
    (KvFormat::Fp8IndexFp4, &["fp8_index_fp4"]),
    (KvFormat::Fp8DsMla, &["fp8_ds_mla"]),
    (KvFormat::Nvfp4DsMla, &["nvfp4_ds_mla"]),
    (KvFormat::Q8_0, &["q8_0", "q8"]),
    (KvFormat::Q5_1, &["q5_1"]),
    (KvFormat::Q5_0, &["q5_0"]),
    (KvFormat::Q4_1, &["q4_1"]),
    (KvFormat::Q4_0, &["q4_0", "q4"]),
    (KvFormat::Iq4Nl, &["iq4_nl"]),
];

impl TryFrom<String> for KvFormat {
    type Error = String;

    fn try_from(name: String) -> std::result::Result<Self, String> {
        Self::parse(&name).map_err(|error| error.to_string())
    }
}

impl KvFormat {
    /// The format that `name` means, in any case.
    ///
    /// # Errors
    /// The names that exist, when it means none.
    pub fn parse(name: &str) -> Result<Self> {
        let wanted = name.to_lowercase().replace('-', "_");
        NAMES
            .iter()
            .find(|(_, names)| names.contains(&wanted.as_str()))
            .map(|(format, _)| *format)
            .ok_or_else(|| Error::Unknown {
                kind: "cache format",
                name: name.to_owned(),
                nearest: NAMES
                    .iter()
                    .map(|(format, _)| format.name().to_owned())
                    .collect(),
            })
    }

    /// The name that is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(format, _)| *format == self)
            .and_then(|(_, names)| names.first())
            .copied()
            .unwrap_or_default()
    }

    /// Numbers in a block, and the bytes of that block.
    #[must_use]
    pub fn block(self) -> (u64, u64) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 => (1, 2),
            Self::Fp8 | Self::Fp8IndexFp4 => (1, 1),
            Self::Fp8DsMla => (576, 656),
            Self::Nvfp4DsMla => (576, 352),
            Self::Q8_0 => (32, 34),
            Self::Q5_1 => (32, 24),
            Self::Q5_0 => (32, 22),
            Self::Q4_1 => (32, 20),
            Self::Q4_0 | Self::Iq4Nl => (32, 18),
        }
    }

    /// Bits of one number in the key of a sparse indexer, which engines store apart: FP8 unless FP4 is asked for.
    #[must_use]
    pub fn index_bits(self) -> u64 {
        if self == Self::Fp8IndexFp4 { 4 } else { 8 }
    }

    /// The bytes that `values` numbers take.
    #[must_use]
    pub fn bytes(self, values: Parameters) -> Bytes {
        let (block, bytes) = self.block();
        Bytes(values.0.div_ceil(block)) * bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printed_name_parses_back() {
        for (format, _) in NAMES {
            assert_eq!(KvFormat::parse(format.name()).ok(), Some(format));
        }
    }

    /// llama.cpp prints 4,563,402,752 bytes for deepseek-coder-6.7b at 16,384 tokens in `q8_0`.
    #[test]
    fn q8_0_takes_34_bytes_for_32_numbers() {
        let values = Parameters(2 * 32 * 32 * 128) * 16_384;
        assert_eq!(KvFormat::Q8_0.bytes(values), Bytes(4_563_402_752));
    }
}
