//! A layout as DeepSpeed's configuration.
//!
//! Keys: DeepSpeed 0.19.8 `runtime/config.py`, `runtime/zero/config.py`, `runtime/pipe`,
//! `module_inject/auto_ep_config.py`.

use serde_json::{Map, Value, json};

use super::job::{Layout, Offload, Zero};

/// The configuration file, without optimizer and learning rate, which the training script chooses.
#[must_use]
pub fn deepspeed(layout: &Layout) -> Value {
    let mut file = Map::new();
    let mut set = |key: &str, value: Value| file.insert(key.to_owned(), value);
    set("train_batch_size", json!(layout.global_batch()));
    set("train_micro_batch_size_per_gpu", json!(layout.micro_batch));
    set("gradient_accumulation_steps", json!(layout.micro_batches));
    set("bf16", json!({ "enabled": true }));
    set("zero_optimization", zero(layout));
    if layout.tensor > 1 {
        set("tensor_parallel", json!({ "autotp_size": layout.tensor }));
    }
    if layout.expert > 1 {
        set(
            "expert_parallel",
            json!({
                "enabled": true,
                "autoep_size": layout.expert,
                "expert_tensor_parallel_size": layout.expert_tensor(),
            }),
        );
    }
    if layout.pipeline > 1 {
        set(
            "pipeline",
            json!({ "stages": layout.pipeline, "partition": "uniform" }),
        );
    }
    Value::Object(file)
}

fn zero(layout: &Layout) -> Value {
    let mut zero = json!({ "stage": layout.zero.number() });
    let host = json!({ "device": "cpu", "pin_memory": true });
    if let Some(map) = zero.as_object_mut() {
        if layout.zero >= Zero::Two {
            map.insert("overlap_comm".to_owned(), json!(true));
        }
        if layout.offload != Offload::Off {
            map.insert("offload_optimizer".to_owned(), host.clone());
        }
        if layout.offload == Offload::All {
            map.insert("offload_param".to_owned(), host);
        }
    }
    zero
}
