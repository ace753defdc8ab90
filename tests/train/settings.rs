//! What is emitted: known to the frameworks' parsers, and what was calculated.

use dsk::train::{Framework, Layout, Method, Offload, Recompute, Zero, deepspeed, megatron, plan};

use super::{SINGLE, asked, lines, model, with_job};

fn keys(prefix: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{prefix}{key}");
        keys(&format!("{path}."), inner, found);
        found.push(path);
    }
}

#[test]
fn deepspeed_knows_every_key() {
    let known = lines("deepspeed-keys.txt");
    let layout = Layout {
        tensor: 2,
        pipeline: 2,
        expert: 2,
        zero: Zero::Three,
        offload: Offload::All,
        ..SINGLE
    };
    let mut found = Vec::new();
    keys("", &deepspeed(&layout), &mut found);
    assert!(found.len() > 10);
    for key in found {
        assert!(known.contains(&key), "{key}");
    }
}

#[test]
fn megatron_knows_every_flag() {
    let rows = lines("megatron-flags.csv");
    let layouts = [
        SINGLE,
        Layout {
            zero: Zero::One,
            recompute: Recompute::Selective,
            offload: Offload::Optimizer,
            ..SINGLE
        },
        Layout {
            zero: Zero::Two,
            expert: 2,
            interleave: 2,
            sequence_parallel: true,
            ..SINGLE
        },
        Layout {
            zero: Zero::Three,
            ..SINGLE
        },
    ];
    for id in [
        "6.7b",
        "33b",
        "175b",
        "v2-lite",
        "v3",
        "DeepSeek-R1-Distill-Qwen-14B",
        "deepseek-r1-0528-qwen3-8b",
    ] {
        for layout in layouts {
            let question = asked(Method::Full, Framework::Megatron);
            for flag in with_job(&model(id), &question, |job| megatron(job, &layout)) {
                let mut words = flag.split(' ');
                let name = words.next().expect("a flag");
                let values: Vec<&str> = words.collect();
                let row = rows
                    .iter()
                    .find(|row| row.split(',').next() == Some(name))
                    .unwrap_or_else(|| panic!("{name} is unknown"));
                let cells: Vec<&str> = row.split(',').collect();
                assert_eq!(values.len(), usize::from(cells[1] != "none"), "{flag}");
                if !cells[2].is_empty() {
                    assert!(
                        cells[2].split('|').any(|choice| choice == values[0]),
                        "{flag}"
                    );
                }
            }
        }
    }
}

/// A model's experts: layers that have them, experts, inner width, hidden width.
const EXPERTS: [(&str, [u64; 4]); 2] = [
    ("v2-lite", [26, 64, 1408, 2048]),
    ("v3", [58, 256, 2048, 7168]),
];

/// Bytes of a device's routed experts in 16 bits, as the emitted sizes divide them.
fn emitted([layers, experts, inner, hidden]: [u64; 4], (expert, tensor): (u64, u64)) -> u64 {
    2 * layers * (experts / expert) * 3 * (inner / tensor) * hidden
}

/// What the weights of a device are with all experts less what they are with fewer is what the emitted sizes say.
#[test]
fn the_emitted_sizes_are_the_calculated_ones() {
    for (id, shape) in EXPERTS {
        let model = model(id);
        for framework in [Framework::DeepSpeed, Framework::Megatron] {
            let question = asked(Method::Full, framework);
            for (tensor, expert) in [(1, 1), (1, 2), (1, 8), (2, 1), (2, 8), (4, 1), (4, 4)] {
                let of = |expert| Layout {
                    data: 16 / tensor,
                    tensor,
                    expert,
                    sequence_parallel: tensor > 1 && framework == Framework::Megatron,
                    ..SINGLE
                };
                let (sizes, weights, least, faults) = with_job(&model, &question, |job| {
                    let sizes = match framework {
                        Framework::DeepSpeed => of_deepspeed(&deepspeed(&of(expert))),
                        Framework::Megatron => of_megatron(&megatron(job, &of(expert))),
                    };
                    let found = plan(job, &of(expert), None);
                    let least = plan(job, &of(16), None).stages[0].weights;
                    (sizes, found.stages[0].weights, least, found.faults)
                });
                let refused = framework == Framework::DeepSpeed && tensor > 1;
                assert_eq!(faults.len(), usize::from(refused), "{id} {faults:?}");
                let more = emitted(shape, sizes) - emitted(shape, (16, 1));
                assert_eq!(
                    weights.0 - least.0,
                    more,
                    "{id} {framework:?} {tensor} {expert}"
                );
            }
        }
    }
}

/// Expert and expert tensor parallelism of the file; without expert parallelism tensor parallelism divides experts.
fn of_deepspeed(file: &serde_json::Value) -> (u64, u64) {
    let number = |part: &str, key: &str| file[part][key].as_u64().unwrap_or(1);
    if file["expert_parallel"]["enabled"] == true {
        (
            number("expert_parallel", "autoep_size"),
            number("expert_parallel", "expert_tensor_parallel_size"),
        )
    } else {
        (1, number("tensor_parallel", "autotp_size"))
    }
}

/// Expert and expert tensor parallelism of the flags.
fn of_megatron(flags: &[String]) -> (u64, u64) {
    let number = |name: &str| {
        let flag = flags.iter().find_map(|flag| flag.strip_prefix(name));
        flag.expect(name).trim().parse().expect("a number")
    };
    (
        number("--expert-model-parallel-size"),
        number("--expert-tensor-parallel-size"),
    )
}

/// What Megatron-LM d98e8a64 `megatron/training/arguments.py` asserts of flags that come together.
#[test]
fn megatrons_flags_come_with_what_they_need() {
    let question = asked(Method::Full, Framework::Megatron);
    let layout = Layout {
        data: 8,
        zero: Zero::Three,
        offload: Offload::Optimizer,
        ..SINGLE
    };
    let flags = with_job(&model("v2-lite"), &question, |job| megatron(job, &layout));
    for needed in [
        "--use-megatron-fsdp",
        "--ckpt-format fsdp_dtensor",
        "--optimizer-cpu-offload",
        "--use-precision-aware-optimizer",
    ] {
        assert!(flags.iter().any(|flag| flag == needed), "{needed}");
    }
}
