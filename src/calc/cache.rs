//! The key-value cache of vLLM, SGLang and Transformers: bytes per token, per block, per sequence.
//!
//! llama.cpp lays its cache out by itself; see its own module.

use std::ops::Range;

use super::load::Split;
use crate::catalog::KvFormat;
use crate::catalog::shape::{Attention, Indexer, OVERLAPPED_RATIO, Shape};
use crate::units::{Bytes, Parameters, Tokens};

/// Bytes of the scale beside an FP8 index key.
///
/// Source: `DeepseekV32IndexerCache` in vLLM 0.24 `models/deepseek_v2.py`: the key and 4 bytes.
const INDEX_SCALE: u64 = 4;

/// What decides the layout beside shape and format.
#[derive(Debug, Clone, Copy)]
pub struct CacheRequest<'a> {
    /// The model.
    pub shape: &'a Shape,
    /// How a cached number is stored.
    pub kv: KvFormat,
    /// How the model is spread.
    pub split: Split,
    /// Draft layers that are loaded and keep a cache of their own.
    pub draft_layers: u32,
}

/// Bytes that one token takes in one decoder layer on one device, keys and values as attention reads them.
///
/// Latent attention keeps one vector for all heads, so tensor parallelism replicates it.
/// Source: `MLAAttentionSpec`, `FullAttentionSpec` in vLLM 0.24 `v1/kv_cache_interface.py`;
/// `MLATokenToKVPool`, `MHATokenToKVPool` in SGLang 0.5.23 `mem_cache/memory_pool.py`.
#[must_use]
pub fn layer_token_bytes(shape: &Shape, kv: KvFormat, split: &Split) -> Bytes {
    match &shape.attention {
        Attention::Grouped {
            kv_heads,
            head_size,
            ..
        } => kv.bytes(Parameters(2 * split.key_heads(*kv_heads)) * *head_size),
        Attention::Latent {
            kv_rank,
            rope_size,
            indexer,
            ..
        } => kv.bytes(Parameters(kv_rank + rope_size)) + index_bytes(*indexer, kv),
        Attention::Compressed(attention) => kv.bytes(Parameters(attention.head_size)),
    }
}

/// Bytes of one token's index key with its scale: FP8, or FP4 where that is asked for.
pub(super) fn index_bytes(indexer: Option<Indexer>, kv: KvFormat) -> Bytes {
    indexer.map_or(Bytes::ZERO, |indexer| {
        Parameters(indexer.head_size).bytes_at(kv.index_bits()) + Bytes(INDEX_SCALE)
    })
}

/// Bytes that one token takes in the layers of a device's stage, drafts included on the last one.
#[must_use]
pub fn stage_token_bytes(request: &CacheRequest, layers: &Range<u32>) -> Bytes {
    let last = layers.end == request.shape.layers;
    let drafts = if last { request.draft_layers } else { 0 };
    let held = u64::from(layers.end.saturating_sub(layers.start)) + u64::from(drafts);
    layer_token_bytes(request.shape, request.kv, &request.split) * held
}

/// Bytes that a sequence of `context` takes on a device that holds `layers`, as SGLang keeps them.
///
/// V4 keeps a window of every layer and, in layers of its own, one entry for so many tokens.
#[must_use]
pub fn sequence_bytes(request: &CacheRequest, layers: &Range<u32>, context: Tokens) -> Bytes {
    let Attention::Compressed(attention) = &request.shape.attention else {
        return stage_token_bytes(request, layers) * context.0;
    };
    let entry = entry_bytes(attention.head_size, request.kv);
    let index = index_bytes(Some(attention.indexer), request.kv);
    let compressed: Bytes = layers
        .clone()
        .filter(|layer| attention.owns_entries(*layer))
        .map(|layer| {
            let entries = context.0.div_ceil(u64::from(attention.ratio(layer)).max(1));
            let keys = if attention.owns_indexer(layer) {
                index
            } else {
                Bytes::ZERO
            };
            (entry + keys) * entries
        })
        .sum();
    let windows = crate::units::count(layers.len()) * attention.window_tokens.min(context.0);
    compressed + entry * windows
}

/// Bytes of one entry of compressed attention, as SGLang keeps it.
pub(super) fn entry_bytes(head_size: u64, kv: KvFormat) -> Bytes {
    match kv {
        KvFormat::Fp8 | KvFormat::Fp8IndexFp4 | KvFormat::Fp8DsMla => Bytes(hybrid::ENTRY),
        KvFormat::F32
        | KvFormat::F16
        | KvFormat::Nvfp4DsMla
        | KvFormat::Q8_0
        | KvFormat::Q5_1
        | KvFormat::Q5_0
        | KvFormat::Q4_1
        | KvFormat::Q4_0
        | KvFormat::Iq4Nl => kv.bytes(Parameters(head_size)),
    }
}

/// Bytes that a sequence takes with keys and values written out for every head, as Transformers keeps them.
///
/// Source: `DeepseekV3Attention.forward` in Transformers 5 `modeling_deepseek_v3.py`, which expands
/// the latent before it updates the cache.
#[must_use]
pub fn expanded_sequence_bytes(shape: &Shape, kv: KvFormat, context: Tokens) -> Bytes {
    if let Attention::Latent {
        heads,
        nope_size,
        rope_size,
        value_size,
        ..
    } = &shape.attention
    {
        let width = nope_size + rope_size + value_size;
        let token = kv.bytes(Parameters(*heads) * width) * u64::from(shape.layers);
        return token * context.0;
    }
    let request = CacheRequest {
        shape,
        kv,
        split: Split::SINGLE,
        draft_layers: 0,
    };
    sequence_bytes(&request, &(0..shape.layers), context)
}

/// How vLLM cuts a device's cache into blocks that sequences take one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// Tokens in a block.
    pub tokens: Tokens,
    /// Bytes of a block in all layers of the device.
    pub bytes: Bytes,
    /// Sliding windows and running states that take blocks of their own.
    windows: Vec<Window>,
}

/// A group of layers that keeps only recent tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    /// Tokens that a sequence must keep.
    tokens: u64,
    /// Tokens in one of its pages.
    page_tokens: u64,
    /// Bytes of one page in all layers of the group.
    page_bytes: Bytes,
    /// Bytes of a full page in the layers that keep everything.
    full_page_bytes: Bytes,
}

impl Blocks {
    /// Whole blocks that fit.
    #[must_use]
    pub fn fitting(&self, available: Bytes) -> u64 {
        available.0 / self.bytes.0.max(1)
    }

    /// Blocks that one sequence of `tokens` needs while `batched` tokens at most are added in a step.
    ///
    /// Source: `get_max_concurrency_for_kv_cache_config` and `max_admission_blocks_per_request`
    /// in vLLM 0.24 `v1/core/kv_cache_utils.py`, `v1/kv_cache_interface.py`.
    #[must_use]
    pub fn needed(&self, tokens: Tokens, batched: Tokens) -> u64 {
        let full = tokens.0.div_ceil(self.tokens.0.max(1));
        if self.windows.is_empty() {
            return full;
        }
        // A stage whose layers all read entries of other stages keeps windows alone, a block of them at a time.
        let whole = self
            .windows
            .first()
            .map_or(Bytes::ZERO, |window| window.full_page_bytes);
        let page = if whole == Bytes::ZERO {
            self.bytes.0.max(1)
        } else {
            whole.0
        };
        let windows: Bytes = self
            .windows
            .iter()
            .map(|window| {
                let kept = (window.tokens - 1).saturating_add(batched.0).min(tokens.0);
                window.page_bytes * (kept.div_ceil(window.page_tokens) + 1)
            })
            .sum();
        (whole * full + windows).0.div_ceil(page)
    }

    /// Tokens that vLLM reports for so many blocks.
    ///
    /// With windows it is the number of full-length sequences times their length, not a capacity.
    #[must_use]
    pub fn reported_tokens(&self, blocks: u64, longest: Tokens, batched: Tokens) -> Tokens {
        if self.windows.is_empty() {
            return self.tokens * blocks;
        }
        let needed = u128::from(self.needed(longest, batched).max(1));
        let tokens = u128::from(blocks) * u128::from(longest.0) / needed;
        Tokens(u64::try_from(tokens).unwrap_or(u64::MAX))
    }
}

/// The blocks of the layers of one stage.
#[must_use]
pub fn blocks(request: &CacheRequest, layers: &Range<u32>, block_tokens: Tokens) -> Blocks {
    match &request.shape.attention {
        Attention::Grouped { .. } | Attention::Latent { .. } => Blocks {
            tokens: block_tokens,
            bytes: stage_token_bytes(request, layers) * block_tokens.0,
            windows: Vec::new(),
        },
        Attention::Compressed(attention) => {
            let owners = |ratio_is: &dyn Fn(u32) -> bool| {
                let held = layers.clone().filter(|layer| {
                    attention.owns_entries(*layer) && ratio_is(attention.ratio(*layer))
                });
                crate::units::count(held.count())
            };
            let last = layers.end == request.shape.layers;
            let drafts = if last { request.draft_layers } else { 0 };
            hybrid::blocks(&hybrid::Layers {
                fine: owners(&|ratio| ratio <= OVERLAPPED_RATIO),
                coarse: owners(&|ratio| ratio > OVERLAPPED_RATIO),
                windowed: crate::units::count(layers.len()) + u64::from(drafts),
                window_tokens: attention.window_tokens,
                head_size: attention.head_size,
                index_size: index_bytes(Some(attention.indexer), request.kv).0,
            })
        }
    }
}

mod hybrid {
    //! V4 in vLLM: compressed entries, windows and compressor states share one pool of blocks.
    //!
    //! Source: vLLM 0.24 `models/deepseek_v4/attention.py`, `compressor.py`,
    //! `v1/core/kv_cache_utils.py` (`_get_kv_cache_groups_uniform_groups`, `_get_kv_cache_config_packed`).

    use super::{Blocks, Bytes, Tokens, Window};

    /// Tokens in a block of the layers that keep everything.
    const BLOCK: u64 = 256;
    /// Tokens in a page of a sliding window.
    const WINDOW_PAGE: u64 = 64;
    /// Bytes of one entry: 448 without position, 128 with, 8 of scales.
    pub(super) const ENTRY: u64 = 584;
    /// Pages are padded to a multiple of it, in bytes.
    const ALIGNMENT: u64 = 576;
    /// Tokens that a fine and a coarse entry stand for.
    const RATIOS: (u64, u64) = (4, 128);
    /// Tokens in a page of a fine and of a coarse compressor's states.
    const STATE_PAGES: (u64, u64) = (4, 8);

    /// The layers of a stage, by what they keep.
    pub(super) struct Layers {
        /// Layers with an entry for 4 tokens and an index key beside it.
        pub(super) fine: u64,
        /// Layers with an entry for 128 tokens.
        pub(super) coarse: u64,
        /// Layers with a sliding window: all of them.
        pub(super) windowed: u64,
        /// Tokens of the sliding window.
        pub(super) window_tokens: u64,
        /// Width of a key.
        pub(super) head_size: u64,
        /// Bytes of an index key with its scale.
        pub(super) index_size: u64,
    }

    fn page(entries: u64, bytes: u64) -> Bytes {
        Bytes(entries * bytes).round_up(ALIGNMENT)
    }

    pub(super) fn blocks(layers: &Layers) -> Blocks {
        let fine = page(BLOCK / RATIOS.0, ENTRY);
        let coarse = page(BLOCK / RATIOS.1, ENTRY);
        let index = page(BLOCK / RATIOS.0, layers.index_size);
        let window_layers = window_groups(layers);
        let widest = window_layers.iter().copied().max().unwrap_or(0);
        let slots = layers.fine.max(layers.coarse).max(widest);
        let full_page_bytes = (fine + index) * layers.fine + coarse * layers.coarse;
        let mut windows: Vec<Window> = window_layers
            .iter()
            .map(|held| Window {
                tokens: layers.window_tokens,
                page_tokens: WINDOW_PAGE,
                page_bytes: fine * *held,
                full_page_bytes,
            })
            .collect();
        windows.push(Window {
            tokens: 2 * RATIOS.0,
            page_tokens: STATE_PAGES.0,
            page_bytes: (fine + index) * layers.fine,
            full_page_bytes,
        });
        windows.push(Window {
            tokens: RATIOS.1,
            page_tokens: STATE_PAGES.1,
            page_bytes: fine * layers.coarse,
            full_page_bytes,
        });
        debug_assert!(layers.head_size > 0);
        Blocks {
            tokens: Tokens(BLOCK),
            bytes: fine * slots + index * layers.fine + coarse * layers.coarse,
            windows,
        }
    }

    /// Layers in each of the groups that the sliding windows are cut into.
    ///
    /// The group size is the one that wastes the fewest slots, the larger of equals.
    fn window_groups(layers: &Layers) -> Vec<u64> {
        let sizes = [layers.fine, layers.windowed, layers.fine, layers.coarse];
        let least = layers.fine.max(1);
        let most = sizes.into_iter().max().unwrap_or(1).max(least);
        let waste = |size: u64| -> u64 {
            sizes
                .into_iter()
                .map(|held| held.next_multiple_of(size) - held)
                .sum()
        };
        let size = (least..=most)
            .rev()
            .min_by_key(|size| waste(*size))
            .unwrap_or(least);
        let groups = layers.windowed.div_ceil(size);
        (0..groups)
            .map(|group| (layers.windowed - group).div_ceil(groups))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    fn request(shape: &Shape, kv: KvFormat) -> CacheRequest<'_> {
        CacheRequest {
            shape,
            kv,
            split: Split::SINGLE,
            draft_layers: 0,
        }
    }

    fn shape(name: &str) -> Shape {
        let catalog = Catalog::load(&[]).expect("catalog");
        catalog.model(name).expect("model").shape
    }

    /// vllm-project/vllm#20665: 807,792 tokens took 12.13 GiB in the 14 layers of a stage.
    #[test]
    fn latent_attention_takes_576_numbers_a_token() {
        let shape = shape("deepseek-v2-lite");
        let each = stage_token_bytes(&request(&shape, KvFormat::F16), &(0..14));
        assert!(((each * 807_792).gib() - 12.13).abs() < 0.005, "{each}");
        let written_out = expanded_sequence_bytes(&shape, KvFormat::F16, Tokens(1));
        assert_eq!(written_out, Bytes(276_480));
    }

    /// 61 layers of 656 bytes and an index key of 132 (vLLM's `fp8_ds_mla` with the indexer's cache).
    #[test]
    fn sparse_latent_attention_adds_the_index_key() {
        let shape = shape("deepseek-v3.2");
        let each = stage_token_bytes(&request(&shape, KvFormat::Fp8DsMla), &(0..61));
        assert_eq!(each, Bytes(48_068));
    }

    /// Reederey87/dgx-spark-2x-deepseek-v4-flash: 21,316,272,128 bytes report 2,948,751 tokens at 1M,
    /// in a build two versions later; within a hundredth.
    #[test]
    fn v4_shares_one_pool_among_entries_windows_and_states() {
        let shape = shape("deepseek-v4-flash-0731");
        let drafts = CacheRequest {
            draft_layers: 3,
            ..request(&shape, KvFormat::Fp8DsMla)
        };
        let cut = blocks(&drafts, &(0..shape.layers), Tokens(256));
        let fitting = cut.fitting(Bytes(21_316_272_128));
        let tokens = cut.reported_tokens(fitting, Tokens(1 << 20), Tokens(8192));
        let off = tokens.as_f64() / 2_948_751.0 - 1.0;
        assert!(off.abs() < 0.01, "{tokens}");
    }

    #[test]
    fn more_context_never_needs_fewer_blocks() {
        let shape = shape("deepseek-v4-flash");
        let cut = blocks(
            &request(&shape, KvFormat::Fp8DsMla),
            &(0..shape.layers),
            Tokens(256),
        );
        let needed = |tokens| cut.needed(Tokens(tokens), Tokens(2048));
        assert!((1..200).all(|step| needed(step * 97) <= needed(step * 97 + 97)));
    }
}
