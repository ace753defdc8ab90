//! Where tensors lie, and what each kind of memory rounds them to.

use crate::units::Bytes;

/// The kind of memory that holds a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The processor's.
    Cpu,
    /// An NVIDIA GPU's.
    Cuda,
}

/// Rows of quantized tensors are read in steps of so many numbers (`MATRIX_ROW_PADDING` in `ggml-cuda/common.cuh`).
const ROW_STEP: u64 = 512;

impl Backend {
    /// Bytes that every tensor is rounded up to.
    ///
    /// Source: `TENSOR_ALIGNMENT` in `ggml/src/ggml-backend.cpp`; `get_alignment` in `ggml-cuda.cu`.
    #[must_use]
    pub const fn alignment(self) -> u64 {
        match self {
            Self::Cpu => 32,
            Self::Cuda => 128,
        }
    }

    /// Bytes that a tensor of `data` with rows of `columns` in blocks of (elements, bytes) takes.
    ///
    /// Source: `ggml_backend_cuda_buffer_type_get_alloc_size`: the last row may be read to the next multiple of 512.
    #[must_use]
    pub fn tensor_bytes(self, data: Bytes, columns: u64, (elements, bytes): (u64, u64)) -> Bytes {
        let beyond = columns % ROW_STEP;
        let tail = match self {
            Self::Cuda if elements > 1 && beyond > 0 => {
                Bytes((ROW_STEP - beyond).div_ceil(elements)) * bytes
            }
            Self::Cuda | Self::Cpu => Bytes::ZERO,
        };
        (data + tail).round_up(self.alignment())
    }
}
