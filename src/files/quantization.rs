//! How a checkpoint is stored: the type that its configuration names, or its `quantization_config`.
//!
//! Source: the quantization configurations of Hugging Face Transformers 5
//! (`utils/quantization_config.py`), compressed-tensors' `QuantizationScheme` and NVIDIA `ModelOpt`'s
//! `hf_quant_config.json`.

use super::keys::{Found, Keys};
use super::text::shown;
use crate::catalog::shape::Architecture;
use crate::catalog::storage::{Element, Quantized};
use crate::catalog::{Basis, NativeStorage};

/// How a checkpoint is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// The catalog's id of the format.
    pub(super) native: &'static str,
    /// The format in the configuration's words.
    pub(super) format: String,
    /// How each tensor is stored, where that is known.
    pub(super) storage: Option<NativeStorage>,
    /// Whether that is what the configuration says, or the nearest that dsk can calculate.
    pub(super) basis: Basis,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Stored {
    /// Every tensor as plain numbers.
    pub(super) fn plain(element: Element) -> Self {
        let native = match element {
            Element::F32 => "fp32",
            Element::F16 => "fp16",
            Element::Bf16 | Element::I64 | Element::I8 | Element::F8E4m3 | Element::F8E8m0 => {
                "bf16"
            }
        };
        Self {
            native,
            format: element.name().to_owned(),
            storage: Some(storage(element)),
            basis: Basis::Exact,
            notes: Vec::new(),
        }
    }

    fn named(native: &'static str, format: String) -> Self {
        Self {
            native,
            format,
            storage: None,
            basis: Basis::Exact,
            notes: Vec::new(),
        }
    }
}

fn storage(element: Element) -> NativeStorage {
    NativeStorage {
        element,
        norms: None,
        linears: None,
        experts: None,
        tables: None,
    }
}

/// How the configuration says that the checkpoint is stored.
///
/// # Errors
/// When the quantization is one that dsk does not know.
pub(super) fn read(outer: Keys<'_>, text: Keys<'_>, architecture: Architecture) -> Found<Stored> {
    let keys = match outer.object("quantization_config")? {
        Some(keys) => Some(keys),
        None => text.object("quantization_config")?,
    };
    match keys {
        None => plain(outer, text),
        Some(keys) => quantized(keys, text, architecture),
    }
}

fn plain(outer: Keys<'_>, text: Keys<'_>) -> Found<Stored> {
    let mut name = None;
    for keys in [outer, text] {
        for key in ["dtype", "torch_dtype"] {
            if name.is_none() {
                name = keys.text(key)?;
            }
        }
    }
    Ok(match name {
        Some("bfloat16") => Stored::plain(Element::Bf16),
        Some("float16") => Stored::plain(Element::F16),
        Some("float32") => Stored::plain(Element::F32),
        Some(other) => {
            return Err(format!(
                "stores its weights as `{}`, which dsk does not know",
                shown(other)
            ));
        }
        None => Stored {
            basis: Basis::Assumed,
            notes: vec![
                "the configuration does not say how its weights are stored: 16 bits are taken"
                    .to_owned(),
            ],
            ..Stored::plain(Element::Bf16)
        },
    })
}

fn quantized(keys: Keys<'_>, text: Keys<'_>, architecture: Architecture) -> Found<Stored> {
    let method = keys.text("quant_method")?.unwrap_or_default();
    if let Some(algorithm) = keys.text("moe_quant_algo")? {
        return experts_alone(algorithm);
    }
    if let Some(algorithm) = keys.text("quant_algo")? {
        return modelopt(algorithm);
    }
    let bits = keys.optional("bits")?;
    match (method, bits) {
        ("fp8", _) => fp8(keys, text, architecture),
        ("awq", None | Some(4)) => Ok(Stored::named("awq", "AWQ, 4 bits".to_owned())),
        ("gptq", Some(4)) => Ok(Stored::named("gptq", "GPTQ, 4 bits".to_owned())),
        ("mxfp4", _) => Ok(Stored::named("mxfp4", "MXFP4".to_owned())),
        ("bitsandbytes", _) if keys.flag("load_in_4bit", false)? => {
            let kind = keys.text("bnb_4bit_quant_type")?.unwrap_or("fp4");
            match kind {
                "nf4" | "fp4" => Ok(Stored::named("nf4", format!("bitsandbytes {kind}"))),
                other => Err(unknown(other)),
            }
        }
        ("bitsandbytes", _) if keys.flag("load_in_8bit", false)? => {
            Ok(Stored::named("bnb-int8", "bitsandbytes int8".to_owned()))
        }
        ("compressed-tensors", _) => compressed_tensors(keys),
        (other, None) => Err(unknown(other)),
        (other, Some(bits)) => Err(unknown(&format!("{other} with {bits} bits"))),
    }
}

fn unknown(name: &str) -> String {
    format!(
        "is quantized by `{}`, which dsk does not calculate",
        shown(name)
    )
}

/// The format of an `hf_quant_config.json`.
///
/// # Errors
/// When the algorithm is one that dsk does not know.
pub(super) fn model_optimizer(config: Keys<'_>) -> Found<Option<Stored>> {
    let keys = config.object("quantization")?.unwrap_or(config);
    if let Some(algorithm) = keys.text("moe_quant_algo")? {
        return experts_alone(algorithm).map(Some);
    }
    keys.text("quant_algo")?.map(modelopt).transpose()
}

/// `ModelOpt`'s mixed checkpoints: experts by the algorithm, all other layers as the vendor has them.
fn experts_alone(algorithm: &str) -> Found<Stored> {
    let stored = modelopt(algorithm)?;
    Ok(Stored {
        basis: Basis::Modelled,
        notes: vec![format!(
            "only its experts are in {}: dsk calculates all layers so, and knows the true size only from the tensors",
            stored.format
        )],
        format: format!("{}, experts alone", stored.format),
        ..stored
    })
}

fn modelopt(algorithm: &str) -> Found<Stored> {
    match algorithm {
        "NVFP4" => Ok(Stored::named("nvfp4", "NVFP4 (ModelOpt)".to_owned())),
        "FP8" => Ok(Stored::named("fp8", "FP8 (ModelOpt)".to_owned())),
        other => Err(unknown(other)),
    }
}

/// FP8 as DeepSeek ships it, in square blocks; from V4 on with FP4 experts.
fn fp8(keys: Keys<'_>, text: Keys<'_>, architecture: Architecture) -> Found<Stored> {
    let Some(block) = keys.list("weight_block_size")? else {
        return Ok(Stored::named("fp8", "FP8, one scale a tensor".to_owned()));
    };
    let [rows, columns] = block.as_slice() else {
        return Err("`weight_block_size` must have two lengths".to_owned());
    };
    let (rows, columns) = (*rows, *columns);
    let is_v4 = matches!(
        architecture,
        Architecture::DeepseekV4 | Architecture::DeepseekV41
    );
    let expert_type = match keys.text("expert_dtype")? {
        Some(kind) => Some(kind),
        None => text.text("expert_dtype")?,
    };
    let has_fp4 = match expert_type {
        Some("fp4") => true,
        None | Some("fp8") => false,
        Some(other) => return Err(unknown(&format!("experts in {other}"))),
    };
    let native = match (has_fp4, rows, columns) {
        (true, _, _) => "fp4-fp8",
        (false, 128, 128) => "fp8-block",
        (false, 32, 32) => "fp8-block32",
        (false, _, _) => return Err(unknown(&format!("fp8 in blocks of {rows} x {columns}"))),
    };
    let experts = if has_fp4 { "FP4 experts, " } else { "" };
    let format = format!("{experts}FP8 in blocks of {rows} x {columns}");
    // V3.1 and V3.2 name `ue8m0` too, but keep their scales in 32 bits.
    let scale = if is_v4 { Element::F8E8m0 } else { Element::F32 };
    let linear = Quantized {
        element: Element::F8E4m3,
        block: [rows, columns],
        scale,
    };
    let four_bits = Quantized {
        element: Element::I8,
        block: [1, 32],
        scale: Element::F8E8m0,
    };
    let row = Quantized {
        block: [1, 32],
        ..linear
    };
    let layout = NativeStorage {
        norms: (architecture == Architecture::DeepseekV32).then_some(Element::F32),
        linears: Some(linear),
        experts: has_fp4.then_some(four_bits),
        tables: (architecture == Architecture::DeepseekV41).then_some(row),
        ..storage(Element::Bf16)
    };
    Ok(Stored {
        // V4 with FP8 experts: neither its scales' type nor its blocks are published.
        storage: (has_fp4 || !is_v4).then_some(layout),
        ..Stored::named(native, format)
    })
}

/// The first group's weights decide; further groups are told in the format's name.
fn compressed_tensors(keys: Keys<'_>) -> Found<Stored> {
    let groups = keys
        .object("config_groups")?
        .ok_or("`config_groups` is missing")?;
    let weights = match groups.object("group_0")? {
        Some(group) => group.object("weights")?,
        None => None,
    };
    let weights = weights.ok_or("`config_groups` has no `group_0` with `weights`")?;
    let bits = weights.positive("num_bits")?;
    let kind = weights.text("type")?.unwrap_or("int");
    let group = weights.optional("group_size")?;
    let native = match (kind, bits, group) {
        ("float", 8, _) => "fp8",
        ("int", 8, _) => "int8",
        ("int", 4, Some(128)) => "int4",
        ("float", 4, Some(16)) => "nvfp4",
        ("float", 4, Some(32)) => "mxfp4",
        _ => {
            return Err(unknown(&format!(
                "compressed-tensors {kind}{bits} in groups of {}",
                group.unwrap_or(0)
            )));
        }
    };
    Ok(Stored::named(
        native,
        format!("compressed-tensors, {kind} {bits} bits"),
    ))
}
