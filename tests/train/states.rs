//! Model states against DeepSpeed's estimator, Megatron's estimate and published figures.

use dsk::catalog::shape::Attention;
use dsk::catalog::{Catalog, Model};
use dsk::train::{
    Asked, Estimate, Framework, Layout, Method, Offload, Plan, Stage, Zero, plan, train,
};
use dsk::units::{Bytes, Parameters};

use super::{GPTS, SINGLE, asked, gpt_shaped, hardware, lines, model, with_job};

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

/// All six variants, V2-Lite and V3 at 8, 16 and 64 GPUs, ZeRO 2 and 3, with and without offload: every byte on the
/// device is the plan's, every byte on the host the estimate that the plan shows.
#[test]
fn model_states_are_deepspeeds_own_estimate_to_the_byte() {
    let rows = lines("deepspeed-estimates.csv");
    assert_eq!(rows.len(), 1 + 8 * 3 * 8);
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

/// Parameters a layer that tensor parallelism leaves whole on every device, which Megatron's estimate divides: the
/// down projections of latent attention and the norms of their latents (`parallel_mode = 'duplicated'` in
/// Megatron-LM d98e8a64 `megatron/core/transformer/multi_latent_attention.py`).
fn duplicated(model: &Model) -> u64 {
    match &model.shape.attention {
        Attention::Latent {
            query_rank,
            kv_rank,
            rope_size,
            ..
        } => {
            let hidden = model.shape.hidden;
            let query = query_rank.unwrap_or(0);
            query * (hidden + 1) + kv_rank * (hidden + 1) + rope_size * hidden
        }
        Attention::Grouped { .. } | Attention::Compressed(_) => 0,
    }
}

/// 6.7B, V2-Lite and V3 by tensor and expert parallelism, with and without the distributed optimizer.
#[test]
fn model_states_are_megatrons_own_estimate() {
    let rows = lines("megatron-estimates.csv");
    assert_eq!(rows.len(), 1 + 2 * (4 + 4 * 4 + 3 * 4));
    for row in rows.iter().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [id, data, tensor, expert, expert_tensor, distributed, bytes] = cells[..] else {
            panic!("{row}");
        };
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let layout = Layout {
            data: number(data),
            tensor: number(tensor),
            expert: number(expert),
            zero: zero(distributed),
            ..SINGLE
        };
        assert_eq!(layout.expert_tensor(), number(expert_tensor), "{row}");
        let model = model(id);
        let question = asked(Method::Full, Framework::Megatron);
        let found = with_job(&model, &question, |job| plan(job, &layout, None));
        let ways = f64::from(u32::try_from(layout.tensor).expect("small"));
        let replicas = f64::from(u32::try_from(layout.data).expect("small"));
        let each = if layout.zero == Zero::One {
            6.0 + 12.0 / replicas
        } else {
            18.0
        };
        let more = Parameters(duplicated(&model) * u64::from(model.shape.layers)).as_f64();
        let expected = bytes.parse::<f64>().expect("bytes") + more * (1.0 - 1.0 / ways) * each;
        let states = found.stages[0].states().as_f64();
        // Shares are whole bytes.
        assert!(
            (states - expected).abs() < 4.0,
            "{row}: {states} {expected}"
        );
    }
}

/// What a stage in the middle of a pipeline holds of one replica, without its norms.
fn middle(found: &Plan, hidden: u64) -> f64 {
    let stage = &found.stages[found.stages.len() / 2];
    let norms = Bytes(2 * hidden * 18) * u64::from(stage.layers.end - stage.layers.start);
    (stage.states() - norms).as_f64()
}

/// Korthikanti et al. 2022, figure 1, counts 12 h^2 parameters a layer at 18 bytes; the one model without a pipeline
/// has no stage that is free of the vocabulary.
#[test]
fn megatrons_states_are_figure_1s() {
    let question = asked(Method::Full, Framework::Megatron);
    for gpt in GPTS.iter().filter(|gpt| gpt.pipeline > 2) {
        let layers = u32::try_from(gpt.layers).expect("small");
        let layout = Layout {
            tensor: 8,
            pipeline: gpt.pipeline,
            ..SINGLE
        };
        let model = gpt_shaped(gpt.hidden, gpt.heads, layers);
        let found = with_job(&model, &question, |job| plan(job, &layout, None));
        let published = Bytes::from_gib(gpt.states).as_f64();
        let share = middle(&found, gpt.hidden) / published;
        // A gated network has the paper's 8 h^2 parameters where 8/3 h divides by eight devices.
        assert!((share - 1.0).abs() < 1e-4, "{}: {share}", gpt.name);
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

#[test]
fn the_articles_example_does_not_fit() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for gpu in ["a100-80gb", "a100-40gb"] {
        let hardware = hardware(&catalog, (gpu, 16), None);
        let question = asked(Method::Full, Framework::Megatron);
        let answer = train(&catalog, &model("65b"), &question, &hardware).expect("an answer");
        let article = answer.article.expect("sixteen devices");
        assert_eq!(article.fits, Some(false));
        // 6 + 12/4 bytes of a quarter of the parameters: the distributed optimizer.
        let states = article
            .stages
            .iter()
            .map(Stage::states)
            .max()
            .expect("stages");
        assert!(
            states > Bytes::from_gib(130.0) && states < Bytes::from_gib(140.0),
            "{states}"
        );
        assert_eq!(answer.better.is_empty(), gpu == "a100-40gb");
    }
}
