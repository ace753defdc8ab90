//! Routed experts on a device, and over which devices their states are divided.

use dsk::catalog::Catalog;
use dsk::train::{Fixed, Framework, Layout, Method, Zero, plan, train};

use super::{SINGLE, asked, hardware, model, with_job};

/// Parameters of a model without its router's bias, and of its routed experts: layers x experts x 3 x inner x hidden.
const MODELS: [(&str, u64, u64); 2] = [
    ("v2-lite", 15_706_484_224, 26 * 64 * 3 * 1408 * 2048),
    ("v3", 671_026_404_352, 58 * 256 * 3 * 2048 * 7168),
];

/// Two bytes of all else and of an expert-parallel share of the experts, whatever data parallelism is; ZeRO 1
/// divides the optimizer's states of all else by data, those of the experts by data over expert parallelism.
#[test]
fn a_device_holds_its_share_of_the_experts() {
    let question = asked(Method::Full, Framework::DeepSpeed);
    for (id, all, routed) in MODELS {
        for expert in [1, 2, 4, 8] {
            let layout = Layout {
                data: 8,
                expert,
                ..SINGLE
            };
            let zero = Layout {
                zero: Zero::One,
                ..layout
            };
            let (plain, zero) = with_job(&model(id), &question, |job| {
                (plan(job, &layout, None), plan(job, &zero, None))
            });
            let (shared, own) = (all - routed, routed / expert);
            assert_eq!(
                plain.stages[0].weights.0,
                2 * (shared + own),
                "{id} {expert}"
            );
            assert_eq!(plain.stages[0].optimizer.0, 12 * (shared + own));
            let divided = 12 * shared / 8 + 12 * own / (8 / expert);
            assert!(
                zero.stages[0].optimizer.0.abs_diff(divided) <= 2,
                "{id} {expert}"
            );
            assert!(plain.faults.is_empty(), "{:?}", plain.faults);
        }
    }
}

/// Without expert parallelism 2,048 devices do not make V3's experts fewer on each of them.
#[test]
fn v3_does_not_fit_without_expert_parallelism() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = hardware(&catalog, ("h800", 2048), None);
    let of = |expert| dsk::train::Asked {
        fixed: Fixed {
            tensor: Some(1),
            pipeline: Some(1),
            zero: Some(Zero::Two),
            expert: Some(expert),
            ..Fixed::default()
        },
        ..asked(Method::Full, Framework::DeepSpeed)
    };
    let question = dsk::train::Asked {
        global_batch: Some(2048),
        ..of(1)
    };
    let whole = train(&catalog, &model("v3"), &question, &hardware).expect("an answer");
    assert_eq!(whole.plan.fits, Some(false));
    assert!(whole.plan.stages[0].weights.0 > 1_342_000_000_000);
    let question = dsk::train::Asked {
        global_batch: Some(2048),
        ..of(256)
    };
    let divided = train(&catalog, &model("v3"), &question, &hardware).expect("an answer");
    assert_eq!(divided.plan.fits, Some(true));
}
