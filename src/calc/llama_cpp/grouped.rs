//! Multi-head and grouped-query attention in llama.cpp's graph.

use super::graph::Id;
use super::network::{Inputs, Pass};
use super::settings::Settings;
use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::KvFormat;
use crate::catalog::shape::{Attention, Shape};
use crate::units::Parameters;

/// The smallest rotation, and what a head's width must be a multiple of to be rotated.
const ROTATION: u64 = 64;

/// Query, key and value ready to be cached and multiplied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) query: Id,
    pub(super) key: Id,
    pub(super) value: Id,
}

/// Widths of all heads together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    pub(super) heads: u64,
    pub(super) queries: u64,
    pub(super) keys: u64,
    pub(super) values: u64,
    pub(super) result: u64,
}

/// Whether blocks with scales hold the cache.
pub(super) fn is_quantized(format: KvFormat) -> bool {
    format.block().0 > 1
}

/// Widths of the rotations that even out a quantized cache: of keys, of values.
///
/// Source: `attn_rot_k`, `build_input_k_rot` and `build_input_v_rot` in `src/llama-kv-cache.cpp`.
pub(super) fn rotations(shape: &Shape, settings: &Settings) -> (Option<u64>, Option<u64>) {
    let (key, value) = match &shape.attention {
        Attention::Grouped { head_size, .. } => (*head_size, *head_size),
        Attention::Latent {
            nope_size,
            rope_size,
            value_size,
            ..
        } if settings.layout == LatentLayout::MultiHead => (nope_size + rope_size, *value_size),
        Attention::Latent { .. } | Attention::Compressed(_) => return (None, None),
    };
    let rotated = |width: u64, format| is_quantized(format) && width.is_multiple_of(ROTATION);
    (
        rotated(key, settings.keys).then(|| rotation_width(key)),
        rotated(value, settings.values).then_some(ROTATION),
    )
}

/// The largest power of two that divides `width`, 64 at least.
pub(super) fn rotation_width(width: u64) -> u64 {
    let mut rotation = ROTATION;
    while width > 0 && width.is_multiple_of(2 * rotation) {
        rotation *= 2;
    }
    rotation
}

/// Width of all cached values of a position.
pub(super) fn value_width(shape: &Shape) -> u64 {
    match &shape.attention {
        Attention::Grouped {
            kv_heads,
            head_size,
            ..
        } => kv_heads * head_size,
        Attention::Latent {
            heads, value_size, ..
        } => heads * value_size,
        Attention::Compressed(_) => 0,
    }
}

/// Attention over `normed`, its output projection included.
pub(super) fn attention(pass: &mut Pass, normed: Id, inputs: &Inputs) -> Id {
    let Attention::Grouped {
        heads,
        kv_heads,
        head_size,
        ..
    } = &pass.shape.attention
    else {
        return normed;
    };
    let (queries, keys) = (heads * head_size, kv_heads * head_size);
    let widths = Widths {
        heads: *heads,
        queries,
        keys,
        values: keys,
        result: queries,
    };
    let query = projected(pass, normed, queries);
    let query = positioned(pass, query, inputs);
    let query = rotated(pass, query, inputs.key_rotation);
    let value = projected(pass, normed, keys);
    let value = rotated(pass, value, inputs.value_rotation);
    let key = projected(pass, normed, keys);
    let key = positioned(pass, key, inputs);
    let key = rotated(pass, key, inputs.key_rotation);
    attend(pass, Heads { query, key, value }, (inputs, widths))
}

/// A projection of `normed` to heads.
fn projected(pass: &mut Pass, normed: Id, width: u64) -> Id {
    let size = pass.wide(width);
    let mut heads = pass.graph.operation(size, &[normed]);
    if let Attention::Grouped { qkv_bias: true, .. } = pass.shape.attention {
        heads = pass.graph.onto(heads);
    }
    pass.graph.view(heads)
}

/// Heads with their norm, where the model has one, and rotary position.
fn positioned(pass: &mut Pass, heads: Id, inputs: &Inputs) -> Id {
    let mut heads = heads;
    if let Attention::Grouped { qk_norm: true, .. } = pass.shape.attention {
        heads = pass.graph.onto(heads);
        heads = pass.graph.onto(heads);
    }
    rope(pass, heads, inputs)
}

/// Rotary position over heads that lie side by side.
pub(super) fn rope(pass: &mut Pass, heads: Id, inputs: &Inputs) -> Id {
    let size = pass.graph.size(heads);
    pass.graph.over(size, &[heads, inputs.positions], &[heads])
}

/// Heads multiplied by a rotation, where the cache is quantized.
pub(super) fn rotated(pass: &mut Pass, heads: Id, rotation: Option<Id>) -> Id {
    let Some(rotation) = rotation else {
        return heads;
    };
    let flat = pass.graph.view(heads);
    let size = pass.graph.size(heads);
    let turned = pass.graph.operation(size, &[rotation, flat]);
    pass.graph.view(turned)
}

/// Caches key and value, attends and projects the result.
pub(super) fn attend(pass: &mut Pass, heads: Heads, (inputs, widths): (&Inputs, Widths)) -> Id {
    let key = pass.graph.view(heads.key);
    pass.graph.store(&[key, inputs.key_cells]);
    let mut value = pass.graph.view(heads.value);
    if !pass.settings.flash_attention {
        value = pass.graph.view(value);
    }
    let cells = inputs.value_cells.unwrap_or(inputs.key_cells);
    pass.graph.store(&[value, cells]);
    let query = pass.graph.view(heads.query);
    let query = pass.graph.view(query);
    let result = pass.wide(widths.result);
    let attended = if pass.settings.flash_attention {
        let cached = [
            (widths.keys, pass.settings.keys),
            (widths.values, pass.settings.values),
        ];
        let halved = halved(pass, &cached);
        let size = pass.flash_bytes(result, &cached);
        let mut sources = vec![query];
        sources.extend(halved);
        sources.push(inputs.mask);
        let attended = pass.graph.operation(size, &sources);
        let attended = pass.graph.view(attended);
        turned_back(pass, attended, (inputs, result))
    } else {
        let scores = pass.scores_bytes(widths.heads);
        let products = pass.graph.operation(scores, &[query]);
        let weights = pass
            .graph
            .over(scores, &[products, inputs.mask], &[products]);
        let weighted = pass.graph.operation(result, &[weights]);
        let weighted = pass.graph.view(weighted);
        pass.graph.operation(result, &[weighted])
    };
    let size = pass.wide(pass.shape.hidden);
    pass.graph.operation(size, &[attended])
}

/// 16-bit copies of what is cached in 32 bits: flash attention reads no more.
///
/// Source: `build_attn_mha` in `src/llama-graph.cpp`.
pub(super) fn halved(pass: &mut Pass, rows: &[(u64, KvFormat)]) -> Vec<Id> {
    let cells = pass.batch.cells.saturating_mul(pass.batch.streams);
    rows.iter()
        .filter(|(_, format)| *format == KvFormat::F32)
        .map(|(width, _)| {
            let size = KvFormat::F16.bytes(Parameters(width.saturating_mul(cells)));
            pass.graph.operation(size.0, &[])
        })
        .collect()
}

/// Undoes the rotation of cached values.
fn turned_back(pass: &mut Pass, attended: Id, (inputs, size): (&Inputs, u64)) -> Id {
    let Some(rotation) = inputs.value_rotation else {
        return attended;
    };
    let flat = pass.graph.view(attended);
    let turned = pass.graph.operation(size, &[rotation, flat]);
    pass.graph.view(turned)
}
