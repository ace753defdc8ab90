//! Commands that answer the same question give the same answer.

use dsk::catalog::Catalog;
use dsk::check::{CheckDemands, Missed, check};
use dsk::recommend::{Asked as Wish, Candidate, Change, Recommendation, recommend};
use dsk::request::{Asked, HardwareAsked, Request, SpeedDemands};

fn wish(gpu: &str) -> Wish {
    Wish {
        hardware: HardwareAsked {
            gpu: Some(gpu.to_owned()),
            ..HardwareAsked::default()
        },
        ..Wish::default()
    }
}

fn answer(catalog: &Catalog, wish: &Wish) -> Recommendation {
    let hardware = wish.hardware.resolve(catalog).expect("hardware");
    recommend(catalog, &hardware.expect("given"), wish).expect("an answer")
}

fn request(catalog: &Catalog, answer: &Recommendation, candidate: &Candidate) -> Request {
    let asked = Asked {
        format: Some(candidate.format.id.clone()),
        engine: Some(answer.engine.id.clone()),
        context: Some(answer.demands.context.0),
        ..Asked::default()
    };
    let hardware = Some(answer.hardware.clone());
    let model = candidate.model.clone();
    Request::resolve(catalog, model, hardware, &asked).expect("a question")
}

/// V4 ships in 4 and 8 bits, V3 in 8: nobody publishes them wider, and widening gains nothing.
#[test]
fn what_is_published_in_few_bits_is_not_recommended_wider() {
    let catalog = Catalog::load(&[]).expect("catalog");
    for gpu in ["16xh200", "8xb200"] {
        let answer = answer(&catalog, &wish(gpu));
        let mut narrow = 0;
        for row in &answer.ranked {
            let formats = catalog.formats().expect("formats");
            let native = formats.iter().find(|format| format.id == row.model.native);
            let bits = native.expect("its own format").bits;
            assert!(
                row.format.bits <= bits,
                "{} in {}",
                row.model.id,
                row.format.id
            );
            narrow += usize::from(bits < 16);
        }
        assert!(narrow > 5);
    }
}

/// What `check` says of a recommended row when asked for a little more than it gives.
#[test]
fn check_and_recommend_agree_on_accuracy_and_speed() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let answer = answer(&catalog, &wish("rtx-4090"));
    assert!(answer.ranked.len() > 10);
    for candidate in &answer.ranked {
        let request = request(&catalog, &answer, candidate);
        let token = candidate.speed.time_per_output_token.expect("a known card");
        let demands = CheckDemands {
            min_accuracy: candidate.accuracy.expected.map(|known| known + 0.001),
            speed: SpeedDemands {
                first_token: None,
                output_token: Some(token.value * 0.999),
            },
            ..CheckDemands::default()
        };
        let found =
            check(&catalog, (&request, &answer.demands.traffic), demands).expect("an answer");
        let same = |one: f64, other: f64| (one - other).abs() < 1e-12;
        let agreed = found
            .failures
            .iter()
            .filter(|failure| match &failure.missed {
                Missed::Number { actual, .. } => actual
                    .zip(candidate.accuracy.expected)
                    .is_some_and(|(actual, expected)| same(actual, expected)),
                Missed::Time(slow) => slow.actual.is_some_and(|actual| same(actual, token.value)),
                Missed::Memory { .. } | Missed::Window { .. } | Missed::NotRun(_) => false,
            });
        assert_eq!(
            agreed.count(),
            2,
            "{}: {:?}",
            candidate.model.id,
            found.failures
        );
    }
}

/// With a little less time than its best format takes, a model is served in a faster one, or says by how much it misses.
#[test]
fn a_format_that_is_too_slow_gives_way_to_a_faster_one() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let slowest = |candidate: &&Candidate| candidate.model.id == "deepseek-r1-distill-qwen-32b";
    let free = answer(&catalog, &wish("rtx-4090"));
    let free = free.ranked.iter().find(slowest).expect("it fits");
    let time = free
        .speed
        .time_per_output_token
        .expect("a known card")
        .value;
    let hurried = |limit: f64| {
        let mut wish = wish("rtx-4090");
        wish.speed.output_token = Some(limit);
        answer(&catalog, &wish)
    };
    let faster = hurried(time * 0.99);
    let faster = faster.ranked.iter().find(slowest).expect("another format");
    assert_ne!(faster.format.id, free.format.id);
    assert!(faster.accuracy.rounded() <= free.accuracy.rounded());
    let hopeless = hurried(time / 10.0);
    let rejection = hopeless
        .rejected
        .iter()
        .find(|rejection| rejection.model == free.model.id);
    let slow = &rejection.expect("a reason").too_slow;
    assert!(
        slow.len() == 1 && slow[0].actual > Some(time / 10.0),
        "{slow:?}"
    );
}

/// A context that no window holds is answered with the longest that one does.
#[test]
fn a_context_beyond_every_window_is_answered_with_the_longest() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut wish = wish("8xh200");
    wish.context = Some(1 << 24);
    let answer = answer(&catalog, &wish);
    let longest = catalog
        .models()
        .expect("models")
        .iter()
        .map(|model| model.shape.window_tokens)
        .max();
    let offered = answer
        .nearest
        .iter()
        .find_map(|nearest| match nearest.change {
            Change::ShorterContext(tokens) => Some(tokens.0),
            Change::BiggerDevice(..) | Change::MoreMemory(_) | Change::SmallerFormat => None,
        });
    assert!(answer.ranked.is_empty());
    assert_eq!(offered, longest);
}
