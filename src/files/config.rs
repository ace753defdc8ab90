//! The shape of a model from its `config.json`, with the defaults of Transformers.
//!
//! Source: `configuration_llama.py`, `configuration_qwen2.py`, `configuration_qwen3.py`,
//! `configuration_deepseek_v2.py`, `configuration_deepseek_v3.py` in Hugging Face Transformers 5, and
//! the configurations that the vendor ships with deepseek-moe-16b, DeepSeek-V2 and DeepSeek-OCR.
//! What Transformers would make up (width, layers, heads, vocabulary) must be there.

use serde_json::Value;

use super::config_v4;
use super::keys::{Found, Keys, small};
use super::quantization::{self, Stored};
use super::text::shown;
use crate::catalog::Shape;
use crate::catalog::release::RopeScaling;
use crate::catalog::shape::{
    Architecture, Attention, ClipTower, DraftKind, FeedForward, Indexer, SamTower, Vision,
};

/// What a `config.json` says of its model.
#[derive(Debug, Clone)]
pub(super) struct Described {
    /// The shape.
    pub(super) shape: Shape,
    /// How the checkpoint is stored.
    pub(super) stored: Stored,
    /// Rotary scaling.
    pub(super) rope_scaling: Option<RopeScaling>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

/// `model_type` and the class that Transformers makes of it.
const CLASSES: [(&str, &str, Architecture); 10] = [
    ("llama", "LlamaForCausalLM", Architecture::Llama),
    ("qwen2", "Qwen2ForCausalLM", Architecture::Qwen2),
    ("qwen3", "Qwen3ForCausalLM", Architecture::Qwen3),
    ("deepseek", "DeepseekForCausalLM", Architecture::Deepseek),
    (
        "deepseek_v2",
        "DeepseekV2ForCausalLM",
        Architecture::DeepseekV2,
    ),
    (
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        Architecture::DeepseekV3,
    ),
    (
        "deepseek_v32",
        "DeepseekV32ForCausalLM",
        Architecture::DeepseekV32,
    ),
    (
        "deepseek_v4",
        "DeepseekV4ForCausalLM",
        Architecture::DeepseekV4,
    ),
    (
        "deepseek_v41",
        "DeepseekV41ForCausalLM",
        Architecture::DeepseekV41,
    ),
    (
        "deepseek_vl_v2",
        "DeepseekOCRForCausalLM",
        Architecture::DeepseekVlV2,
    ),
];

/// Settings that change tensors or cache in a way that is not calculated, and the value that is.
const FIXED: [&str; 3] = ["attention_bias", "mlp_bias", "use_sliding_window"];

/// The model that the configuration describes.
///
/// # Errors
/// Which key is missing or impossible, or that the architecture cannot be calculated.
pub(super) fn read(config: &Value) -> Found<Described> {
    let outer = Keys::of(config)?;
    let architecture = architecture(outer)?;
    let text = match outer.object("text_config")? {
        Some(text) => text,
        None => outer.object("language_config")?.unwrap_or(outer),
    };
    for key in FIXED {
        if text.flag(key, false)? {
            return Err(format!("sets `{key}`, which dsk does not calculate"));
        }
    }
    let mut notes = Vec::new();
    let vision = vision(outer, architecture, &mut notes)?;
    let shape = match architecture {
        Architecture::DeepseekV4 | Architecture::DeepseekV41 => {
            config_v4::shape(text, architecture, vision)?
        }
        Architecture::Llama
        | Architecture::Qwen2
        | Architecture::Qwen3
        | Architecture::Deepseek
        | Architecture::DeepseekV2
        | Architecture::DeepseekV3
        | Architecture::DeepseekV32
        | Architecture::DeepseekVlV2 => shape(text, architecture, vision)?,
    };
    if let Some((_, message)) = shape.fault() {
        return Err(format!("describes an impossible model: {message}"));
    }
    let stored = quantization::read(outer, text, architecture)?;
    notes.extend(stored.notes.iter().cloned());
    Ok(Described {
        rope_scaling: rope_scaling(text)?,
        shape,
        stored,
        notes,
    })
}

/// The class: by `model_type`, else by the class that `architectures` names.
fn architecture(outer: Keys<'_>) -> Found<Architecture> {
    let kind = outer.text("model_type")?.unwrap_or_default();
    let class = match outer.get("architectures") {
        Some(Value::Array(classes)) => classes.first().and_then(Value::as_str),
        _ => None,
    };
    let unknown = || {
        let known = CLASSES.map(|(kind, _, _)| kind).join(", ");
        match (kind, class) {
            ("", None) => "does not name its architecture (`model_type`)".to_owned(),
            ("", Some(name)) | (name, _) => format!(
                "is of architecture `{}`, which dsk cannot calculate; it can {known}",
                shown(name)
            ),
        }
    };
    if let Some(class) = class
        && !class.ends_with("ForCausalLM")
        && !class.ends_with("ForConditionalGeneration")
    {
        return Err(format!(
            "is a `{}`, not a language model with a head, which is all that dsk calculates",
            shown(class)
        ));
    }
    let by_kind = CLASSES.iter().find(|(known, _, _)| *known == kind);
    let by_class = || CLASSES.iter().find(|(_, known, _)| Some(*known) == class);
    by_kind
        .or_else(by_class)
        .map(|(_, _, architecture)| *architecture)
        .ok_or_else(unknown)
}

fn shape(text: Keys<'_>, architecture: Architecture, vision: Option<Vision>) -> Found<Shape> {
    let layers = text.layers("num_hidden_layers")?;
    let hidden = text.positive("hidden_size")?;
    Ok(Shape {
        architecture,
        layers,
        hidden,
        vocabulary: text.positive("vocab_size")?,
        window_tokens: text.positive("max_position_embeddings")?,
        tied_embeddings: text.flag("tie_word_embeddings", false)?,
        attention: attention(text, architecture, hidden)?,
        feed_forward: feed_forward(text, layers)?,
        rope_table: rope(text)?.is_some_and(|(method, _)| method == "llama3"),
        draft_layers: draft_layers(text, architecture)?,
        draft_kind: DraftKind::default(),
        hyper_connections: None,
        engram: None,
        vision,
    })
}

fn draft_layers(text: Keys<'_>, architecture: Architecture) -> Found<u32> {
    if !matches!(
        architecture,
        Architecture::DeepseekV3 | Architecture::DeepseekV32
    ) {
        return Ok(0);
    }
    let key = "num_nextn_predict_layers";
    small(key, text.optional(key)?.unwrap_or(0))
}

fn attention(text: Keys<'_>, architecture: Architecture, hidden: u64) -> Found<Attention> {
    let is_latent = match architecture {
        Architecture::DeepseekV2 | Architecture::DeepseekV3 | Architecture::DeepseekVlV2 => {
            text.flag("use_mla", true)? && text.get("kv_lora_rank").is_some()
        }
        Architecture::DeepseekV32 => true,
        Architecture::Llama
        | Architecture::Qwen2
        | Architecture::Qwen3
        | Architecture::Deepseek
        | Architecture::DeepseekV4
        | Architecture::DeepseekV41 => false,
    };
    if is_latent {
        let indexer = if architecture == Architecture::DeepseekV32 {
            Some(indexer(text)?)
        } else {
            None
        };
        return latent(text, indexer);
    }
    let heads = text.positive("num_attention_heads")?;
    let kv_heads = text.optional("num_key_value_heads")?.unwrap_or(heads);
    let head_size = match text.optional("head_dim")? {
        Some(size) => size,
        // `head_dim` of Qwen3Config is 128 where it is not given.
        None if architecture == Architecture::Qwen3 => 128,
        None => hidden / heads,
    };
    if head_size == 0 {
        return Err("has heads of width 0".to_owned());
    }
    Ok(Attention::Grouped {
        heads,
        kv_heads,
        head_size,
        qkv_bias: architecture == Architecture::Qwen2,
        qk_norm: architecture == Architecture::Qwen3,
    })
}

fn latent(text: Keys<'_>, indexer: Option<Indexer>) -> Found<Attention> {
    if !text.names("q_lora_rank") {
        return Err("`q_lora_rank` is missing".to_owned());
    }
    Ok(Attention::Latent {
        heads: text.positive("num_attention_heads")?,
        query_rank: text.optional("q_lora_rank")?.filter(|rank| *rank > 0),
        kv_rank: text.positive("kv_lora_rank")?,
        nope_size: text.positive("qk_nope_head_dim")?,
        rope_size: text.positive("qk_rope_head_dim")?,
        value_size: text.positive("v_head_dim")?,
        indexer,
    })
}

/// The sparse indexer's keys, which V3.2 and V4 share.
pub(super) fn indexer(text: Keys<'_>) -> Found<Indexer> {
    Ok(Indexer {
        heads: text.positive("index_n_heads")?,
        head_size: text.positive("index_head_dim")?,
        top_tokens: text.positive("index_topk")?,
    })
}

fn feed_forward(text: Keys<'_>, layers: u32) -> Found<FeedForward> {
    let experts = text.optional("n_routed_experts")?.unwrap_or(0);
    if experts == 0 {
        return Ok(FeedForward::Dense {
            intermediate: text.positive("intermediate_size")?,
        });
    }
    let frequency = text.optional("moe_layer_freq")?.unwrap_or(1);
    if frequency != 1 {
        return Err(format!(
            "has experts in every {frequency}th layer (`moe_layer_freq`), which dsk does not calculate"
        ));
    }
    let key = "first_k_dense_replace";
    let dense_layers = small(key, text.optional(key)?.unwrap_or(0))?.min(layers);
    Ok(FeedForward::Experts {
        dense_layers,
        dense_intermediate: if dense_layers > 0 {
            text.positive("intermediate_size")?
        } else {
            0
        },
        expert_intermediate: text.positive("moe_intermediate_size")?,
        experts,
        shared_experts: text.optional("n_shared_experts")?.unwrap_or(0),
        experts_per_token: text.positive("num_experts_per_tok")?,
        router_bias: text.text("topk_method")? == Some("noaux_tc"),
        hash_layers: 0,
        visual_router_bias: false,
    })
}

/// The method of rotary scaling and the keys that describe it; Transformers 5 calls it `rope_parameters`.
fn rope(text: Keys<'_>) -> Found<Option<(&str, Keys<'_>)>> {
    let keys = match text.object("rope_scaling")? {
        Some(keys) => keys,
        None => match text.object("rope_parameters")? {
            Some(keys) => keys,
            None => return Ok(None),
        },
    };
    let method = match keys.text("rope_type")? {
        Some(method) => Some(method),
        None => keys.text("type")?,
    };
    Ok(method
        .filter(|method| *method != "default")
        .map(|method| (method, keys)))
}

fn rope_scaling(text: Keys<'_>) -> Found<Option<RopeScaling>> {
    let Some((method, keys)) = rope(text)? else {
        return Ok(None);
    };
    let Some(factor) = keys.number("factor")? else {
        return Ok(None);
    };
    Ok(Some(RopeScaling {
        method: shown(method),
        factor,
        original_tokens: keys.optional("original_max_position_embeddings")?,
    }))
}

/// The vision tower, where its tensors are known.
fn vision(
    outer: Keys<'_>,
    architecture: Architecture,
    notes: &mut Vec<String>,
) -> Found<Option<Vision>> {
    let Some(keys) = outer.object("vision_config")? else {
        return Ok(None);
    };
    if architecture == Architecture::DeepseekV41 {
        return config_v4::vision(keys).map(Some);
    }
    let widths = keys.object("width")?;
    let towers = match widths {
        Some(widths) => (widths.object("sam_vit_b")?, widths.object("clip-l-14-224")?),
        None => (None, None),
    };
    if let (Some(sam), Some(clip)) = towers {
        let joined = match outer.object("projector_config")? {
            Some(projector) => projector.positive("input_dim")?,
            None => return Err("`projector_config` is missing".to_owned()),
        };
        return sam_clip(keys, (sam, clip), joined).map(Some);
    }
    notes.push(
        "its vision tower is of a kind that dsk does not know: only the text model is calculated"
            .to_owned(),
    );
    Ok(None)
}

/// DeepSeek-OCR's towers; patch, window and neck are constants of `build_sam_vit_b` in its `deepencoder.py`.
fn sam_clip(keys: Keys<'_>, (sam, clip): (Keys<'_>, Keys<'_>), joined: u64) -> Found<Vision> {
    let channels = sam
        .list("downsample_channels")?
        .ok_or("`downsample_channels` is missing")?;
    let global = sam
        .list("global_attn_indexes")?
        .ok_or("`global_attn_indexes` is missing")?;
    Ok(Vision::SamClip {
        sam: SamTower {
            layers: sam.positive("layers")?,
            global_layers: crate::units::count(global.len()),
            hidden: sam.positive("width")?,
            heads: sam.positive("heads")?,
            image: keys.positive("image_size")?,
            patch: 16,
            window: 14,
            neck: 256,
            channels,
        },
        clip: ClipTower {
            layers: clip.positive("layers")?,
            hidden: clip.positive("width")?,
            image: clip.positive("image_size")?,
            patch: clip.positive("patch_size")?,
            joined,
        },
    })
}
