//! How many configurations a second the space of what-ifs is gone through, and how that grows.
//!
//! A configuration is a model in a format on an engine, split over a number of equal devices: its memory on the
//! fullest device, whether that fits, its time to the first token, time per output token and throughput. What
//! several configurations have in common is calculated inside the measurement, none before.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dsk::calc::hardware::Device;
use dsk::calc::load::{Load, Options, Split};
use dsk::catalog::{Catalog, Engine, Format, KvFormat, Model};
use dsk::plan::space::{Space, singles};
use dsk::request::{Traffic, TrafficAsked};
use dsk::units::Tokens;

/// Numbers of equal devices.
const COUNTS: [u64; 4] = [1, 2, 4, 8];
/// Models of every kind of attention and feed-forward.
const MODELS: [&str; 8] = [
    "deepseek-v3",
    "6.7b",
    "deepseek-v2-lite",
    "33b",
    "deepseek-r1-distill-llama-70b",
    "deepseek-v3.2",
    "deepseek-moe-16b",
    "deepseek-r1-distill-qwen-7b",
];

struct World {
    devices: Vec<Device>,
    models: Vec<Model>,
    engines: Vec<Engine>,
    formats: Vec<Format>,
    traffic: Traffic,
}

impl World {
    fn of() -> Self {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let defaults = catalog.defaults().expect("defaults");
        let devices = catalog
            .gpus()
            .expect("devices")
            .iter()
            .filter_map(|gpu| Device::of(gpu, None, &defaults.bare_memory))
            .collect();
        let models = MODELS
            .iter()
            .map(|name| catalog.model(name).expect("a model"))
            .collect();
        Self {
            devices,
            models,
            engines: catalog.engines().expect("engines").to_vec(),
            formats: catalog.formats().expect("formats").to_vec(),
            traffic: TrafficAsked::default().resolve(None, &defaults.request, None),
        }
    }

    /// Every configuration of the first `models` on the first `devices`: how many, and how many fit.
    fn sweep(&self, models: usize, devices: usize) -> (u64, u64) {
        let devices = &self.devices[..devices];
        let singles = singles(devices);
        let (mut all, mut fitting) = (0, 0);
        for model in &self.models[..models] {
            for engine in &self.engines {
                for format in &self.formats {
                    let native = !format.only_native || format.id == model.native;
                    if !format.engines.contains(&engine.id) || !native {
                        continue;
                    }
                    let load = Load {
                        model,
                        format,
                        kv: KvFormat::F16,
                        context: Tokens(4096),
                        sequences: 1,
                        engine: Some(engine),
                        hardware: None,
                        split: Split::SINGLE,
                        options: Options::default(),
                        explain: false,
                    };
                    let space = Space::of(&load, self.traffic, (devices, &singles));
                    for count in COUNTS {
                        space.each(count, |configuration| {
                            all += 1;
                            fitting += u64::from(configuration.fits());
                        });
                    }
                }
            }
        }
        (all, fitting)
    }
}

fn growth(criterion: &mut Criterion) {
    let world = World::of();
    let everything = world.devices.len();
    let mut group = criterion.benchmark_group("space");
    group.sample_size(10);
    for devices in [everything / 8, everything / 4, everything / 2, everything] {
        let (all, _) = world.sweep(2, devices);
        group.throughput(Throughput::Elements(all));
        group.bench_with_input(
            BenchmarkId::new("devices", devices),
            &devices,
            |bencher, devices| {
                bencher.iter(|| world.sweep(2, *devices));
            },
        );
    }
    for models in [1, 2, 4, 8] {
        let (all, _) = world.sweep(models, everything);
        group.throughput(Throughput::Elements(all));
        group.bench_with_input(
            BenchmarkId::new("models", models),
            &models,
            |bencher, models| {
                bencher.iter(|| world.sweep(*models, everything));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, growth);
criterion_main!(benches);
