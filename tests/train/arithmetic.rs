//! Arithmetic, time and the pipeline's bubble.

use dsk::catalog::Catalog;
use dsk::train::{Asked, Framework, Layout, Method, Recompute, bubble, flops, train};
use dsk::units::Tokens;

use super::{SINGLE, asked, gpt_shaped, hardware, model};

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

/// The catalog's share of V3's run is derived from the 180,000 H800 hours for a trillion tokens that its report says
/// (arXiv 2412.19437), by this program's FLOPs: it must stay what they give, and one run has no range.
#[test]
fn the_share_of_v3s_run_is_what_its_hours_give() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = hardware(&catalog, ("h800", 2048), None);
    let question = Asked {
        sequence_tokens: 4096,
        global_batch: Some(15_360),
        tokens: Some(Tokens(1_000_000_000_000)),
        ..asked(Method::Full, Framework::DeepSpeed)
    };
    let answer = train(&catalog, &model("v3"), &question, &hardware).expect("an answer");
    let time = answer.time.expect("a time");
    assert_eq!(time.range, None);
    let found = answer.utilization.expect("a share");
    assert_eq!((found.runs, found.range), (1, None));
    let hours = time.value * 2048.0 / 3600.0;
    assert!((hours / 180_000.0 - 1.0).abs() < 0.005, "{hours}");
}

/// Several comparable runs were published for the article's example: their range is the answer's.
#[test]
fn several_runs_have_a_range() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = hardware(&catalog, ("a100-80gb", 16), None);
    let question = Asked {
        sequence_tokens: 4096,
        tokens: Some(Tokens(1_000_000_000)),
        ..asked(Method::Full, Framework::DeepSpeed)
    };
    let answer = train(&catalog, &model("65b"), &question, &hardware).expect("an answer");
    let found = answer.utilization.expect("a share");
    let (least, most) = found.range.expect("a range");
    assert!(found.runs > 1 && least < found.value && found.value < most);
    let time = answer.time.expect("a time");
    let (low, high) = time.range.expect("a range");
    assert!(low < time.value && time.value < high);
}
