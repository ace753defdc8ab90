//! One engine's fit and its report.

mod constants;
mod optimiser;
mod print;
mod ranges;

use std::collections::BTreeSet;

use dsk::calc::load::Split;
use dsk::calc::speed::{Prepared, View};
use dsk::catalog::Catalog;
use dsk::catalog::engine_speed::EngineSpeed;
use dsk::units::count;

use crate::speed_rows::{Row, Setup};
use ranges::{at, count_rows, half, kept, level, percentiles, range};

/// Where a residual ceases to count more as it grows: the noise of a time per token, and of a first token.
const BENDS: [f64; 2] = [0.1, 0.25];

/// An engine, its measurements and their setups.
pub(crate) struct Engine<'c> {
    id: String,
    start: EngineSpeed,
    rows: &'c [Row],
    setups: Vec<Setup<'c>>,
}

/// Measured over modelled: first token, output token, throughput.
type Ratios = [Option<f64>; 3];

/// Which of a report's columns.
const FIGURES: [&str; 3] = ["first token", "output token", "throughput"];

impl<'c> Engine<'c> {
    pub(crate) fn of(catalog: &'c Catalog, id: &str, rows: &'c [Row]) -> Self {
        let engine = catalog
            .engines()
            .expect("engines")
            .iter()
            .find(|engine| engine.id == id);
        let mut start = engine
            .and_then(|engine| engine.speed.clone())
            .expect("a speed table");
        constants::each(id, &mut start, |constant, value| *value = constant.start);
        Self {
            id: id.to_owned(),
            start,
            rows,
            setups: rows.iter().map(|row| Setup::of(catalog, row)).collect(),
        }
    }

    fn prepared(&self) -> Vec<Prepared<'_>> {
        self.rows
            .iter()
            .zip(&self.setups)
            .map(|(row, setup)| Prepared::of(&setup.load(row)).expect("a measured setup"))
            .collect()
    }

    /// The same, starting from what another engine's fit says of devices, classes and kernels.
    pub(crate) fn starting_as(mut self, other: &EngineSpeed) -> Self {
        let mut other = other.clone();
        let known: Vec<_> = constants::tables(&mut other)
            .into_iter()
            .map(|(_, table)| table.clone())
            .collect();
        for ((_, table), known) in constants::tables(&mut self.start).into_iter().zip(&known) {
            for factor in table {
                let same = known.iter().find(|known| {
                    known.on == factor.on
                        && known.class == factor.class
                        && known.kernel == factor.kernel
                });
                factor.value = same.map_or(factor.value, |same| same.value);
            }
        }
        self.start.narrow_layer_seconds = other.narrow_layer_seconds;
        self.start.experts_layer_seconds = other.experts_layer_seconds;
        self
    }

    pub(crate) fn report(&self) -> EngineSpeed {
        let prepared = self.prepared();
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let mut fitted = self.fit(&prepared, &all);
        println!("\n== {} ==", self.id);
        let inside = self.ratios(&prepared, &fitted, &all);
        self.table("in the fit", &inside);
        if std::env::var_os("ROWS").is_some() {
            self.each_row(&inside);
        }
        let halves: Vec<Ratios> = (0..4)
            .flat_map(|draw| self.left_out(&prepared, |place, _| half(place, draw).to_string()))
            .collect();
        self.table("other half", &halves);
        let models = self.left_out(&prepared, |_, row| row.model.clone());
        self.table("model left out", &models);
        let devices = self.left_out(&prepared, |_, row| row.gpu.clone());
        self.table("device left out", &devices);
        let groups: BTreeSet<&str> = self.rows.iter().map(|row| row.group).collect();
        let groups = if groups.len() > 1 {
            self.left_out(&prepared, |_, row| row.group.to_owned())
        } else {
            Vec::new()
        };
        if !groups.is_empty() {
            self.table("group left out", &groups);
        }
        self.coverage(&halves);
        self.batches(&prepared);
        constants::derive(&mut fitted);
        let unseen: Vec<Ratios> = [models, devices, groups].concat();
        print::toml(
            &mut fitted,
            &measured(&prepared),
            &self.ranges(&halves, &unseen),
        );
        fitted
    }

    /// The constants that explain the rows at `places` best.
    fn fit(&self, prepared: &[Prepared<'_>], places: &[usize]) -> EngineSpeed {
        let mut speed = self.start.clone();
        let mut start = Vec::new();
        let mut distances = Vec::new();
        constants::each(&self.id, &mut speed, |constant, value| {
            start.push(value.ln());
            distances.push(constant.distance);
        });
        let set = |at: &[f64]| {
            let mut speed = self.start.clone();
            let mut values = at.iter();
            constants::each(&self.id, &mut speed, |constant, value| {
                *value = values.next().expect("a value").exp().min(constant.most);
            });
            speed
        };
        let residuals = |at: &[f64], loss: Loss| {
            let speed = set(at);
            let mut all: Vec<f64> = at
                .iter()
                .zip(&start)
                .zip(&distances)
                .map(|((a, s), d)| (a - s) / d)
                .collect();
            for place in places {
                let ratios = self.ratio(&prepared[*place], &speed, *place);
                let served = matches!(self.rows[*place].workload.view, View::Served { .. });
                all.push(loss(ratios[1], BENDS[0]) * if served { 1.0 } else { 2.0 });
                all.push(loss(ratios[0], BENDS[1]) * if served { 0.5 } else { 1.0 });
                all.push(if served {
                    loss(ratios[2], BENDS[0]) * 0.7
                } else {
                    0.0
                });
            }
            all
        };
        // The loss that forgets outliers has many minima: the one that does not says which.
        let near = optimiser::least_squares(&start, |at| residuals(at, bent));
        set(&optimiser::least_squares(&near, |at| {
            residuals(at, forgetting)
        }))
    }

    fn ratio(&self, prepared: &Prepared<'_>, speed: &EngineSpeed, place: usize) -> Ratios {
        let row = &self.rows[place];
        let at: (Split, u64) = (row.split, row.devices);
        let times = prepared
            .refitted(speed, at)
            .and_then(|refitted| refitted.times(&row.workload).ok())
            .expect("a measured setup");
        [
            row.first.map(|first| first / times.first_token),
            row.token.map(|token| token / times.output_token),
            row.throughput().map(|rate| rate / times.throughput),
        ]
    }

    fn ratios(
        &self,
        prepared: &[Prepared<'_>],
        speed: &EngineSpeed,
        places: &[usize],
    ) -> Vec<Ratios> {
        places
            .iter()
            .map(|place| self.ratio(&prepared[*place], speed, *place))
            .collect()
    }

    /// Every row predicted without those of its part.
    fn left_out(
        &self,
        prepared: &[Prepared<'_>],
        part: impl Fn(usize, &Row) -> String,
    ) -> Vec<Ratios> {
        let parts: Vec<String> = self
            .rows
            .iter()
            .enumerate()
            .map(|(place, row)| part(place, row))
            .collect();
        let mut all = vec![[None; 3]; self.rows.len()];
        for left in parts.iter().collect::<BTreeSet<_>>() {
            let (out, kept): (Vec<usize>, Vec<usize>) =
                (0..self.rows.len()).partition(|place| parts[*place] == *left);
            let speed = self.fit(prepared, &kept);
            for place in out {
                all[place] = self.ratio(&prepared[place], &speed, place);
            }
        }
        all
    }

    /// What batches measured over what lone prompts alone let expect of them.
    fn batches(&self, prepared: &[Prepared<'_>]) {
        let (lone, batches): (Vec<usize>, Vec<usize>) = (0..self.rows.len())
            .filter(|place| !self.is_served(*place))
            .partition(|place| self.rows[*place].workload.sequences == 1);
        if batches.len() < 8 {
            return;
        }
        let ratios = self.ratios(prepared, &self.fit(prepared, &lone), &batches);
        let ranges = [0, 1, 2].map(|figure| {
            let values: Vec<f64> = ratios.iter().filter_map(|ratios| ratios[figure]).collect();
            (values.len() > 7).then(|| percentiles(values, [0.1, 0.9]))
        });
        println!("{} batches predicted from lone prompts", batches.len());
        print::spread("batches", ranges);
    }

    /// Errors of each file's rows.
    fn table(&self, name: &str, ratios: &[Ratios]) {
        for group in self
            .rows
            .iter()
            .map(|row| row.group)
            .collect::<BTreeSet<_>>()
        {
            for (figure, title) in FIGURES.iter().enumerate() {
                let values: Vec<f64> = self.of_group(group, figure, ratios);
                if values.len() > 1 {
                    let mut errors: Vec<f64> = values
                        .iter()
                        .map(|ratio| (1.0 / ratio - 1.0).abs())
                        .collect();
                    errors.sort_by(f64::total_cmp);
                    println!(
                        "{name:16} {group:14} {title:13} {:4} rows  median {:.3}  90% {:.3}  worst {:.2}",
                        errors.len() * self.rows.len() / ratios.len(),
                        at(&errors, 0.5),
                        at(&errors, 0.9),
                        at(&errors, 1.0)
                    );
                }
            }
        }
    }

    /// Every row's errors.
    fn each_row(&self, ratios: &[Ratios]) {
        for (row, ratios) in self.rows.iter().zip(ratios) {
            let off = |ratio: Option<f64>| {
                ratio.map_or_else(
                    || "-".to_owned(),
                    |ratio| format!("{:+.3}", 1.0 / ratio - 1.0),
                )
            };
            let work = &row.workload;
            println!(
                "{} {} {} {} x{} tp{} dp{} input {} output {} cached {} sequences {}: first {} token {}",
                row.group,
                row.model,
                row.format,
                row.gpu,
                row.devices,
                row.split.tensor,
                row.split.data,
                work.input,
                work.output,
                work.cached,
                work.sequences,
                off(ratios[0]),
                off(ratios[1])
            );
        }
    }

    fn of_group(&self, group: &str, figure: usize, ratios: &[Ratios]) -> Vec<f64> {
        self.rows
            .iter()
            .cycle()
            .zip(ratios)
            .filter(|(row, _)| row.group == group)
            .filter_map(|(_, ratios)| ratios[figure])
            .collect()
    }

    fn is_served(&self, place: usize) -> bool {
        matches!(self.rows[place].workload.view, View::Served { .. })
    }

    /// Ratios of a figure with the row that each is of.
    fn of_view(&self, served: Option<bool>, figure: usize, ratios: &[Ratios]) -> Vec<(usize, f64)> {
        ratios
            .iter()
            .enumerate()
            .map(|(at, ratios)| (at % self.rows.len(), ratios))
            .filter(|(place, _)| served.is_none_or(|served| self.is_served(*place) == served))
            .filter_map(|(place, ratios)| Some((place, ratios[figure]?)))
            .collect()
    }

    /// How much of the rows that did not make them the ranges hold.
    fn coverage(&self, held_out: &[Ratios]) {
        for served in [false, true] {
            for (figure, title) in FIGURES.iter().enumerate() {
                let held = self.of_view(Some(served), figure, held_out);
                if count_rows(&held) > 15 {
                    let level = level(&held);
                    let share = kept(&held, level);
                    println!(
                        "ranges of {level:.2} of one half hold {share:.3} of the other: {title}, served {served}"
                    );
                }
            }
        }
    }

    /// Static, served and unseen, each by figure.
    fn ranges(&self, seen: &[Ratios], unseen: &[Ratios]) -> print::Ranges {
        let of = |served: Option<bool>, ratios: &[Ratios]| {
            [0, 1, 2].map(|figure| {
                let held = self.of_view(served, figure, ratios);
                (count_rows(&held) > 15).then(|| range(&held, level(&held)))
            })
        };
        print::Ranges {
            alone: of(Some(false), seen),
            served: of(Some(true), seen),
            unseen: of(None, unseen),
        }
    }
}

/// Which devices, classes and kernels have rows, and how many.
fn measured(prepared: &[Prepared<'_>]) -> Vec<(String, u64)> {
    let words: Vec<String> = prepared
        .iter()
        .map(|prepared| print::key(prepared.key()))
        .collect();
    let kinds: BTreeSet<&String> = words.iter().collect();
    kinds
        .into_iter()
        .map(|kind| {
            let rows = words.iter().filter(|word| *word == kind).count();
            (kind.clone(), count(rows))
        })
        .collect()
}

/// What a ratio counts, given where it ceases to count more.
type Loss = fn(Option<f64>, f64) -> f64;

/// The logarithm of a ratio, squared while small and linear beyond `bend` once it is squared; 1 is a tenth.
fn bent(ratio: Option<f64>, bend: f64) -> f64 {
    let off = ratio.map_or(0.0, f64::ln) / bend;
    10.0 * bend * off.signum() * (2.0 * ((1.0 + off * off).sqrt() - 1.0)).sqrt()
}

/// The logarithm of a ratio, squared while small and hardly growing beyond `bend` once it is squared; 1 is a tenth.
///
/// Some rows are an engine's first requests or another split than they say: they must not move the constants.
fn forgetting(ratio: Option<f64>, bend: f64) -> f64 {
    let off = ratio.map_or(0.0, f64::ln) / bend;
    10.0 * bend * off.signum() * off.powi(2).ln_1p().sqrt()
}
