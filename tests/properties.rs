//! What must hold for every model, format and context.

use dsk::calc::estimate::{capacity, estimate};
use dsk::calc::load::Load;
use dsk::calc::speed::Range;
use dsk::catalog::{Catalog, Model};
use dsk::recommend::{Asked as Wish, recommend};
use dsk::request::{Asked, HardwareAsked, Request, SpeedDemands, Traffic, TrafficAsked};
use dsk::units::{Bytes, Tokens};
use proptest::prelude::*;

/// A model, an engine with a format of its own, a context and sequences.
fn loads() -> impl Strategy<Value = (usize, (&'static str, &'static str), u64, u64)> {
    let engines = prop::sample::select(vec![
        ("llama.cpp", "q4_k_m"),
        ("llama.cpp", "q8_0"),
        ("llama.cpp", "iq2_s"),
        ("vllm", "bf16"),
        ("vllm", "fp8"),
        ("vllm", "int4"),
        ("transformers", "bf16"),
        ("sglang", "fp8"),
    ]);
    (0_usize..48, engines, 1_u64..200_000, 1_u64..9)
}

fn model(catalog: &Catalog, number: usize) -> Model {
    let models = catalog.models().expect("models");
    models[number % models.len()].clone()
}

fn request(
    catalog: &Catalog,
    (number, (engine, format), context, sequences): (usize, (&str, &str), u64, u64),
) -> Request {
    let hardware = HardwareAsked {
        gpu: Some("h200".to_owned()),
        ..HardwareAsked::default()
    };
    let hardware = hardware.resolve(catalog).expect("an H200");
    let asked = Asked {
        format: Some(format.to_owned()),
        engine: Some(engine.to_owned()),
        context: Some(context),
        sequences: Some(sequences),
        ..Asked::default()
    };
    Request::resolve(catalog, model(catalog, number), hardware, &asked).expect("a question")
}

fn total(load: &Load<'_>) -> Bytes {
    let memory = estimate(load).expect("an answer").memory;
    memory.sum().total() + memory.host.total()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_context_never_needs_less(case in loads(), more in 1_u64..100_000) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let request = request(&catalog, case);
        let load = request.load();
        // llama.cpp has no graph for V4.1.
        prop_assume!(estimate(&load).is_ok());
        let longer = Load { context: Tokens(load.context.0 + more), ..load };
        prop_assert!(total(&longer) >= total(&load));
    }

    #[test]
    fn the_total_is_the_sum_of_its_parts(case in loads()) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let request = request(&catalog, case);
        // llama.cpp has no graph for V4.1.
        prop_assume!(estimate(&request.load()).is_ok());
        let memory = estimate(&request.load()).expect("an answer").memory;
        let parts = memory.sum();
        let sum: Bytes = memory.devices.iter().map(|device| device.total()).sum();
        prop_assert_eq!(parts.total(), sum);
        prop_assert_eq!(parts.total(), parts.weights + parts.kv_cache + parts.compute + parts.runtime);
    }

    #[test]
    fn the_largest_context_fits_and_one_token_more_does_not(case in loads()) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let request = request(&catalog, case);
        let load = request.load();
        // llama.cpp has no graph for V4.1.
        prop_assume!(estimate(&load).is_ok());
        let largest = capacity(&load).expect("an answer").expect("hardware was given").largest_context;
        let fits = |context: u64| estimate(&Load { context: Tokens(context), ..load }).expect("an answer").fits;
        if largest.0 > 0 {
            prop_assert_eq!(fits(largest.0), Some(true));
        }
        if largest.0 < 1 << 20 {
            prop_assert_eq!(fits(largest.0 + 1), Some(false));
        }
    }

    #[test]
    fn every_recommendation_meets_the_demands(size in 1_u32..200, context in 256_u64..40_000, accuracy in 80.0_f64..92.0) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let wish = Wish {
            hardware: HardwareAsked { vram_gb: Some(f64::from(size)), ..HardwareAsked::default() },
            context: Some(context),
            min_accuracy: Some(accuracy),
            ..Wish::default()
        };
        let hardware = wish.hardware.resolve(&catalog).expect("hardware").expect("given");
        let answer = recommend(&catalog, &hardware, &wish).expect("an answer");
        for candidate in &answer.ranked {
            prop_assert_eq!(candidate.estimate.fits, Some(true));
            prop_assert!(candidate.accuracy.expected.is_some_and(|expected| expected >= accuracy));
            prop_assert!(candidate.model.shape.window_tokens >= context);
        }

    }

    #[test]
    fn more_bits_are_never_smaller(number in 0_usize..48) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let model = model(&catalog, number);
        // V4's converter keeps FP4 experts in every 16-bit file, so there fewer bits can be larger.
        prop_assume!(!matches!(model.shape.attention, dsk::catalog::shape::Attention::Compressed(_)));
        let rows = dsk::quantize::quantize(&catalog, &model).expect("formats");
        let bytes = |id: &str| rows.iter().find(|row| row.format.id == id).map(|row| row.weights);
        for (more, fewer) in [("fp32", "bf16"), ("bf16", "int8"), ("int8", "int4"), ("gguf-f16", "q8_0"), ("q8_0", "q6_k"), ("q6_k", "q5_k_m"), ("q5_k_m", "q4_k_m"), ("q4_k_m", "q3_k_m"), ("q3_k_m", "q2_k")] {
            prop_assert!(bytes(more) >= bytes(fewer), "{} {} {}", model.id, more, fewer);
        }
    }
}

/// A question of speed, and more sequences than in it.
fn speed_case() -> impl Strategy<Value = (usize, (&'static str, &'static str), Traffic, (u64, u64))>
{
    let engines = prop::sample::select(vec![
        ("llama.cpp", "q4_k_m"),
        ("llama.cpp", "q8_0"),
        ("vllm", "bf16"),
        ("vllm", "fp8"),
        ("sglang", "fp8"),
    ]);
    let clients = prop::sample::select(vec![None, Some(1)]);
    let traffic = (1_u64..20_000, 2_u64..4_000, 0_u64..8_000, clients).prop_map(
        |(input, output, cached, concurrency)| Traffic {
            input,
            output,
            cached,
            concurrency,
            speculative: false,
        },
    );
    (0_usize..48, engines, traffic, (1_u64..300, 1_u64..300))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_sequences_never_raise_the_speed_of_each((number, engine, traffic, (few, more)) in speed_case()) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let request = request(&catalog, (number, engine, traffic.length().0, 1));
        let load = request.load();
        let token = |sequences| traffic.speed(&load, sequences).time_per_output_token;
        if let (Some(few), Some(more)) = (token(few), token(few + more)) {
            prop_assert!(more.value >= few.value, "{} below {}", more.value, few.value);
        }
    }

    #[test]
    fn a_range_holds_its_value((number, engine, traffic, (sequences, _)) in speed_case()) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let request = request(&catalog, (number, engine, traffic.length().0, 1));
        let found = traffic.speed(&request.load(), sequences);
        for range in [found.time_to_first_token, found.time_per_output_token, found.throughput].into_iter().flatten() {
            prop_assert!(range.low <= range.value && range.value <= range.high && range.low > 0.0, "{range:?}");
        }
        // What is not known says why.
        prop_assert!(found.time_per_output_token.is_some() || !found.notes.is_empty());
    }

    #[test]
    fn every_recommendation_meets_the_speed_demands(first in 0.02_f64..3.0, token in 0.003_f64..0.1, which in 0_usize..3) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let (gpu, concurrency) = [("rtx-4090", None), ("h200", Some(16)), ("rtx-3060", None)][which];
        let wish = Wish {
            hardware: HardwareAsked { gpu: Some(gpu.to_owned()), ..HardwareAsked::default() },
            traffic: TrafficAsked { concurrency, ..TrafficAsked::default() },
            speed: SpeedDemands { first_token: Some(first), output_token: Some(token) },
            ..Wish::default()
        };
        let hardware = wish.hardware.resolve(&catalog).expect("hardware").expect("given");
        let answer = recommend(&catalog, &hardware, &wish).expect("an answer");
        for candidate in &answer.ranked {
            let value = |range: Option<Range>| range.map(|range| range.value);
            prop_assert!(value(candidate.speed.time_to_first_token).is_some_and(|time| time <= first));
            prop_assert!(value(candidate.speed.time_per_output_token).is_some_and(|time| time <= token));
        }
        // A rejection for its speed names a time that is too long or not known.
        for slow in answer.rejected.iter().flat_map(|rejection| &rejection.too_slow) {
            prop_assert!(slow.actual.is_none_or(|actual| actual > slow.limit));
        }
    }
}

mod plans {
    //! Splits, plans, and the fast way through all of them.

    use super::{loads, model};
    use dsk::calc::estimate::{capacity, estimate};
    use dsk::calc::hardware::{Device, Hardware};
    use dsk::calc::load::{Load, Split};
    use dsk::calc::parallel::{check, splits};
    use dsk::calc::speed::speed;
    use dsk::catalog::Catalog;
    use dsk::error::Error;
    use dsk::plan::space::{Space, singles};
    use dsk::plan::{Goal, Wish, plan};
    use dsk::request::{Asked, Request};
    use proptest::prelude::*;

    fn devices(catalog: &Catalog) -> Vec<Device> {
        let bare = &catalog.defaults().expect("defaults").bare_memory;
        let gpus = catalog.gpus().expect("devices");
        gpus.iter()
            .filter_map(|gpu| Device::of(gpu, None, bare))
            .collect()
    }

    fn request(
        catalog: &Catalog,
        (number, (engine, format), context, sequences): (usize, (&str, &str), u64, u64),
        hardware: Hardware,
    ) -> Option<Request> {
        let asked = Asked {
            format: Some(format.to_owned()),
            engine: Some(engine.to_owned()),
            context: Some(context),
            sequences: Some(sequences),
            ..Asked::default()
        };
        match Request::resolve(catalog, model(catalog, number), Some(hardware), &asked) {
            Err(Error::CannotRun { .. }) => None,
            request => Some(request.expect("a question")),
        }
    }

    /// Equal but for the last digit, which the mean of several equal bandwidths can change.
    fn same(one: Option<f64>, other: Option<f64>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => (one / other - 1.0).abs() < 1e-12,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_fast_way_says_what_the_slow_one_says(case in loads(), place in 0_usize..1000, power in 0_u32..4, pick in 0_usize..1000) {
            let catalog = Catalog::load(&[]).expect("the catalog");
            let devices = devices(&catalog);
            let number = place % devices.len();
            let count = 1_u64 << power;
            let asked = request(&catalog, case, Hardware::of(&devices[number], count));
            prop_assume!(asked.is_some());
            let request = asked.expect("a question");
            let load = request.load();
            let traffic = Wish::of(&catalog, &request, Goal::Latency).expect("a wish").traffic;
            let singles = singles(&devices);
            let space = Space::of(&load, traffic, (&devices, &singles));
            let mut found = Vec::new();
            space.each(count, |configuration| {
                if configuration.device == number {
                    found.push(*configuration);
                }
            });
            prop_assume!(!found.is_empty());
            let one = found[pick % found.len()];
            let own = Load { split: one.split, ..load };
            match (estimate(&own), one.fit) {
                (Ok(slow), Some(fit)) => {
                    prop_assert_eq!(slow.memory.fullest(), fit.parts);
                    prop_assert_eq!(slow.available, Some(fit.available));
                    prop_assert_eq!(slow.short_by, fit.short_by);
                    prop_assert_eq!(slow.fits, Some(one.fits()));
                }
                (Err(_), None) => {}
                (slow, fast) => prop_assert!(false, "{:?} against {:?}", slow, fast),
            }
            // Replicas of a dense model are several servers, which the calculator takes one by one.
            if one.split.data == 1 {
                let slow = speed(&own, &traffic.workload(request.sequences));
                let value = slow.time_per_output_token.map(|time| time.value);
                // A context of one token leaves none to answer with.
                let known = |value: f64| (value > 0.0).then_some(value);
                prop_assert!(same(value, one.times.and_then(|times| known(times.output_token))));
                let value = slow.throughput.map(|rate| rate.value);
                let fast = one.times.and_then(|times| known(times.throughput));
                prop_assert!(same(value, fast), "{:?} against {:?}: {}", value, fast, devices[number].name);
            }
        }

        #[test]
        fn no_split_makes_a_share_grow(case in loads(), power in 1_u32..5) {
            let catalog = Catalog::load(&[]).expect("the catalog");
            let devices = devices(&catalog);
            let asked = request(&catalog, case, Hardware::of(&devices[0], 1));
            prop_assume!(asked.is_some());
            let request = asked.expect("a question");
            let load = Load { split: Split::SINGLE, hardware: None, ..request.load() };
            prop_assume!(estimate(&load).is_ok());
            let whole = estimate(&load).expect("an answer").memory.fullest();
            for split in splits(&load.model.shape, 1 << power) {
                let own = Load { split, ..load };
                if check(&own).is_ok() {
                    let part = estimate(&own).expect("an answer").memory.fullest();
                    prop_assert!(part.weights <= whole.weights, "{:?}", split);
                    prop_assert!(part.kv_cache <= whole.kv_cache, "{:?}", split);
                }
            }
        }

        #[test]
        fn every_plan_is_legal_and_fits(case in loads(), place in 0_usize..1000, power in 0_u32..4) {
            let catalog = Catalog::load(&[]).expect("the catalog");
            let devices = devices(&catalog);
            let hardware = Hardware::of(&devices[place % devices.len()], 1 << power);
            let asked = request(&catalog, case, hardware);
            prop_assume!(asked.is_some());
            let request = asked.expect("a question");
            let wish = Wish::of(&catalog, &request, Goal::Throughput).expect("a wish");
            let answer = plan(&catalog, &request, &wish).expect("an answer");
            for found in &answer.plans {
                let load = found.request.load();
                prop_assert_eq!(load.split.devices(), 1 << power);
                prop_assert!(check(&load).is_ok());
                prop_assert_eq!(estimate(&load).expect("an answer").fits, Some(true));
            }
            if let Some(first) = answer.plans.first() {
                let load = first.request.load();
                let slow = capacity(&load).expect("an answer").expect("hardware was given");
                let held = first.held.expect("hardware was given");
                prop_assert_eq!((held.sequences.min(1 << 20), held.kv_tokens), (slow.sequences, slow.kv_tokens));
            }
            let taken = answer.plans.len() + answer.rejected.len();
            prop_assert_eq!(taken, splits(&request.model.shape, 1 << power).len());
        }
    }
}
