//! A model as it would be run: the options that commands share.

use clap::{ArgGroup, Args, ValueEnum};

use crate::calc::load::LayerSplit;
use crate::cli::quantity::{gigabits, gigabytes, layer_split, positive, share, tokens};
use crate::request::SplitAsked;

/// A model as it would be run.
#[derive(Debug, Args)]
pub(in crate::cli) struct Load {
    /// A name (see `dsk list models`), a hub id, a .gguf file, a config.json, or a folder with one
    pub(in crate::cli) model: String,
    #[command(flatten)]
    pub(in crate::cli) precision: Precision,
    #[command(flatten)]
    pub(in crate::cli) sequence: Sequence,
    #[command(flatten)]
    pub(in crate::cli) hardware: Hardware,
    #[command(flatten)]
    pub(in crate::cli) engine: Engine,
    #[command(flatten)]
    pub(in crate::cli) split: Split,
    #[command(flatten)]
    pub(in crate::cli) what_if: WhatIf,
}

/// The weight format.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("precision").multiple(false))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, of which clap lets at most one be set"
)]
pub(in crate::cli) struct Precision {
    /// 32-bit floating point
    #[arg(long, group = "precision")]
    fp32: bool,
    /// 16-bit floating point
    #[arg(long, group = "precision")]
    fp16: bool,
    /// 16-bit brain floating point
    #[arg(long, group = "precision")]
    bf16: bool,
    /// 8-bit floating point
    #[arg(long, group = "precision")]
    fp8: bool,
    /// 8-bit integers
    #[arg(long, group = "precision")]
    int8: bool,
    /// 4-bit integers
    #[arg(long, group = "precision")]
    int4: bool,
    /// A weight format: see `dsk list formats`
    #[arg(long, value_name = "FORMAT", group = "precision")]
    quant: Option<String>,
}

impl Precision {
    /// The format's name, where one was given.
    pub(in crate::cli) fn name(&self) -> Option<String> {
        let flags = [
            (self.fp32, "fp32"),
            (self.fp16, "fp16"),
            (self.bf16, "bf16"),
            (self.fp8, "fp8"),
            (self.int8, "int8"),
            (self.int4, "int4"),
        ];
        let flag = flags.into_iter().find(|(set, _)| *set);
        flag.map(|(_, name)| name.to_owned())
            .or_else(|| self.quant.clone())
    }
}

/// What the cache must hold.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sequence {
    /// Tokens that one sequence may hold: 4096, 32k, 1m
    #[arg(long, value_name = "TOKENS", value_parser = tokens, allow_negative_numbers = true)]
    pub(in crate::cli) context: Option<u64>,
    /// Sequences at once
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) sequences: Option<u64>,
    /// How the cache is stored, such as f16, fp8 or q8-0
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::cli) kv: Option<String>,
}

/// The hardware.
#[derive(Debug, Args)]
pub(in crate::cli) struct Hardware {
    /// GB per device, as printed on the box
    #[arg(long, value_name = "GB", value_parser = gigabytes, allow_negative_numbers = true)]
    pub(in crate::cli) vram: Option<f64>,
    /// A device: rtx-4090, 8xh200, m2-ultra-192, cpu, or this (machine); see `dsk list gpus`
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) gpu: Option<String>,
    /// How many of them, or a list of devices
    #[arg(long, value_name = "N")]
    pub(in crate::cli) gpus: Option<String>,
    /// GB of the host's memory
    #[arg(long, value_name = "GB", value_parser = gigabytes, allow_negative_numbers = true)]
    pub(in crate::cli) ram: Option<f64>,
    /// GB per second of the host's memory by its specification, all channels together, for what stays there
    #[arg(long, value_name = "GB/S", value_parser = gigabytes, allow_negative_numbers = true)]
    pub(in crate::cli) ram_bandwidth: Option<f64>,
    /// Gbit/s between servers, for each device and direction
    #[arg(long, value_name = "GBPS", value_parser = gigabits, allow_negative_numbers = true)]
    pub(in crate::cli) network_gbps: Option<f64>,
    /// Of this machine's memory: what is free now, or all that an idle machine would give
    #[arg(long, value_name = "free|total", value_enum)]
    pub(in crate::cli) of: Option<Of>,
}

/// Which memory of this machine counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Of {
    Free,
    Total,
}

/// The engine and its settings.
#[derive(Debug, Args)]
pub(in crate::cli) struct Engine {
    /// The engine: see `dsk list engines`
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) engine: Option<String>,
    /// vLLM, SGLang: the share of a device that it may use
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(in crate::cli) utilization: Option<f64>,
    /// vLLM, SGLang: tokens in one batch
    #[arg(long, value_name = "N", value_parser = tokens, allow_negative_numbers = true)]
    pub(in crate::cli) batched_tokens: Option<u64>,
    /// llama.cpp: tokens in one micro-batch
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) ubatch: Option<u64>,
    /// llama.cpp: flash attention
    #[arg(long, value_name = "on|off", value_enum)]
    pub(in crate::cli) flash_attention: Option<OnOff>,
    /// llama.cpp: layers on the GPU, the output counted as one
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(in crate::cli) gpu_layers: Option<u32>,
    /// llama.cpp: leading layers whose routed experts stay in the host's memory
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(in crate::cli) n_cpu_moe: Option<u32>,
    /// llama.cpp: how layers are shared out among devices, the output counted as one, such as 40,22
    #[arg(long, value_name = "N,N", value_parser = layer_split)]
    pub(in crate::cli) tensor_split: Option<LayerSplit>,
    /// llama.cpp: one cache shared by all sequences
    #[arg(long)]
    pub(in crate::cli) kv_unified: bool,
    /// llama.cpp: a GGUF of V2 or V3 from before April 2025, which caches every head's keys and values
    #[arg(long)]
    pub(in crate::cli) legacy_gguf: bool,
    /// llama.cpp: logits for every token, as its benchmark keeps them
    #[arg(long)]
    pub(in crate::cli) all_logits: bool,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OnOff {
    On,
    Off,
}

/// The split over devices.
#[derive(Debug, Args)]
pub(in crate::cli) struct Split {
    /// Tensor parallelism
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) tp: Option<u64>,
    /// Pipeline parallelism
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) pp: Option<u64>,
    /// Data parallelism
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) dp: Option<u64>,
    /// Expert parallelism
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) ep: Option<u64>,
}

impl Split {
    /// As the library asks it.
    pub(in crate::cli) fn asked(&self) -> SplitAsked {
        SplitAsked {
            tensor: self.tp,
            pipeline: self.pp,
            data: self.dp,
            expert: self.ep,
        }
    }
}

/// The model as nobody made it.
#[derive(Debug, Args)]
pub(in crate::cli) struct WhatIf {
    /// What if pruned: the share of each layer's heads and feed-forward width that is kept; embeddings stay
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(in crate::cli) prune: Option<f64>,
    /// What if a token used fewer experts: changes speed, not memory
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub(in crate::cli) experts_per_token: Option<u64>,
}

impl From<&WhatIf> for crate::calc::what_if::WhatIf {
    fn from(asked: &WhatIf) -> Self {
        Self {
            prune: asked.prune,
            experts_per_token: asked.experts_per_token,
        }
    }
}
