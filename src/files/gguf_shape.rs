//! The shape of a model from the metadata of its GGUF file.
//!
//! Keys, defaults and optional tensors: `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `src/llama-arch.cpp`,
//! `src/llama-model.cpp` (`load_hparams`) and `src/models/{llama,qwen2,qwen3,deepseek*}.cpp`.

use super::gguf::{Header, Value};
use super::keys::{Found, small};
use super::text::shown;
use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::Shape;
use crate::catalog::release::RopeScaling;
use crate::catalog::shape::{
    Architecture, Attention, Compressed, DraftKind, FeedForward, HyperConnections, Indexer,
};
use crate::units::index;

/// What a GGUF file says of its model.
#[derive(Debug, Clone)]
pub(super) struct Described {
    /// The shape.
    pub(super) shape: Shape,
    /// How latent attention is kept.
    pub(super) layout: LatentLayout,
    /// Rotary scaling.
    pub(super) rope_scaling: Option<RopeScaling>,
}

/// llama.cpp's architectures that can be calculated.
const KINDS: [(&str, Kind); 8] = [
    ("llama", Kind::Llama),
    ("qwen2", Kind::Qwen2),
    ("qwen3", Kind::Qwen3),
    ("deepseek", Kind::Deepseek),
    ("deepseek2", Kind::Deepseek2),
    ("deepseek2-ocr", Kind::Ocr),
    ("deepseek32", Kind::Deepseek32),
    ("deepseek4", Kind::Deepseek4),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Llama,
    Qwen2,
    Qwen3,
    Deepseek,
    Deepseek2,
    Ocr,
    Deepseek32,
    Deepseek4,
}

/// Biases that the calculator's tensor lists do not have.
const UNKNOWN_BIASES: [&str; 5] = [
    "attn_output.bias",
    "ffn_gate.bias",
    "ffn_up.bias",
    "ffn_down.bias",
    "attn_q_a.bias",
];

/// The shape that the header describes.
///
/// # Errors
/// Which key is missing or impossible, or that the architecture cannot be calculated.
pub(super) fn read(header: &Header) -> Found<Described> {
    let architecture = match header.metadata.get("general.architecture") {
        Some(Value::Text(name)) => name.as_str(),
        Some(_) | None => return Err("does not name its `general.architecture`".to_owned()),
    };
    let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == architecture) else {
        return Err(format!(
            "is of architecture `{}`, which dsk cannot calculate; it can {}",
            shown(architecture),
            KINDS.map(|(name, _)| name).join(", ")
        ));
    };
    let facts = Facts {
        header,
        architecture,
    };
    facts.check_biases()?;
    let shape = facts.shape(*kind)?;
    if let Some((_, message)) = shape.fault() {
        return Err(format!("describes an impossible model: {message}"));
    }
    let layout = match (&shape.attention, facts.is_absorbed()?) {
        (Attention::Latent { .. }, false) => LatentLayout::MultiHead,
        _ => LatentLayout::Absorbed,
    };
    Ok(Described {
        shape,
        layout,
        rope_scaling: facts.rope_scaling()?,
    })
}

/// The metadata and tensors of one architecture.
#[derive(Clone, Copy)]
struct Facts<'a> {
    header: &'a Header,
    architecture: &'a str,
}

impl<'a> Facts<'a> {
    fn value(self, key: &str) -> Option<&'a Value> {
        let key = format!("{}.{key}", self.architecture);
        self.header.metadata.get(&key)
    }

    /// The whole number under `key`, or the one that all layers have.
    fn optional(self, key: &str) -> Found<Option<u64>> {
        let number = match self.value(key) {
            None => return Ok(None),
            Some(Value::Whole(number)) => *number,
            Some(Value::Numbers(numbers)) => match numbers.split_first() {
                Some((first, rest)) if rest.iter().all(|other| other == first) => *first,
                Some(_) | None => {
                    return Err(format!(
                        "`{key}` differs from layer to layer, which dsk does not calculate"
                    ));
                }
            },
            Some(Value::Float(_) | Value::Flag(_) | Value::Text(_) | Value::Skipped(_)) => {
                return Err(format!("`{key}` must be a whole number"));
            }
        };
        u64::try_from(number)
            .map(Some)
            .map_err(|_| format!("`{key}` is {number}"))
    }

    fn or_zero(self, key: &str) -> Found<u64> {
        Ok(self.optional(key)?.unwrap_or(0))
    }

    fn positive(self, key: &str) -> Found<u64> {
        match self.optional(key)? {
            Some(0) => Err(format!("`{key}` must be above 0")),
            Some(number) => Ok(number),
            None => Err(format!("`{key}` is missing")),
        }
    }

    fn dimensions(self, name: &str) -> Option<&'a [u64]> {
        let tensors = &self.header.tensors;
        let found = tensors.iter().find(|tensor| tensor.name == name)?;
        Some(&found.dimensions)
    }

    fn has(self, name: &str) -> bool {
        self.dimensions(name).is_some()
    }

    /// Whether any layer has a tensor of that name.
    fn any_layer_has(self, name: &str) -> bool {
        self.header.tensors.iter().any(|tensor| {
            let rest = tensor.name.strip_prefix("blk.");
            rest.and_then(|rest| rest.split_once('.'))
                .is_some_and(|(_, own)| own == name)
        })
    }

    fn check_biases(self) -> Found<()> {
        match UNKNOWN_BIASES.iter().find(|name| self.any_layer_has(name)) {
            Some(name) => Err(format!(
                "has `{name}` in its layers, which dsk cannot calculate"
            )),
            None => Ok(()),
        }
    }

    fn shape(self, kind: Kind) -> Found<Shape> {
        let blocks = small("block_count", self.positive("block_count")?)?;
        let drafts = small(
            "nextn_predict_layers",
            self.or_zero("nextn_predict_layers")?,
        )?;
        let layers = blocks
            .checked_sub(drafts)
            .filter(|layers| *layers > 0)
            .ok_or("`nextn_predict_layers` leaves no layers")?;
        let has_drafts = self.has(&format!("blk.{layers}.nextn.eh_proj.weight"));
        let hidden = self.positive("embedding_length")?;
        Ok(Shape {
            architecture: self.class(kind),
            layers,
            hidden,
            vocabulary: self.vocabulary(hidden)?,
            window_tokens: self.positive("context_length")?,
            tied_embeddings: !self.header.tensors.is_empty() && !self.has("output.weight"),
            attention: self.attention(kind, (layers, hidden))?,
            feed_forward: self.feed_forward(kind)?,
            rope_table: self.has("rope_freqs.weight"),
            draft_layers: if has_drafts { drafts } else { 0 },
            draft_kind: DraftKind::default(),
            hyper_connections: match kind {
                Kind::Deepseek4 => Some(HyperConnections {
                    streams: self.positive("hyper_connection.count")?,
                    head_mix: true,
                }),
                Kind::Llama
                | Kind::Qwen2
                | Kind::Qwen3
                | Kind::Deepseek
                | Kind::Deepseek2
                | Kind::Ocr
                | Kind::Deepseek32 => None,
            },
            engram: None,
            vision: None,
        })
    }

    fn class(self, kind: Kind) -> Architecture {
        match kind {
            Kind::Llama => Architecture::Llama,
            Kind::Qwen2 => Architecture::Qwen2,
            Kind::Qwen3 => Architecture::Qwen3,
            Kind::Deepseek => Architecture::Deepseek,
            Kind::Deepseek2 if self.has_router_bias() => Architecture::DeepseekV3,
            Kind::Deepseek2 => Architecture::DeepseekV2,
            Kind::Ocr => Architecture::DeepseekVlV2,
            Kind::Deepseek32 => Architecture::DeepseekV32,
            Kind::Deepseek4 => Architecture::DeepseekV4,
        }
    }

    fn has_router_bias(self) -> bool {
        self.any_layer_has("exp_probs_b.bias")
    }

    /// Rows of the embedding, as the tensor itself has them.
    fn vocabulary(self, hidden: u64) -> Found<u64> {
        if let Some(dimensions) = self.dimensions("token_embd.weight") {
            return match dimensions {
                [row, rows] if *row == hidden => Ok(*rows),
                _ => Err(format!(
                    "`token_embd.weight` is {dimensions:?}, but `embedding_length` is {hidden}"
                )),
            };
        }
        if let Some(size) = self.optional("vocab_size")? {
            return Ok(size);
        }
        match self.header.metadata.get("tokenizer.ggml.tokens") {
            Some(Value::Skipped(tokens)) => Ok(*tokens),
            Some(_) | None => Err("does not say how many tokens its vocabulary has".to_owned()),
        }
    }

    fn attention(self, kind: Kind, (layers, hidden): (u32, u64)) -> Found<Attention> {
        match kind {
            Kind::Llama | Kind::Qwen2 | Kind::Qwen3 | Kind::Deepseek | Kind::Ocr => {
                self.grouped(hidden)
            }
            Kind::Deepseek2 => self.latent(None),
            Kind::Deepseek32 => self.latent(Some(self.indexer()?)),
            Kind::Deepseek4 => self.compressed(layers),
        }
    }

    fn grouped(self, hidden: u64) -> Found<Attention> {
        let heads = self.positive("attention.head_count")?;
        let kv_heads = match self.optional("attention.head_count_kv")? {
            Some(kv_heads) => kv_heads,
            None => heads,
        };
        let head_size = match self.optional("attention.key_length")? {
            Some(size) => size,
            None => hidden / heads,
        };
        let value_size = self.optional("attention.value_length")?;
        if head_size == 0 || value_size.is_some_and(|size| size != head_size) {
            return Err(format!(
                "has keys of width {head_size} and values of another, which dsk cannot calculate"
            ));
        }
        Ok(Attention::Grouped {
            heads,
            kv_heads,
            head_size,
            qkv_bias: self.any_layer_has("attn_q.bias") || self.any_layer_has("attn_qkv.bias"),
            qk_norm: self.any_layer_has("attn_q_norm.weight"),
        })
    }

    /// Whether the file was made for the absorbed form: `llama_hparams::is_mla`.
    fn is_absorbed(self) -> Found<bool> {
        Ok(self.or_zero("attention.key_length_mla")? > 0
            && self.or_zero("attention.value_length_mla")? > 0)
    }

    fn latent(self, indexer: Option<Indexer>) -> Found<Attention> {
        let suffix = if self.is_absorbed()? { "_mla" } else { "" };
        let keys = self.positive(&format!("attention.key_length{suffix}"))?;
        let rope_size = self.positive("rope.dimension_count")?;
        let nope_size = keys
            .checked_sub(rope_size)
            .filter(|size| *size > 0)
            .ok_or_else(|| {
                format!("`rope.dimension_count` is {rope_size}, no part of keys of {keys}")
            })?;
        Ok(Attention::Latent {
            heads: self.positive("attention.head_count")?,
            query_rank: self
                .optional("attention.q_lora_rank")?
                .filter(|rank| *rank > 0),
            kv_rank: self.positive("attention.kv_lora_rank")?,
            nope_size,
            rope_size,
            value_size: self.positive(&format!("attention.value_length{suffix}"))?,
            indexer,
        })
    }

    fn indexer(self) -> Found<Indexer> {
        Ok(Indexer {
            heads: self.positive("attention.indexer.head_count")?,
            head_size: self.positive("attention.indexer.key_length")?,
            top_tokens: self.positive("attention.indexer.top_k")?,
        })
    }

    fn compressed(self, layers: u32) -> Found<Attention> {
        let key = "attention.compress_ratios";
        let Some(Value::Numbers(ratios)) = self.value(key) else {
            return Err(format!("`{key}` must be a list of whole numbers"));
        };
        let ratios: Found<Vec<u32>> = ratios
            .iter()
            .take(index(u64::from(layers)))
            .map(|ratio| u32::try_from(*ratio).map_err(|_| format!("`{key}` has {ratio}")))
            .collect();
        Ok(Attention::Compressed(Compressed {
            heads: self.positive("attention.head_count")?,
            head_size: self.positive("attention.key_length")?,
            rope_size: self.positive("rope.dimension_count")?,
            query_rank: self.positive("attention.q_lora_rank")?,
            output_groups: self.positive("attention.output_group_count")?,
            output_rank: self.positive("attention.output_lora_rank")?,
            window_tokens: self.positive("attention.sliding_window")?,
            ratios: ratios?,
            indexer: self.indexer()?,
            shared: None,
        }))
    }

    fn feed_forward(self, kind: Kind) -> Found<FeedForward> {
        let experts = self.or_zero("expert_count")?;
        if experts == 0 {
            return Ok(FeedForward::Dense {
                intermediate: self.positive("feed_forward_length")?,
            });
        }
        if matches!(kind, Kind::Llama | Kind::Qwen2 | Kind::Qwen3) {
            return Err(format!(
                "is a `{}` with {experts} experts, which dsk cannot calculate",
                self.architecture
            ));
        }
        let dense_layers = small(
            "leading_dense_block_count",
            self.or_zero("leading_dense_block_count")?,
        )?;
        Ok(FeedForward::Experts {
            dense_layers,
            dense_intermediate: if dense_layers > 0 {
                self.positive("feed_forward_length")?
            } else {
                0
            },
            expert_intermediate: self.positive("expert_feed_forward_length")?,
            experts,
            shared_experts: self.or_zero("expert_shared_count")?,
            experts_per_token: self.positive("expert_used_count")?,
            router_bias: self.has_router_bias(),
            hash_layers: small("hash_layer_count", self.or_zero("hash_layer_count")?)?,
            visual_router_bias: self.any_layer_has("exp_probs_b_vl.bias"),
        })
    }

    fn rope_scaling(self) -> Found<Option<RopeScaling>> {
        let method = match self.value("rope.scaling.type") {
            Some(Value::Text(method)) if method != "none" => method.clone(),
            Some(_) | None => return Ok(None),
        };
        let Some(Value::Float(factor)) = self.value("rope.scaling.factor") else {
            return Ok(None);
        };
        Ok(Some(RopeScaling {
            method: shown(&method),
            factor: *factor,
            original_tokens: self.optional("rope.scaling.original_context_length")?,
        }))
    }
}
