//! Which type a tensor is asked for, before rows that a block does not divide are seen to.
//!
//! Source: `llama_tensor_get_type_impl` in `src/llama-quant.cpp` of `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba).

use super::{BlockType, Category, FileType, GgufTensor, Mix, Traits};

/// Models of eight experts (Mixtral's kind) have rules of their own.
const EIGHT: u64 = 8;

/// Whether the type of tensors of that category depends on the layer.
pub(super) fn differs_by_layer(mix: Mix, category: Category) -> bool {
    use FileType::{Iq3M, Iq3Xs, Iq3Xxs, Iq4Nl, Iq4Xs, Q2KS, Q3KM, Q4_0, Q4KM, Q4KS, Q5_0, Q5KM};
    let file_type = mix.file_type;
    match category {
        Category::Value => matches!(file_type, Q3KM | Q4KM | Q5KM | Q4KS),
        Category::Down | Category::SharedDown => {
            is_two_bit(file_type)
                || matches!(
                    file_type,
                    Q2KS | Iq3Xxs | Q3KM | Iq3M | Q4KM | Q5KM | Q4KS | Iq4Nl | Iq4Xs
                )
                || mix.imatrix && matches!(file_type, Q4_0 | Q5_0)
        }
        Category::Gate | Category::Up => file_type == Iq3Xs,
        Category::Embedding
        | Category::Output
        | Category::Query
        | Category::Key
        | Category::AttentionOutput
        | Category::Other => false,
    }
}

/// The type that the rules want for `tensor` in `layer`.
pub(super) fn asked(mix: Mix, traits: Traits, tensor: &GgufTensor, layer: u32) -> BlockType {
    let file_type = mix.file_type;
    let base = file_type.base();
    let category = tensor.category;
    let is_output =
        category == Category::Output || (category == Category::Embedding && traits.tied);
    if is_output {
        return output(file_type, tensor.columns);
    }
    if file_type == FileType::Mxfp4Moe {
        return if tensor.matrices > 1 {
            BlockType::Mxfp4
        } else {
            BlockType::Q8_0
        };
    }
    if category == Category::Embedding {
        return embedding(file_type);
    }
    let layer = u64::from(layer);
    if is_two_bit(file_type) {
        return two_bit(file_type, traits, (category, layer));
    }
    match category {
        Category::Value => value(mix, traits, layer),
        Category::Query | Category::Key => query_key(file_type, traits, category),
        Category::Down | Category::SharedDown => down(mix, traits, layer),
        Category::AttentionOutput => attention_output(file_type, traits),
        Category::Gate | Category::Up
            if file_type == FileType::Iq3Xs && is_middle(traits.layers, layer) =>
        {
            BlockType::Iq3Xxs
        }
        Category::Gate
        | Category::Up
        | Category::Embedding
        | Category::Output
        | Category::Other => base,
    }
}

/// The head, or an embedding that is the head as well.
fn output(file_type: FileType, columns: u64) -> BlockType {
    let base = file_type.base();
    if file_type == FileType::Mxfp4Moe || !columns.is_multiple_of(base.elements()) {
        BlockType::Q8_0
    } else if is_two_bit(file_type) || file_type == FileType::Iq3Xxs {
        BlockType::Q5K
    } else if base == BlockType::Q8_0 {
        base
    } else {
        BlockType::Q6K
    }
}

fn embedding(file_type: FileType) -> BlockType {
    use FileType::{Iq1M, Iq1S, Iq2M, Iq2S, Iq2Xs, Iq2Xxs, Iq3Xxs, Q2_0, Tq1_0, Tq2_0};
    if matches!(file_type, Iq2Xxs | Iq2Xs | Iq1S | Iq1M) {
        BlockType::Q2K
    } else if matches!(file_type, Iq2S | Iq2M | Iq3Xxs) {
        BlockType::Iq3S
    } else if matches!(file_type, Tq1_0 | Tq2_0 | Q2_0) {
        BlockType::Q4K
    } else {
        file_type.base()
    }
}

/// The codebook types of one and two bits share their rules.
fn is_two_bit(file_type: FileType) -> bool {
    use FileType::{Iq1M, Iq1S, Iq2M, Iq2S, Iq2Xs, Iq2Xxs};
    matches!(file_type, Iq2Xxs | Iq2Xs | Iq1S | Iq2S | Iq2M | Iq1M)
}

fn two_bit(file_type: FileType, traits: Traits, (category, layer): (Category, u64)) -> BlockType {
    let base = file_type.base();
    let fuller = matches!(file_type, FileType::Iq2S | FileType::Iq2M);
    let raised = if fuller {
        BlockType::Iq3S
    } else {
        BlockType::Q2K
    };
    match category {
        Category::Value if traits.groups >= 4 || traits.experts >= 4 => BlockType::Q4K,
        Category::Value => raised,
        Category::Key if traits.experts == EIGHT => BlockType::Q4K,
        Category::Down | Category::SharedDown
            if downs_before(traits, category, layer) < traits.layers / 8 =>
        {
            raised
        }
        Category::AttentionOutput if traits.experts == EIGHT => BlockType::Q5K,
        Category::AttentionOutput if matches!(file_type, FileType::Iq1S | FileType::Iq1M) => {
            BlockType::Iq2Xxs
        }
        Category::AttentionOutput if fuller => BlockType::Iq3S,
        Category::Embedding
        | Category::Output
        | Category::Query
        | Category::Key
        | Category::AttentionOutput
        | Category::Gate
        | Category::Up
        | Category::Down
        | Category::SharedDown
        | Category::Other => base,
    }
}

/// Down projections that the quantizer meets before this one: two in every layer of experts.
fn downs_before(traits: Traits, category: Category, layer: u64) -> u64 {
    let routed = layer.saturating_sub(traits.dense_layers);
    layer + routed + u64::from(category == Category::SharedDown)
}

/// `use_more_bits`: the first and last eighth, and every third layer between.
fn more_bits(layer: u64, layers: u64) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// Neither in the first nor in the last eighth.
fn is_middle(layers: u64, layer: u64) -> bool {
    layer >= layers / 8 && layer < 7 * layers / 8
}

fn value(mix: Mix, traits: Traits, layer: u64) -> BlockType {
    if traits.experts == EIGHT {
        return BlockType::Q8_0;
    }
    let asked = value_by_type(mix, traits, layer);
    if traits.is_70b && matches!(asked, BlockType::Q3K | BlockType::Q4K) {
        return BlockType::Q5K;
    }
    asked
}

fn value_by_type(mix: Mix, traits: Traits, layer: u64) -> BlockType {
    use FileType::{
        Iq3M, Iq3S, Iq3Xs, Iq3Xxs, Iq4Nl, Iq4Xs, Q2K, Q2KS, Q3KL, Q3KM, Q4KM, Q4KS, Q5KM,
    };
    let file_type = mix.file_type;
    let grouped = traits.groups >= 4;
    if file_type == Q2K {
        return if grouped {
            BlockType::Q4K
        } else {
            BlockType::Q3K
        };
    }
    if file_type == Iq3Xxs && !grouped {
        return if mix.imatrix {
            BlockType::Iq3Xxs
        } else {
            BlockType::Iq3S
        };
    }
    if matches!(file_type, Q2KS | Iq3Xxs | Iq3Xs | Iq3S) && grouped || file_type == Iq3M {
        return BlockType::Q4K;
    }
    if file_type == Q3KM {
        return if layer < 2 {
            BlockType::Q5K
        } else {
            BlockType::Q4K
        };
    }
    if file_type == Q3KL
        || matches!(file_type, Iq4Nl | Iq4Xs) && grouped
        || file_type == Q4KS && layer < 4
    {
        return BlockType::Q5K;
    }
    if matches!(file_type, Q4KM | Q5KM) && more_bits(layer, traits.layers) {
        return BlockType::Q6K;
    }
    file_type.base()
}

fn query_key(file_type: FileType, traits: Traits, category: Category) -> BlockType {
    if category == Category::Key && traits.experts == EIGHT {
        BlockType::Q8_0
    } else if file_type == FileType::Iq3Xs {
        BlockType::Iq3Xxs
    } else if file_type == FileType::Iq3Xxs {
        BlockType::Iq2S
    } else {
        file_type.base()
    }
}

fn down(mix: Mix, traits: Traits, layer: u64) -> BlockType {
    use FileType::{
        Iq3M, Iq3Xxs, Iq4Nl, Iq4Xs, Q2K, Q2KS, Q3KL, Q3KM, Q4_0, Q4KM, Q4KS, Q5_0, Q5KM,
    };
    let file_type = mix.file_type;
    let first = layer < traits.layers / 8;
    let more = more_bits(layer, traits.layers);
    if file_type == Q2K || file_type == Iq3Xxs && !mix.imatrix && !first {
        return BlockType::Q3K;
    }
    if file_type == Q3KM {
        return if layer < traits.layers / 16 {
            BlockType::Q5K
        } else {
            BlockType::Q4K
        };
    }
    let raised = matches!(file_type, Q2KS | Iq3M) || file_type == Iq3Xxs && !mix.imatrix;
    if raised && first || file_type == Iq3M && traits.experts == EIGHT && more {
        return BlockType::Q4K;
    }
    if file_type == Q3KL
        || file_type == Q4KS && first
        || matches!(file_type, Iq4Nl | Iq4Xs) && !mix.imatrix && first
    {
        return BlockType::Q5K;
    }
    if matches!(file_type, Q4KM | Q5KM) && more {
        return BlockType::Q6K;
    }
    if mix.imatrix && first && file_type == Q4_0 {
        return BlockType::Q4_1;
    }
    if mix.imatrix && first && file_type == Q5_0 {
        return BlockType::Q5_1;
    }
    file_type.base()
}

fn attention_output(file_type: FileType, traits: Traits) -> BlockType {
    use FileType::{Iq3M, Iq3S, Iq3Xs, Iq3Xxs, Iq4Nl, Iq4Xs, Q2K, Q3KL, Q3KM, Q3KS, Q4KM, Q4KS};
    if traits.experts == EIGHT {
        let raised = matches!(
            file_type,
            Q2K | Iq3Xs | Iq3Xxs | Q3KS | Q3KM | Iq4Nl | Q4KS | Q4KM | Iq3S | Iq3M | Iq4Xs
        );
        return if raised {
            BlockType::Q5K
        } else {
            file_type.base()
        };
    }
    if file_type == Q2K {
        BlockType::Q3K
    } else if file_type == Iq3Xxs {
        BlockType::Iq3S
    } else if matches!(file_type, Q3KM | Iq3M) {
        BlockType::Q4K
    } else if file_type == Q3KL {
        BlockType::Q5K
    } else {
        file_type.base()
    }
}
