//! Which splits an engine starts with, and why it refuses the others.

mod replica;
mod widths;

use super::hardware::Hardware;
use super::load::{Load, Split};
use crate::catalog::shape::{Attention, FeedForward, Shape};
use crate::catalog::{Allocator, Engine};
use widths::widths;

pub use replica::replica;

/// Why an engine does not start with a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegal {
    /// The reason, with the numbers in it.
    pub reason: String,
    /// The engine's own check.
    pub source: &'static str,
}

/// Every way to put so many devices to use: tensor x pipeline x data, and the experts over any part of
/// the devices that share a layer.
#[must_use]
pub fn splits(shape: &Shape, devices: u64) -> Vec<Split> {
    let has_experts = matches!(shape.feed_forward, FeedForward::Experts { .. });
    let mut all = Vec::new();
    for tensor in divisors(devices) {
        for pipeline in divisors(devices / tensor) {
            let data = devices / tensor / pipeline;
            for expert in divisors(tensor * data) {
                if expert == 1 || has_experts {
                    all.push(Split {
                        tensor,
                        pipeline,
                        data,
                        expert,
                    });
                }
            }
        }
    }
    all
}

fn divisors(number: u64) -> Vec<u64> {
    (1..=number)
        .filter(|divisor| number.is_multiple_of(*divisor))
        .collect()
}

/// The split of `load`, with tensor parallelism only as far as its engine starts with it and a server reaches;
/// the rest of those devices become stages. As it is where nothing of that kind starts.
#[must_use]
pub fn startable(load: &Load<'_>) -> Split {
    let given = load.split;
    if given.tensor == 1 {
        return given;
    }
    let node = load
        .hardware
        .and_then(Hardware::per_node)
        .unwrap_or(u64::MAX);
    divisors(given.tensor)
        .into_iter()
        .rev()
        .filter(|tensor| *tensor <= node)
        .map(|tensor| Split {
            tensor,
            pipeline: given.pipeline * (given.tensor / tensor),
            ..given
        })
        .find(|split| {
            check(&Load {
                split: *split,
                ..*load
            })
            .is_ok()
        })
        .unwrap_or(given)
}

/// Whether the engine of `load` starts with its split.
///
/// # Errors
/// The first of the engine's checks that fails.
pub fn check(load: &Load<'_>) -> Result<(), Illegal> {
    let (shape, split) = (&load.model.shape, load.split);
    if split.pipeline > u64::from(shape.layers) {
        return refused(
            format!(
                "{} layers are fewer than {} stages",
                shape.layers, split.pipeline
            ),
            "vLLM 0.24 distributed/utils.py, get_pp_indices",
        );
    }
    if split.pipeline > 1 && reads_across_layers(shape) {
        return refused(
            "a stage would read compressed entries that another stage keeps, which is not calculated".to_owned(),
            "deepseek-ai/DeepSeek-V4.1-Flash inference/model.py: layers read the entries of those that own them",
        );
    }
    let Some(engine) = load.engine else {
        return Ok(());
    };
    match engine.allocator {
        Allocator::LlamaCpp => whole_layers(
            engine,
            split,
            "ggml-org/llama.cpp tools/server/README.md, --split-mode layer",
        ),
        Allocator::Transformers => {
            whole_layers(engine, split, "Hugging Face Accelerate, device_map")
        }
        Allocator::Vllm => {
            vllm_experts(shape, split)?;
            heads(shape, split.tensor)?;
            widths(load)
        }
        Allocator::Sglang => {
            sglang_experts(shape, split)?;
            heads(shape, split.tensor)?;
            widths(load)
        }
    }
}

/// Whether layers read what others cache (V4.1).
fn reads_across_layers(shape: &Shape) -> bool {
    match &shape.attention {
        Attention::Compressed(attention) => attention.shared.is_some(),
        Attention::Grouped { .. } | Attention::Latent { .. } => false,
    }
}

fn refused<T>(reason: String, source: &'static str) -> Result<T, Illegal> {
    Err(Illegal { reason, source })
}

/// Engines whose devices hold whole layers.
fn whole_layers(engine: &Engine, split: Split, source: &'static str) -> Result<(), Illegal> {
    let name = &engine.name;
    if split.data > 1 {
        return refused(
            format!("one {name} runs one copy of the model; replicas are further processes"),
            source,
        );
    }
    if split.tensor > 1 || split.expert > 1 {
        return refused(
            format!(
                "{name} is calculated with whole layers on each device, as it lays them by default"
            ),
            source,
        );
    }
    Ok(())
}

/// vLLM's experts lie over all devices of a stage or are cut like other layers; nothing between.
fn vllm_experts(shape: &Shape, split: Split) -> Result<(), Illegal> {
    const SOURCE: &str = "vLLM 0.24 fused_moe/config.py, FusedMoEParallelConfig.make";
    if split.expert > 1 && split.expert != split.sharing() {
        return refused(
            format!(
                "vLLM's expert parallelism takes all {} devices of tensor x data, not {}",
                split.sharing(),
                split.expert
            ),
            SOURCE,
        );
    }
    enough_experts(shape, split, SOURCE)
}

/// SGLang's experts divide evenly, and replicas share them only with latent attention.
fn sglang_experts(shape: &Shape, split: Split) -> Result<(), Illegal> {
    let FeedForward::Experts { experts, .. } = shape.feed_forward else {
        return Ok(());
    };
    if !experts.is_multiple_of(split.expert) {
        return refused(
            format!(
                "{experts} experts over {} devices leave a rest",
                split.expert
            ),
            "SGLang 0.5.23 layers/moe/fused_moe_triton/layer.py, num_experts % moe_ep_size",
        );
    }
    if split.data > 1 && super::sglang::attention_replicas(shape, &split) == 1 {
        return refused(
            "SGLang's replicas share experts only under data-parallel attention, which is for latent attention".to_owned(),
            "SGLang 0.5.23 server_args.py, enable_dp_attention",
        );
    }
    enough_experts(
        shape,
        split,
        "SGLang 0.5.23 layers/moe/fused_moe_triton/layer.py",
    )
}

fn enough_experts(shape: &Shape, split: Split, source: &'static str) -> Result<(), Illegal> {
    match shape.feed_forward {
        FeedForward::Experts { experts, .. } if split.expert > experts => refused(
            format!("{experts} experts are fewer than {} devices", split.expert),
            source,
        ),
        FeedForward::Experts { .. } | FeedForward::Dense { .. } => Ok(()),
    }
}

/// Query heads divide; key-value heads divide or are repeated evenly.
fn heads(shape: &Shape, tensor: u64) -> Result<(), Illegal> {
    let heads = shape.attention.heads();
    if !heads.is_multiple_of(tensor) {
        return refused(
            format!("{heads} attention heads over {tensor} devices leave a rest"),
            "vLLM 0.24 config/model.py, verify_with_parallel_config; SGLang asserts the same",
        );
    }
    match &shape.attention {
        Attention::Grouped { kv_heads, .. }
            if !kv_heads.is_multiple_of(tensor) && !tensor.is_multiple_of(*kv_heads) =>
        {
            refused(
                format!(
                    "{kv_heads} key-value heads neither divide over {tensor} devices nor repeat evenly"
                ),
                "vLLM 0.24 models/llama.py, LlamaAttention; SGLang asserts the same",
            )
        }
        Attention::Compressed(attention) if !attention.output_groups.is_multiple_of(tensor) => {
            refused(
                format!(
                    "{} groups of the output projection over {tensor} devices leave a rest",
                    attention.output_groups
                ),
                "vLLM 0.24 models/deepseek_v4/attention.py, n_local_groups",
            )
        }
        Attention::Grouped { .. } | Attention::Latent { .. } | Attention::Compressed(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calc::load::Options;
    use crate::catalog::find::find;
    use crate::catalog::{Catalog, KvFormat, Model};
    use crate::units::Tokens;

    fn reason(name: &str, engine: &str, format: &str, split: [u64; 4]) -> Option<String> {
        let catalog = Catalog::load(&[]).expect("catalog");
        let model: Model = catalog.model(name).expect("model");
        let [tensor, pipeline, data, expert] = split;
        let load = Load {
            model: &model,
            format: find(catalog.formats().expect("formats"), format).expect("format"),
            kv: KvFormat::F16,
            context: Tokens(4096),
            sequences: 1,
            engine: Some(find(catalog.engines().expect("engines"), engine).expect("engine")),
            hardware: None,
            split: Split {
                tensor,
                pipeline,
                data,
                expert,
            },
            options: Options::default(),
            explain: false,
        };
        check(&load).err().map(|illegal| illegal.reason)
    }

    /// sgl-project/sglang#3345: R1 does not start over 32 devices, an inner width of 18432 over 32 is 576, which
    /// blocks of 128 do not divide.
    #[test]
    fn blocks_of_fp8_stay_whole() {
        let found = reason("r1", "sglang", "fp8-block", [32, 1, 1, 32]);
        assert!(
            found
                .expect("refused")
                .contains("of 18432 over 32 devices is 576")
        );
        assert_eq!(reason("r1", "sglang", "bf16", [32, 1, 1, 32]), None);
        assert_eq!(reason("r1", "vllm", "fp8-block", [16, 1, 1, 1]), None);
    }

    /// vLLM: "Total number of attention heads (28) must be divisible by tensor parallel size (8)"; R1-Distill-Qwen-7B
    /// has 28 heads on 4.
    #[test]
    fn heads_divide() {
        let found = reason("deepseek-r1-distill-qwen-7b", "vllm", "bf16", [8, 1, 1, 1]);
        assert!(found.expect("refused").contains("28 attention heads"));
        assert_eq!(
            reason("deepseek-r1-distill-qwen-7b", "vllm", "bf16", [4, 2, 1, 1]),
            None
        );
    }

    /// `FusedMoEParallelConfig.make`: with experts on, tensor 2 and data 2 make 4 devices of experts.
    #[test]
    fn experts_lie_over_all_devices_of_a_stage_in_vllm_and_any_part_in_sglang() {
        assert_eq!(reason("v3", "vllm", "fp8-block", [2, 1, 2, 4]), None);
        assert_eq!(reason("v3", "vllm", "fp8-block", [1, 1, 8, 8]), None);
        assert!(reason("v3", "vllm", "fp8-block", [8, 1, 1, 4]).is_some());
        assert_eq!(reason("v3", "sglang", "fp8-block", [8, 1, 1, 4]), None);
        assert!(reason("deepseek-moe-16b", "sglang", "bf16", [1, 1, 2, 2]).is_some());
    }

    /// 33b has 56 heads, R1-Distill-Qwen-7B 28 on 4.
    #[test]
    fn devices_that_heads_do_not_divide_over_become_stages() {
        let catalog = Catalog::load(&[]).expect("catalog");
        let of = |name: &str, tensor| {
            let model = catalog.model(name).expect("model");
            let load = Load {
                model: &model,
                format: find(catalog.formats().expect("formats"), "bf16").expect("format"),
                kv: KvFormat::F16,
                context: Tokens(4096),
                sequences: 1,
                engine: Some(find(catalog.engines().expect("engines"), "vllm").expect("engine")),
                hardware: None,
                split: Split {
                    tensor,
                    ..Split::SINGLE
                },
                options: Options::default(),
                explain: false,
            };
            let split = startable(&load);
            [split.tensor, split.pipeline]
        };
        assert_eq!(of("33b", 8), [8, 1]);
        assert_eq!(of("33b", 3), [1, 3]);
        assert_eq!(of("33b", 6), [2, 3]);
        assert_eq!(of("33b", 16), [8, 2]);
        assert_eq!(of("deepseek-r1-distill-qwen-7b", 8), [4, 2]);
    }

    #[test]
    fn llama_cpp_lays_whole_layers() {
        assert_eq!(reason("v3", "llama.cpp", "q4_k_m", [1, 8, 1, 1]), None);
        assert!(reason("v3", "llama.cpp", "q4_k_m", [8, 1, 1, 1]).is_some());
        assert!(reason("v3", "llama.cpp", "q4_k_m", [1, 100, 1, 1]).is_some());
    }

    #[test]
    fn every_split_takes_all_devices() {
        let catalog = Catalog::load(&[]).expect("catalog");
        let experts = splits(&catalog.model("v3").expect("model").shape, 8);
        assert!(experts.iter().all(|split| split.devices() == 8));
        let dense = splits(&catalog.model("6.7b").expect("model").shape, 8);
        assert_eq!(dense.len(), 10);
        assert!(experts.len() > dense.len());
    }
}
