//! Builds small GGUF and safetensors files.

/// A GGUF file in the making.
#[derive(Clone, Default)]
pub(crate) struct Gguf {
    keys: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: u64,
}

fn text(value: &str) -> Vec<u8> {
    let length = u64::try_from(value.len()).expect("short");
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(value.as_bytes());
    bytes
}

impl Gguf {
    /// A key with a 32-bit number.
    pub(crate) fn number(mut self, key: &str, value: u32) -> Self {
        let mut bytes = text(key);
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
        self.keys.push(bytes);
        self
    }

    /// A key with a text.
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        let mut bytes = text(key);
        bytes.extend(8_u32.to_le_bytes());
        bytes.extend(text(value));
        self.keys.push(bytes);
        self
    }

    /// A key with a list of 32-bit numbers.
    pub(crate) fn numbers(mut self, key: &str, values: &[u32]) -> Self {
        let mut bytes = text(key);
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(u64::try_from(values.len()).expect("short").to_le_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.keys.push(bytes);
        self
    }

    /// A key with bytes as they are: type and value.
    pub(crate) fn raw(mut self, key: &str, value: &[u8]) -> Self {
        let mut bytes = text(key);
        bytes.extend(value);
        self.keys.push(bytes);
        self
    }

    /// A tensor of 32-bit floats after those so far.
    pub(crate) fn tensor(self, name: &str, lengths: &[u64]) -> Self {
        let offset = self.data;
        let elements: u64 = lengths.iter().product();
        let mut next = self.raw_tensor(name, lengths, (0, offset));
        next.data = offset + (elements * 4).next_multiple_of(32);
        next
    }

    /// A tensor with any type and offset.
    pub(crate) fn raw_tensor(
        mut self,
        name: &str,
        lengths: &[u64],
        (kind, offset): (u32, u64),
    ) -> Self {
        let mut bytes = text(name);
        bytes.extend(u32::try_from(lengths.len()).expect("short").to_le_bytes());
        bytes.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        self.tensors.push(bytes);
        self
    }

    /// The header with these counts of tensors and keys.
    pub(crate) fn with_counts(&self, tensors: u64, keys: u64) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(keys.to_le_bytes());
        bytes.extend(self.keys.iter().flatten());
        bytes.extend(self.tensors.iter().flatten());
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let tensors = u64::try_from(self.tensors.len()).expect("few");
        let keys = u64::try_from(self.keys.len()).expect("few");
        let mut bytes = self.with_counts(tensors, keys);
        let data = usize::try_from(self.data).expect("small");
        bytes.resize(bytes.len() + data, 0);
        bytes
    }
}

/// The metadata of a tiny LLaMA of two layers.
pub(crate) fn llama_keys() -> Gguf {
    Gguf::default()
        .text("general.architecture", "llama")
        .number("general.file_type", 0)
        .number("llama.block_count", 2)
        .number("llama.context_length", 128)
        .number("llama.embedding_length", 8)
        .number("llama.feed_forward_length", 16)
        .number("llama.attention.head_count", 2)
        .numbers("llama.attention.head_count_kv", &[1, 1])
}

/// The tensors of its layers `layers`.
pub(crate) fn llama_layers(mut file: Gguf, layers: std::ops::Range<u32>) -> Gguf {
    for layer in layers {
        for (name, lengths) in [
            ("attn_norm", &[8][..]),
            ("attn_q", &[8, 8]),
            ("attn_k", &[8, 4]),
            ("attn_v", &[8, 4]),
            ("attn_output", &[8, 8]),
            ("ffn_norm", &[8]),
            ("ffn_gate", &[8, 16]),
            ("ffn_up", &[8, 16]),
            ("ffn_down", &[16, 8]),
        ] {
            file = file.tensor(&format!("blk.{layer}.{name}.weight"), lengths);
        }
    }
    file
}

/// A tiny LLaMA.
pub(crate) fn llama() -> Gguf {
    let ends = llama_keys()
        .tensor("token_embd.weight", &[8, 32])
        .tensor("output_norm.weight", &[8])
        .tensor("output.weight", &[8, 32]);
    llama_layers(ends, 0..2)
}

/// A safetensors file with these tensors of BF16, in order.
pub(crate) fn safetensors(tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let mut offset = 0;
    let entries: Vec<String> = tensors
        .iter()
        .map(|(name, lengths)| {
            let start = offset;
            offset += lengths.iter().product::<u64>() * 2;
            format!(
                "\"{name}\":{{\"dtype\":\"BF16\",\"shape\":{lengths:?},\"data_offsets\":[{start},{offset}]}}"
            )
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = text(&header);
    let data = usize::try_from(offset).expect("small");
    bytes.resize(bytes.len() + data, 0);
    bytes
}
