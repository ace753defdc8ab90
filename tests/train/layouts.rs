//! What holds of every layout.

use dsk::catalog::Model;
use dsk::train::{Asked, Framework, Layout, Method, Plan, Recompute, Zero, plan};
use dsk::units::Bytes;
use proptest::prelude::*;

use super::{SINGLE, asked, model, with_job};

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
        let (divided, gathered) = needs.split_at(3);
        prop_assert!(divided.is_sorted_by(|less, more| less >= more), "{:?}", needs);
        // ZeRO 3 gathers the weights of a layer in 16 bits, which may be more than it divides.
        let layer = model.shape.hidden * model.shape.hidden * 2 * 14;
        let embedding = model.shape.hidden * model.shape.vocabulary * 2;
        prop_assert!(gathered[0].0 <= divided[2].0 + layer.max(embedding), "{:?}", needs);
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
