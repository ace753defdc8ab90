//! Training held against what others print: DeepSpeed's estimator, Megatron's and Korthikanti's tables,
//! the parsers of both frameworks.

use dsk::catalog::shape::{Attention, FeedForward};
use dsk::catalog::{Catalog, Model};
use dsk::request::HardwareAsked;
use dsk::train::{
    Asked, Estimate, Fixed, Framework, Job, Kernels, Layout, Method, Offload, Plan, Recompute,
    Widths, Zero, bubble, deepspeed, flops, job, megatron, plan, train,
};
use dsk::units::{Bytes, Parameters, Tokens};
use proptest::prelude::*;

const SINGLE: Layout = Layout {
    data: 1,
    tensor: 1,
    pipeline: 1,
    expert: 1,
    zero: Zero::Off,
    micro_batch: 1,
    micro_batches: 1,
    interleave: 1,
    recompute: Recompute::Full,
    sequence_parallel: false,
    offload: Offload::Off,
};

fn asked(method: Method, framework: Framework) -> Asked {
    Asked {
        method,
        rank: None,
        targets: Vec::new(),
        framework,
        sequence_tokens: 2048,
        global_batch: Some(256),
        tokens: None,
        mfu: None,
        fixed: Fixed::default(),
    }
}

/// Runs `check` on the job that training `model` on `gpus` A100s is.
fn with_job<T>(model: &Model, asked: &Asked, check: impl Fn(&Job<'_>) -> T) -> T {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = HardwareAsked {
        gpu: Some("a100-80gb".to_owned()),
        ..HardwareAsked::default()
    };
    let hardware = hardware
        .resolve(&catalog)
        .expect("hardware")
        .expect("given");
    check(&job(&catalog, (model, asked), &hardware).expect("a job"))
}

fn model(id: &str) -> Model {
    Catalog::load(&[])
        .and_then(|catalog| catalog.model(id))
        .expect("a model")
}

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("test data")
}

fn lines(name: &str) -> Vec<String> {
    let kept = |line: &&str| !line.starts_with('#') && !line.is_empty();
    data(name).lines().filter(kept).map(str::to_owned).collect()
}

fn zero(number: &str) -> Zero {
    Zero::ALL
        .into_iter()
        .find(|zero| zero.number().to_string() == number)
        .expect("a stage")
}

fn offload(word: &str) -> Offload {
    [Offload::Off, Offload::Optimizer, Offload::All]
        .into_iter()
        .find(|offload| offload.word() == word)
        .expect("an offload")
}

/// All six variants at 8, 16 and 64 GPUs, ZeRO 2 and 3, with and without offload: every byte on the
/// device is the plan's, every byte on the host the estimate that the plan shows.
#[test]
fn model_states_are_deepspeeds_own_estimate_to_the_byte() {
    let rows = lines("deepspeed-estimates.csv");
    assert_eq!(rows.len(), 1 + 6 * 3 * 8);
    for row in rows.iter().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [
            id,
            total,
            largest,
            per_node,
            nodes,
            stage,
            off,
            init,
            host,
            device,
        ] = cells[..]
        else {
            panic!("{row}");
        };
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let layout = Layout {
            data: number(per_node) * number(nodes),
            zero: zero(stage),
            offload: offload(off),
            ..SINGLE
        };
        let question = asked(Method::Full, Framework::DeepSpeed);
        let found = with_job(&model(id), &question, |job| plan(job, &layout, None));
        assert_eq!(found.trainable.0, number(total), "{row}");
        assert_eq!(found.stages[0].states().0, number(device), "{row}");
        let estimate = Estimate {
            total: found.trainable,
            largest: Parameters(number(largest)),
            devices_per_node: number(per_node),
            nodes: number(nodes),
            zero_init: init != "false",
        };
        assert_eq!(
            estimate.host(layout.zero, layout.offload).0,
            number(host),
            "{row}"
        );
        if init != "false" {
            assert_eq!(found.host_per_node, Some(Bytes(number(host))), "{row}");
        }
    }
}

/// A model of the paper: GPT with dropout and a network four times as wide.
struct Gpt {
    name: &'static str,
    layers: u64,
    hidden: u64,
    heads: u64,
    pipeline: u64,
    micro_batch: u64,
    interleave: u64,
    /// Figure 1, GiB: parameters with optimizer; activations with nothing and with both techniques.
    states: f64,
    plain: f64,
    reduced: f64,
    /// Figure 7, per cent of tensor parallelism alone, as read off the figure.
    shares: [f64; 4],
}

/// Korthikanti et al. 2022 (arXiv 2205.05198), table 3 and figures 1 and 7; the figures' values as
/// calculon-ai/calculon @caa4b11f calculon/llm/validation.py gives them.
const GPTS: [Gpt; 4] = [
    Gpt {
        name: "22B",
        layers: 48,
        hidden: 6144,
        heads: 64,
        pipeline: 1,
        micro_batch: 4,
        interleave: 1,
        states: 45.5625,
        plain: 59.25,
        reduced: 9.5625,
        shares: [66.84, 49.42, 16.18, 7.64],
    },
    Gpt {
        name: "175B",
        layers: 96,
        hidden: 12288,
        heads: 96,
        pipeline: 8,
        micro_batch: 1,
        interleave: 3,
        states: 45.5625,
        plain: 66.84375,
        reduced: 12.351_562_5,
        shares: [62.04, 56.53, 18.49, 8.71],
    },
    Gpt {
        name: "530B",
        layers: 105,
        hidden: 20480,
        heads: 128,
        pipeline: 35,
        micro_batch: 1,
        interleave: 3,
        states: 31.640_625,
        plain: 114.023_437_5,
        reduced: 23.076_171_875,
        shares: [58.31, 62.04, 20.27, 9.42],
    },
    Gpt {
        name: "1T",
        layers: 128,
        hidden: 25600,
        heads: 160,
        pipeline: 64,
        micro_batch: 1,
        interleave: 1,
        states: 32.958_984_375,
        plain: 131.25,
        reduced: 26.5625,
        shares: [58.31, 62.04, 20.27, 9.42],
    },
];

impl Gpt {
    fn layer(&self, recompute: Recompute, sequence_parallel: bool) -> Bytes {
        let widths = Widths {
            hidden: self.hidden,
            query: self.hidden,
            key: self.hidden,
            value: self.hidden,
            attended: self.hidden,
            heads: self.heads,
            latent: 0,
            inner: 4 * self.hidden,
            dispatched: 0,
            gated: false,
            dropout: true,
            kernels: Kernels::Fused,
        };
        let layout = Layout {
            tensor: 8,
            recompute,
            sequence_parallel,
            ..SINGLE
        };
        widths
            .ledger()
            .bytes(&layout, (2048 * self.micro_batch, 2048))
    }

    /// The first stage keeps as many micro-batches as there are stages, so all layers' worth, and
    /// (p - 1)/(p v) more where it is interleaved.
    fn first_stage(&self, layer: Bytes) -> Bytes {
        let all = layer * self.layers;
        if self.interleave == 1 {
            return all;
        }
        all + (all * (self.pipeline - 1)).share(self.pipeline * self.interleave)
    }
}

#[test]
fn activations_are_korthikantis_to_the_byte() {
    for gpt in GPTS {
        let plain = gpt.first_stage(gpt.layer(Recompute::Off, false));
        assert_eq!(plain, Bytes::from_gib(gpt.plain), "{}", gpt.name);
        let reduced = gpt.first_stage(gpt.layer(Recompute::Selective, true));
        assert_eq!(reduced, Bytes::from_gib(gpt.reduced), "{}", gpt.name);
    }
}

/// What autograd saved in one `LlamaDecoderLayer` of Transformers 5.24.0 on PyTorch 2.15.0 (CPU, BF16,
/// scaled-dot-product attention), less the rotary tables that all layers share: measured with
/// `torch.autograd.graph.saved_tensors_hooks`, each storage once, weights left out.
#[test]
fn an_unfused_layer_keeps_what_pytorch_saves() {
    // Key-value heads of 16, tokens of a sequence, bytes saved, bytes of the tables.
    let measured = [(16, 512, 47_915_008, 131_072), (4, 384, 33_576_960, 98_304)];
    for (kv_heads, sequence, saved, tables) in measured {
        let widths = Widths {
            hidden: 1024,
            query: 1024,
            key: kv_heads * 64,
            value: kv_heads * 64,
            attended: 1024,
            heads: 16,
            latent: 0,
            inner: 2752,
            dispatched: 0,
            gated: true,
            dropout: false,
            kernels: Kernels::Eager,
        };
        let layout = Layout {
            recompute: Recompute::Selective,
            ..SINGLE
        };
        let kept = widths.ledger().bytes(&layout, (2 * sequence, sequence));
        assert_eq!(kept, Bytes(saved - tables));
    }
}

/// The shares were read off a figure's bars: up to 0.15 of a percentage point beside the formula.
#[test]
fn each_technique_saves_what_figure_7_shows() {
    for gpt in GPTS {
        let whole = gpt.layer(Recompute::Off, false).as_f64();
        let layers = [
            gpt.layer(Recompute::Off, true),
            gpt.layer(Recompute::Selective, false),
            gpt.layer(Recompute::Selective, true),
            gpt.layer(Recompute::Full, false),
        ];
        for (layer, published) in layers.into_iter().zip(gpt.shares) {
            let share = 100.0 * layer.as_f64() / whole;
            // Full recomputation keeps 2sbh on each device: not divided, as in the figure.
            assert!(
                (share - published).abs() < 0.15,
                "{}: {share} {published}",
                gpt.name
            );
        }
    }
}

/// 12 h^2 parameters a layer over the devices of one replica, 18 bytes each in Megatron's way.
#[test]
fn megatrons_states_are_figure_1s() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let recipe = &catalog.training().expect("training").recipe.megatron;
    let bytes = recipe.weights + recipe.gradients + recipe.gradient_copy + recipe.optimizer;
    for gpt in GPTS {
        let parameters = 12 * gpt.layers * gpt.hidden * gpt.hidden / (8 * gpt.pipeline);
        assert_eq!(
            Bytes(parameters * bytes),
            Bytes::from_gib(gpt.states),
            "{}",
            gpt.name
        );
    }
}

/// GPT's layer as a gated one of the same 12 h^2 parameters, with the paper's tied vocabulary.
fn gpt_shaped(hidden: u64, heads: u64, layers: u32) -> Model {
    let mut model = model("6.7b");
    model.shape.hidden = hidden;
    model.shape.layers = layers;
    model.shape.vocabulary = 51_200;
    model.shape.tied_embeddings = true;
    model.shape.attention = Attention::Grouped {
        heads,
        kv_heads: heads,
        head_size: hidden / heads,
        qkv_bias: false,
        qk_norm: false,
    };
    model.shape.feed_forward = FeedForward::Dense {
        intermediate: hidden * 8 / 3,
    };
    model
}

/// Table 5 of the paper: iteration times of 1.10 s on 8 and 13.75 s on 64 A100 with batches of 4 and
/// 64 sequences are 41.5% and 51.4% of model FLOPs, 43.7% and 52.8% of hardware FLOPs; the times
/// have three and four digits.
#[test]
fn utilisation_is_the_papers() {
    let runs = [
        (gpt_shaped(6144, 64, 48), (4, 8, 1.10), (41.5, 43.7)),
        (gpt_shaped(12288, 96, 96), (64, 64, 13.75), (51.4, 52.8)),
    ];
    for (model, (batch, devices, seconds), (mfu, hfu)) in runs {
        let counted = flops(&model.shape, 2048, Recompute::Selective).expect("counted");
        let tokens = f64::from(batch * 2048);
        let peak = 312e12 * f64::from(devices) * seconds;
        let model_share = 100.0 * counted.model() * tokens / peak;
        let hardware_share = 100.0 * counted.hardware() * tokens / peak;
        assert!((model_share - mfu).abs() < 0.3, "{model_share} {mfu}");
        assert!((hardware_share - hfu).abs() < 0.3, "{hardware_share} {hfu}");
    }
}

/// LoRA (Hu et al. 2021, arXiv 2106.09685), table 4: rank 8 and 1 on GPT-3's query and value are
/// 37.7 and 4.7 million.
#[test]
fn adapters_of_gpt_3_are_the_papers() {
    let model = gpt_shaped(12288, 96, 96);
    for (rank, published) in [(8, 37_748_736), (1, 4_718_592)] {
        let question = Asked {
            rank: Some(rank),
            targets: vec!["q_proj".to_owned(), "v_proj".to_owned()],
            ..asked(Method::Lora, Framework::DeepSpeed)
        };
        let found = with_job(&model, &question, |job| plan(job, &SINGLE, None));
        assert_eq!(found.trainable.0, published);
    }
}

/// Narayanan et al. 2021 (arXiv 2104.04473), section 2.2: (p - 1)/m, and a v-th of it interleaved.
#[test]
fn the_bubble_is_narayanans() {
    let layout = Layout {
        pipeline: 4,
        micro_batches: 8,
        ..SINGLE
    };
    let whole = bubble(&layout);
    assert!((whole - 0.375).abs() < 1e-12);
    let interleaved = bubble(&Layout {
        interleave: 2,
        ..layout
    });
    assert!((interleaved - whole / 2.0).abs() < 1e-12);
}

/// 180,000 H800 hours for a trillion tokens of V3 (arXiv 2412.19437), at the rate that the catalog keeps.
#[test]
fn v3_takes_the_hours_that_its_report_says() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = HardwareAsked {
        gpu: Some("h800".to_owned()),
        count: Some(2048),
        ..HardwareAsked::default()
    };
    let hardware = hardware
        .resolve(&catalog)
        .expect("hardware")
        .expect("given");
    let question = Asked {
        sequence_tokens: 4096,
        global_batch: Some(15_360),
        tokens: Some(Tokens(1_000_000_000_000)),
        ..asked(Method::Full, Framework::DeepSpeed)
    };
    let answer = train(&catalog, &model("v3"), &question, &hardware).expect("an answer");
    let hours = answer.time.expect("a time").value * 2048.0 / 3600.0;
    assert!((hours / 180_000.0 - 1.0).abs() < 0.005, "{hours}");
}

#[test]
fn the_articles_example_does_not_fit() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for gpu in ["a100-80gb", "a100-40gb"] {
        let hardware = HardwareAsked {
            gpu: Some(gpu.to_owned()),
            count: Some(16),
            ..HardwareAsked::default()
        };
        let hardware = hardware
            .resolve(&catalog)
            .expect("hardware")
            .expect("given");
        let question = asked(Method::Full, Framework::Megatron);
        let answer = train(&catalog, &model("65b"), &question, &hardware).expect("an answer");
        let article = answer.article.expect("sixteen devices");
        assert_eq!(article.fits, Some(false));
        // 6 + 12/4 bytes of a quarter of the parameters: the distributed optimizer.
        let states = article
            .stages
            .iter()
            .map(dsk::train::Stage::states)
            .max()
            .expect("stages");
        assert!(
            states > Bytes::from_gib(130.0) && states < Bytes::from_gib(140.0),
            "{states}"
        );
        assert_eq!(answer.better.is_empty(), gpu == "a100-40gb");
    }
}

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

fn any_layout() -> impl Strategy<Value = (usize, usize, u64, u64, u64, usize)> {
    (
        0_usize..6,
        0_usize..3,
        1_u64..6,
        0_u64..4,
        0_u64..3,
        0_usize..3,
    )
}

fn case(
    (number, method, data, tensor, micro, recompute): (usize, usize, u64, u64, u64, usize),
) -> (Model, Asked, Layout) {
    let id = ["1.3b", "6.7b", "13b", "33b", "65b", "175b"][number];
    let method = [Method::Full, Method::Lora, Method::Qlora][method];
    let layout = Layout {
        data: 2_u64 << data,
        tensor: 1 << tensor,
        micro_batch: 1 << micro,
        recompute: Recompute::ALL[recompute],
        ..SINGLE
    };
    (model(id), asked(method, Framework::DeepSpeed), layout)
}

fn share(found: &Plan) -> Bytes {
    found.fullest().expect("a stage").total()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_zero_never_needs_more(chosen in any_layout()) {
        let (model, question, layout) = case(chosen);
        let needs: Vec<Bytes> = with_job(&model, &question, |job| {
            Zero::ALL.map(|zero| share(&plan(job, &Layout { zero, ..layout }, None))).to_vec()
        });
        prop_assert!(needs.is_sorted_by(|less, more| less >= more), "{:?}", needs);
    }

    #[test]
    fn more_replicas_never_grow_a_share(chosen in any_layout(), stage in 0_usize..4) {
        let (model, question, layout) = case(chosen);
        let layout = Layout { zero: Zero::ALL[stage], ..layout };
        let (fewer, more) = with_job(&model, &question, |job| {
            (plan(job, &layout, None), plan(job, &Layout { data: 2 * layout.data, ..layout }, None))
        });
        prop_assert!(share(&more) <= share(&fewer));
    }

    #[test]
    fn parts_sum_to_the_total(chosen in any_layout(), stages in 1_u64..5) {
        let (model, question, layout) = case(chosen);
        let layout = Layout { pipeline: stages, micro_batches: 8, zero: Zero::One, ..layout };
        let found = with_job(&model, &question, |job| plan(job, &layout, None));
        let mut layers = 0;
        for stage in &found.stages {
            let activations = stage.activations.expect("known");
            let parts = stage.weights + stage.gradients + stage.optimizer + activations;
            prop_assert_eq!(parts, stage.total());
            prop_assert_eq!(stage.layers.start, layers);
            layers = stage.layers.end;
        }
        prop_assert_eq!(layers, model.shape.layers);
    }
}
