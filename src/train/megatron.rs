//! A layout as Megatron-LM's flags.
//!
//! Flags: Megatron-LM d98e8a64, `megatron/training/arguments.py`.

use super::job::{Job, Layout, Offload, Recompute, Zero};
use crate::catalog::shape::{Attention, FeedForward, Shape};

/// Flags with their values, one a line of a command.
#[must_use]
pub fn megatron(job: &Job<'_>, layout: &Layout) -> Vec<String> {
    let mut flags = vec![
        format!("--tensor-model-parallel-size {}", layout.tensor),
        format!("--pipeline-model-parallel-size {}", layout.pipeline),
        format!("--micro-batch-size {}", layout.micro_batch),
        format!("--global-batch-size {}", layout.global_batch()),
        format!("--seq-length {}", job.sequence_tokens),
        "--bf16".to_owned(),
    ];
    if job.has_experts() {
        flags.push(format!("--expert-model-parallel-size {}", layout.expert));
        flags.push(format!(
            "--expert-tensor-parallel-size {}",
            layout.expert_tensor()
        ));
    }
    if layout.interleave > 1 {
        flags.push(format!(
            "--num-virtual-stages-per-pipeline-rank {}",
            layout.interleave
        ));
    }
    if layout.sequence_parallel {
        flags.push("--sequence-parallel".to_owned());
    }
    match layout.zero {
        Zero::Off => {}
        Zero::One => flags.push("--use-distributed-optimizer".to_owned()),
        Zero::Two => flags.extend(sharded("optim_grads")),
        Zero::Three => flags.extend(sharded("optim_grads_params")),
    }
    match layout.recompute {
        Recompute::Off => {}
        Recompute::Selective => flags.push("--recompute-granularity selective".to_owned()),
        Recompute::Full => {
            flags.push("--recompute-granularity full".to_owned());
            flags.push("--recompute-method uniform".to_owned());
            flags.push("--recompute-num-layers 1".to_owned());
        }
    }
    if layout.offload != Offload::Off {
        flags.push("--optimizer-cpu-offload".to_owned());
        // The parser asserts that the first comes with the second.
        flags.push("--use-precision-aware-optimizer".to_owned());
    }
    flags.extend(shape_flags(&job.model.shape, job.sequence_tokens));
    flags
}

/// Megatron-FSDP's flags: the parser asserts its distributed optimizer and its checkpoints' format.
fn sharded(strategy: &str) -> [String; 4] {
    [
        "--use-distributed-optimizer".to_owned(),
        "--use-megatron-fsdp".to_owned(),
        format!("--data-parallel-sharding-strategy {strategy}"),
        "--ckpt-format fsdp_dtensor".to_owned(),
    ]
}

fn shape_flags(shape: &Shape, sequence: u64) -> Vec<String> {
    let mut flags = vec![
        format!("--num-layers {}", shape.layers),
        format!("--hidden-size {}", shape.hidden),
        format!("--num-attention-heads {}", shape.attention.heads()),
        format!(
            "--max-position-embeddings {}",
            sequence.max(shape.window_tokens)
        ),
        "--normalization RMSNorm".to_owned(),
        "--position-embedding-type rope".to_owned(),
        "--swiglu".to_owned(),
        "--disable-bias-linear".to_owned(),
        "--attention-dropout 0".to_owned(),
        "--hidden-dropout 0".to_owned(),
    ];
    if !shape.tied_embeddings {
        flags.push("--untie-embeddings-and-output-weights".to_owned());
    }
    flags.extend(attention_flags(&shape.attention));
    flags.extend(feed_forward_flags(&shape.feed_forward, shape.layers));
    flags
}

fn attention_flags(attention: &Attention) -> Vec<String> {
    match attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_size,
            qkv_bias,
            qk_norm,
        } => {
            let mut flags = vec![format!("--kv-channels {head_size}")];
            if kv_heads < heads {
                flags.push("--group-query-attention".to_owned());
                flags.push(format!("--num-query-groups {kv_heads}"));
            }
            if *qkv_bias {
                flags.push("--add-qkv-bias".to_owned());
            }
            if *qk_norm {
                flags.push("--qk-layernorm".to_owned());
            }
            flags
        }
        Attention::Latent {
            query_rank,
            kv_rank,
            nope_size,
            rope_size,
            value_size,
            ..
        } => {
            let mut flags = vec!["--multi-latent-attention".to_owned()];
            flags.extend(query_rank.map(|rank| format!("--q-lora-rank {rank}")));
            flags.extend([
                format!("--kv-lora-rank {kv_rank}"),
                format!("--qk-head-dim {nope_size}"),
                format!("--qk-pos-emb-head-dim {rope_size}"),
                format!("--v-head-dim {value_size}"),
                "--qk-layernorm".to_owned(),
            ]);
            flags
        }
        Attention::Compressed(_) => Vec::new(),
    }
}

fn feed_forward_flags(feed_forward: &FeedForward, layers: u32) -> Vec<String> {
    match feed_forward {
        FeedForward::Dense { intermediate } => vec![format!("--ffn-hidden-size {intermediate}")],
        FeedForward::Experts {
            dense_layers,
            dense_intermediate,
            expert_intermediate,
            experts,
            shared_experts,
            experts_per_token,
            ..
        } => {
            let routed = layers.saturating_sub(*dense_layers);
            let mut flags = vec![
                format!("--num-experts {experts}"),
                format!("--moe-router-topk {experts_per_token}"),
                format!("--moe-ffn-hidden-size {expert_intermediate}"),
            ];
            if *dense_layers > 0 {
                flags.push(format!("--ffn-hidden-size {dense_intermediate}"));
                flags.push(format!(
                    "--moe-layer-freq '([0]*{dense_layers}+[1]*{routed})'"
                ));
            } else {
                flags.push(format!("--ffn-hidden-size {expert_intermediate}"));
            }
            if *shared_experts > 0 {
                let width = expert_intermediate * shared_experts;
                flags.push(format!("--moe-shared-expert-intermediate-size {width}"));
            }
            flags
        }
    }
}
