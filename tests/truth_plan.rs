//! What servers print when the same model is split in different ways.

use dsk::calc::estimate::capacity;
use dsk::calc::estimate::estimate;
use dsk::calc::load::LayerSplit;
use dsk::catalog::Catalog;
use dsk::plan::{Goal, Wish, choose, plan};
use dsk::request::{Asked, HardwareAsked, Request, SplitAsked};

/// How far the printed concurrency may lie from ours: the run is of vLLM 0.25, the memory model of 0.24.
const OFF: f64 = 0.025;

/// vllm-project/recipes#762 and vllm-project/vllm#51454: DeepSeek-V4-Flash-0731 on 8 B200 with vLLM 0.25, FP8 cache,
/// 0.95 of the memory, 8,192 batched tokens: "20.43x max concurrency at 1M context" with tensor and expert parallelism
/// of 8, "156.9x" with data and expert parallelism of 8.
#[test]
fn replicas_hold_what_vllm_says_they_hold() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for (tensor, data, printed) in [(8, 1, 20.43), (1, 8, 156.9)] {
        let hardware = HardwareAsked {
            gpu: Some("8xb200".to_owned()),
            ..HardwareAsked::default()
        };
        let hardware = hardware.resolve(&catalog).expect("hardware");
        let mut asked = Asked {
            kv: Some("fp8_ds_mla".to_owned()),
            context: Some(1 << 20),
            engine: Some("vllm".to_owned()),
            split: SplitAsked {
                tensor: Some(tensor),
                pipeline: Some(1),
                data: Some(data),
                expert: Some(8),
            },
            ..Asked::default()
        };
        asked.options.utilization = Some(0.95);
        asked.options.batched_tokens = Some(8192);
        let model = catalog.model("deepseek-v4-flash-0731").expect("a model");
        let request = Request::resolve(&catalog, model, hardware, &asked).expect("a question");
        let held = capacity(&request.load())
            .expect("an answer")
            .expect("hardware");
        let concurrency = held.kv_tokens.as_f64() / f64::from(1 << 20);
        let off = concurrency / printed - 1.0;
        assert!(
            off.abs() < OFF,
            "tensor {tensor}, data {data}: {concurrency}"
        );
    }
}

/// DeepSeek-V3 in FP8 on 8 H200: what vLLM's and SGLang's guides start it with.
#[test]
fn v3_is_served_by_eight_devices_for_one_and_by_eight_replicas_for_many() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = HardwareAsked {
        gpu: Some("8xh200".to_owned()),
        ..HardwareAsked::default()
    };
    let hardware = hardware.resolve(&catalog).expect("hardware");
    let asked = Asked {
        engine: Some("vllm".to_owned()),
        ..Asked::default()
    };
    let model = catalog.model("v3").expect("a model");
    let request = Request::resolve(&catalog, model, hardware, &asked).expect("a question");
    let best = |goal| {
        let wish = Wish::of(&catalog, &request, goal).expect("a wish");
        choose(&catalog, &request, &wish)
            .expect("an answer")
            .expect("it fits")
            .request
            .split
    };
    let latency = best(Goal::Latency);
    assert_eq!((latency.tensor, latency.data, latency.expert), (8, 1, 1));
    let throughput = best(Goal::Throughput);
    assert_eq!(
        (throughput.tensor, throughput.data, throughput.expert),
        (1, 8, 8)
    );

    let wish = Wish::of(&catalog, &request, Goal::Latency).expect("a wish");
    let answer = plan(&catalog, &request, &wish).expect("an answer");
    let tokens = |tensor, data| {
        let found = answer.plans.iter().find(|plan| {
            let split = plan.request.split;
            (split.tensor, split.data, split.pipeline) == (tensor, data, 1)
        });
        found.and_then(|plan| plan.held).expect("held").kv_tokens
    };
    assert!(
        tokens(1, 8) > tokens(8, 1) * 3,
        "tensor parallelism keeps one cache eight times"
    );
}

/// Nothing is chosen where nothing fits, and the reason says by how much.
#[test]
fn what_does_not_fit_says_by_how_much() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = HardwareAsked {
        gpu: Some("8xh100".to_owned()),
        ..HardwareAsked::default()
    };
    let hardware = hardware.resolve(&catalog).expect("hardware");
    let model = catalog.model("v3").expect("a model");
    let request =
        Request::resolve(&catalog, model, hardware, &Asked::default()).expect("a question");
    let wish = Wish::of(&catalog, &request, Goal::Latency).expect("a wish");
    let nearest = choose(&catalog, &request, &wish)
        .expect("an answer")
        .expect_err("it does not fit");
    assert!(nearest.short_by.is_some_and(|bytes| bytes.gib() > 1.0));
}

/// With experts in host memory, no split of the layers over both cards and no fewer layers' experts there fit; the
/// layers that the plan prints as `--tensor-split` are what each card holds.
#[test]
fn no_split_leaves_fewer_experts_with_the_host() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for (name, gpu, format) in [
        ("r1", "2x4090", "iq3_s"),
        ("v3", "5090,4090", "q4_k_m"),
        ("v2", "2xrtx-3060", "q4_k_m"),
        ("coder-v2", "4090", "q4_k_m"),
    ] {
        let hardware = HardwareAsked {
            gpu: Some(gpu.to_owned()),
            ram_gb: Some(512.0),
            ..HardwareAsked::default()
        };
        let hardware = hardware.resolve(&catalog).expect("hardware");
        let asked = Asked {
            format: Some(format.to_owned()),
            engine: Some("llama.cpp".to_owned()),
            ..Asked::default()
        };
        let model = catalog.model(name).expect("a model");
        let request = Request::resolve(&catalog, model, hardware, &asked).expect("a question");
        let wish = Wish::of(&catalog, &request, Goal::Latency).expect("a wish");
        let best = choose(&catalog, &request, &wish)
            .expect("an answer")
            .expect("it fits");
        let options = best.request.options;
        assert!(
            options.host_experts > 0,
            "{name} leaves experts with the host"
        );
        let again = estimate(&best.request.load()).expect("an estimate");
        assert_eq!(again, best.estimate, "{name}");
        let layers = request.model.shape.layers + 1;
        let devices = best
            .request
            .hardware
            .as_ref()
            .map_or(1, |all| all.devices.len());
        let split = options.layer_split.map(|split| split.parts().to_vec());
        assert_eq!(split.is_some(), devices > 1, "{name}");
        if let Some(split) = &split {
            assert_eq!(split.iter().sum::<u32>(), layers, "{name}: {split:?}");
            let placed = best.placement.iter().take(devices);
            let held: Vec<u32> = placed
                .map(|placed| placed.layers.1 - placed.layers.0)
                .collect();
            assert_eq!(held[0], split[0], "{name}");
        }
        let mut fewer = best.request.clone();
        fewer.options.host_experts = options.host_experts - 1;
        for first in 0..=layers {
            if devices > 1 {
                fewer.options.layer_split = LayerSplit::of(&[first, layers - first]);
            }
            let found = estimate(&fewer.load()).expect("an estimate");
            assert_eq!(
                found.fits,
                Some(false),
                "{name}: {first} layers on the first"
            );
        }
    }
}
