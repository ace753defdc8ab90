//! The shape of DeepSeek-V4 and V4.1 from their `config.json`.
//!
//! Source: the configurations and `inference/model.py` that the vendor ships with DeepSeek-V4-Flash;
//! for V4.1, NVIDIA-NeMo/Automodel 0.7.0 `nemo_automodel/components/models/deepseek_v41/config.py`.

use super::config::indexer;
use super::keys::{Found, Keys, small};
use crate::catalog::Shape;
use crate::catalog::shape::{
    Architecture, Attention, Compressed, DraftKind, Engram, FeedForward, HyperConnections,
    SharedSources, Vision,
};
use crate::units::{count, index};

/// Learned vectors around an image in V4.1: its start, its end, the end of a row of patches.
const MARKERS: u64 = 3;

/// The shape that the text model's keys describe.
///
/// # Errors
/// Which key is missing or impossible.
pub(super) fn shape(
    text: Keys<'_>,
    architecture: Architecture,
    vision: Option<Vision>,
) -> Found<Shape> {
    let layers = text.layers("num_hidden_layers")?;
    let is_v41 = architecture == Architecture::DeepseekV41;
    let ratios = text.layer_list("compress_ratios")?;
    let (draft_kind, draft_layers) = drafts(text, layers, count(ratios.len()))?;
    Ok(Shape {
        architecture,
        layers,
        hidden: text.positive("hidden_size")?,
        vocabulary: text.positive("vocab_size")?,
        window_tokens: text.positive("max_position_embeddings")?,
        tied_embeddings: text.flag("tie_word_embeddings", false)?,
        attention: Attention::Compressed(compressed(text, (layers, ratios), is_v41)?),
        feed_forward: FeedForward::Experts {
            dense_layers: 0,
            dense_intermediate: 0,
            expert_intermediate: text.positive("moe_intermediate_size")?,
            experts: text.positive("n_routed_experts")?,
            shared_experts: text.optional("n_shared_experts")?.unwrap_or(0),
            experts_per_token: text.positive("num_experts_per_tok")?,
            router_bias: text.text("topk_method")? == Some("noaux_tc"),
            hash_layers: small(
                "num_hash_layers",
                text.optional("num_hash_layers")?.unwrap_or(0),
            )?,
            visual_router_bias: vision.is_some(),
        },
        rope_table: false,
        draft_layers,
        draft_kind,
        hyper_connections: Some(HyperConnections {
            streams: text.positive("hc_mult")?,
            head_mix: !is_v41,
        }),
        engram: engram(text)?,
        vision,
    })
}

fn compressed(
    text: Keys<'_>,
    (layers, mut ratios): (u32, Vec<u32>),
    is_v41: bool,
) -> Found<Compressed> {
    // The entries after the decoder's layers are those of the draft stages.
    ratios.truncate(index(u64::from(layers)));
    Ok(Compressed {
        heads: text.positive("num_attention_heads")?,
        head_size: text.positive("head_dim")?,
        rope_size: text.positive("qk_rope_head_dim")?,
        query_rank: text.positive("q_lora_rank")?,
        output_groups: text.positive("o_groups")?,
        output_rank: text.positive("o_lora_rank")?,
        window_tokens: text.positive("sliding_window")?,
        ratios,
        indexer: indexer(text)?,
        shared: if is_v41 {
            Some(SharedSources {
                kv_layers: text.layer_list("kv_source_layer_ids")?,
                index_layers: text.layer_list("index_source_layer_ids")?,
                candidate_layer: small(
                    "candidate_source_layer_id",
                    text.positive("candidate_source_layer_id")?,
                )?,
                candidate_blocks: text.positive("candidate_topk_blocks")?,
                candidate_block_entries: text.positive("candidate_block_size")?,
            })
        } else {
            None
        },
    })
}

/// DSpark's stages each have an entry in `compress_ratios`, whatever `num_nextn_predict_layers` says.
fn drafts(text: Keys<'_>, layers: u32, ratios: u64) -> Found<(DraftKind, u32)> {
    let key = "num_nextn_predict_layers";
    if text.get("dspark_block_size").is_none() {
        let layers = small(key, text.optional(key)?.unwrap_or(0))?;
        return Ok((DraftKind::Separate { copies: false }, layers));
    }
    let stages = small("compress_ratios", ratios.saturating_sub(u64::from(layers)))?;
    let kind = DraftKind::Block {
        target_layers: text.layer_list("dspark_target_layer_ids")?,
        markov_rank: text.positive("dspark_markov_rank")?,
        block_tokens: text.positive("dspark_block_size")?,
        experts: text.optional("dspark_n_routed_experts")?,
        experts_per_token: text.optional("dspark_num_experts_per_tok")?,
    };
    Ok((kind, stages))
}

fn engram(text: Keys<'_>) -> Found<Option<Engram>> {
    if text.get("engram_layer_ids").is_none() {
        return Ok(None);
    }
    Ok(Some(Engram {
        layers: text.layer_list("engram_layer_ids")?,
        rows: text
            .list("engram_num_embeddings")?
            .ok_or("`engram_num_embeddings` is missing")?,
        heads: text.positive("engram_n_heads")?,
        head_size: text.positive("engram_head_dim")?,
        longest_ngram: text.positive("engram_max_ngram_size")?,
    }))
}

/// V4.1's vision tower.
///
/// # Errors
/// Which key is missing or impossible.
pub(super) fn vision(keys: Keys<'_>) -> Found<Vision> {
    Ok(Vision::Vit {
        layers: keys.positive("num_hidden_layers")?,
        hidden: keys.positive("hidden_size")?,
        intermediate: keys.positive("intermediate_size")?,
        patch: keys.positive("patch_size")?,
        downsample: keys.positive("downsample_ratio")?,
        markers: MARKERS,
    })
}
