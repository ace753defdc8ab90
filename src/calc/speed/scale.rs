//! What measurements on a machine say of the figures that are predicted for it.

use super::workload::{Range, Times, Workload};
use crate::catalog::Calibration;
use crate::catalog::calibration::Level;
use crate::catalog::engine_speed::Spread;
use crate::units::float;

/// How far repeats of one measurement lie apart, 10th to 90th percentile.
///
/// Source: repeats among the published closed loops differ by 5 to 9% (output token) and 11 to 22% (first
/// token) at the 90th percentile; the wider of each.
const REPEATS: Spread = Spread {
    first_token: [0.82, 1.22],
    output_token: [0.92, 1.09],
    throughput: [0.92, 1.09],
};

/// Measured over predicted on one machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// To the first token, and from one token to the next.
    first_token: Curve,
    output_token: Curve,
    /// Measured over scaled; none where another model was measured, which leaves the engine's own range.
    spread: Option<Spread>,
    /// What was measured, in words.
    pub(super) source: String,
}

/// Scales of one figure over the number of clients, the fewest first; none is no measurement.
#[derive(Debug, Clone, PartialEq)]
struct Curve(Vec<Point>);

/// What one number of clients measured, by however many runs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    /// The natural logarithm of the clients; none where the scale is meant for every number.
    clients: Option<f64>,
    /// The natural logarithm of the scale, the mean of the runs.
    scale: f64,
    /// From the lowest of the runs to the highest, over their mean.
    runs: [f64; 2],
}

/// A scale for a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    scale: f64,
    /// Runs over the scale; none where so many or so few clients were not measured.
    runs: Option<[f64; 2]>,
}

impl Scale {
    /// What `calibration` says of a model in a format.
    pub(super) fn of(calibration: &Calibration, (model, format): (&str, &str)) -> Self {
        let levels = calibration.levels_for(model, format);
        let is_own = match levels.first() {
            Some(level) => calibration.is_of(level, (model, format)),
            None => calibration.model.is_some(),
        };
        let output_token = calibration.output_token_range;
        let turned = output_token.map(|[low, high]| [1.0 / high, 1.0 / low]);
        let spread = Spread {
            first_token: calibration.first_token_range.unwrap_or(REPEATS.first_token),
            output_token: output_token.unwrap_or(REPEATS.output_token),
            throughput: turned.unwrap_or(REPEATS.throughput),
        };
        Self {
            first_token: Curve::of((&levels, calibration.first_token_scale), |level| {
                level.first_token_scale
            }),
            output_token: Curve::of((&levels, calibration.output_token_scale), |level| {
                level.output_token_scale
            }),
            spread: is_own.then_some(spread),
            source: source(calibration, &levels),
        }
    }

    /// The times as measurements let expect them.
    pub(super) fn on(&self, times: Times, workload: &Workload) -> Times {
        let after = (float(workload.output) - 1.0).max(0.0);
        let turn = |first: f64, token: f64| first + after * token;
        let scale = |curve: &Curve| curve.at(workload).map_or(1.0, |found| found.scale);
        let first_token = times.first_token * scale(&self.first_token);
        let output_token = times.output_token * scale(&self.output_token);
        let faster = turn(times.first_token, times.output_token) / turn(first_token, output_token);
        Times {
            first_token,
            output_token,
            throughput: times.throughput * faster,
            bound: times.bound,
        }
    }

    /// The range around what was measured, and `modelled` around what was not.
    pub(super) fn spread(&self, workload: &Workload, modelled: Spread) -> Spread {
        let Some(own) = self.spread else {
            return modelled;
        };
        let runs = |curve: &Curve| curve.at(workload).and_then(|found| found.runs);
        let (first, output) = (runs(&self.first_token), runs(&self.output_token));
        let over = |range: [f64; 2], runs: [f64; 2]| [range[0] * runs[0], range[1] * runs[1]];
        Spread {
            first_token: first.map_or(modelled.first_token, |runs| over(own.first_token, runs)),
            output_token: output.map_or(modelled.output_token, |runs| over(own.output_token, runs)),
            throughput: match output {
                Some([low, high]) if first.is_some() => {
                    over(own.throughput, [1.0 / high, 1.0 / low])
                }
                Some(_) | None => modelled.throughput,
            },
        }
    }

    /// Whether clients in a loop, so many as `workload` has, were measured with this very model.
    pub(super) fn covers(&self, workload: &Workload) -> bool {
        let found = self.output_token.at(workload).and_then(|found| found.runs);
        self.spread.is_some() && found.is_some() && self.output_token.has_levels()
    }

    /// The names of the figures that are there but were not measured.
    pub(super) fn unmeasured(&self, times: &Times) -> Vec<&'static str> {
        let figures = [
            (
                times.first_token,
                &self.first_token,
                "time to the first token",
            ),
            (
                times.output_token,
                &self.output_token,
                "time per output token",
            ),
        ];
        let missing = figures.into_iter().filter(|(time, curve, _)| {
            curve.0.is_empty() && Range::of(*time, [1.0, 1.0]).is_some()
        });
        missing.map(|(_, _, name)| name).collect()
    }
}

impl Curve {
    /// The curve through `levels`, else the one scale for every number of clients.
    fn of(
        (levels, flat): (&[&Level], Option<f64>),
        figure: impl Fn(&Level) -> Option<f64>,
    ) -> Self {
        let mut measured: Vec<(u64, f64)> = levels
            .iter()
            .filter_map(|level| Some((level.concurrency, figure(level)?.ln())))
            .collect();
        measured.sort_by_key(|(clients, _)| *clients);
        let points: Vec<Point> = measured
            .chunk_by(|(one, _), (other, _)| one == other)
            .filter_map(Point::of)
            .collect();
        if !levels.is_empty() {
            return Self(points);
        }
        let everywhere = flat.map(|scale| Point {
            clients: None,
            scale: scale.ln(),
            runs: [1.0, 1.0],
        });
        Self(everywhere.into_iter().collect())
    }

    fn has_levels(&self) -> bool {
        self.0.iter().any(|point| point.clients.is_some())
    }

    /// The scale for so many clients as `workload` has: between two that were measured, along the logarithm of
    /// clients; beyond them, that of the nearest.
    fn at(&self, workload: &Workload) -> Option<Found> {
        let asked = float(workload.at_once().max(1)).ln();
        let place = |point: &Point| point.clients.unwrap_or(asked);
        let before = self.0.iter().rfind(|point| place(point) <= asked);
        let behind = self.0.iter().find(|point| place(point) >= asked);
        match (before, behind) {
            (Some(one), Some(other)) => {
                let width = place(other) - place(one);
                let way = if width > 0.0 {
                    (asked - place(one)) / width
                } else {
                    0.0
                };
                Some(Found {
                    scale: (one.scale + way * (other.scale - one.scale)).exp(),
                    runs: Some([
                        one.runs[0].min(other.runs[0]),
                        one.runs[1].max(other.runs[1]),
                    ]),
                })
            }
            (Some(nearest), None) | (None, Some(nearest)) => Some(Found {
                scale: nearest.scale.exp(),
                runs: None,
            }),
            (None, None) => None,
        }
    }
}

impl Point {
    /// One point for runs with as many clients, each with the logarithm of its scale.
    fn of(runs: &[(u64, f64)]) -> Option<Self> {
        let (clients, _) = runs.first()?;
        let number = runs.iter().fold(0.0, |number, _| number + 1.0);
        let scale = runs.iter().map(|(_, scale)| scale).sum::<f64>() / number;
        let away = runs.iter().map(|(_, run)| (run - scale).exp());
        Some(Self {
            clients: Some(float(*clients).ln()),
            scale,
            runs: away.fold([1.0, 1.0], |[low, high], run| [low.min(run), high.max(run)]),
        })
    }
}

/// What was measured, in words.
fn source(calibration: &Calibration, levels: &[&Level]) -> String {
    let id = &calibration.id;
    let newest = levels.iter().max_by_key(|level| &level.date);
    let Some(newest) = newest else {
        let rows = calibration.rows.unwrap_or_default();
        let date = calibration.date.as_deref().unwrap_or_default();
        return format!(
            "scaled by `{id}`: {rows} measurements of {date}, {}",
            calibration.source
        );
    };
    let rows: u64 = levels.iter().map(|level| level.rows).sum();
    let mut clients: Vec<u64> = levels.iter().map(|level| level.concurrency).collect();
    clients.sort_unstable();
    clients.dedup();
    let clients: Vec<String> = clients.iter().map(u64::to_string).collect();
    format!(
        "scaled by `{id}`: {rows} measurements up to {}, {}, concurrency {}",
        newest.date,
        newest.source,
        clients.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::workload::View;
    use super::*;
    use crate::catalog::Entry;

    fn level(concurrency: u64, input_tokens: u64, scales: [Option<f64>; 2]) -> Level {
        Level {
            concurrency,
            input_tokens,
            output_tokens: 128,
            model: None,
            format: None,
            output_token_scale: scales[0],
            first_token_scale: scales[1],
            rows: 10,
            date: "2026-11-29".to_owned(),
            source: "a test".to_owned(),
        }
    }

    fn scale(levels: Vec<Level>) -> Scale {
        let calibration = Calibration {
            id: "here".to_owned(),
            engine: "vllm".to_owned(),
            gpu: "h200-sxm".to_owned(),
            model: Some("deepseek-v3".to_owned()),
            format: None,
            devices: None,
            ram_bandwidth_bytes_per_second: None,
            output_token_scale: None,
            first_token_scale: None,
            output_token_range: None,
            first_token_range: None,
            rows: None,
            date: None,
            source: "a test".to_owned(),
            levels,
        };
        assert_eq!(calibration.check(), Ok(()));
        Scale::of(&calibration, ("deepseek-v3", "bf16"))
    }

    /// The scale of the time per output token with so many clients, and whether they lie among those measured.
    fn at(scale: &Scale, concurrency: u64) -> (f64, bool) {
        let workload = Workload {
            view: View::Served { concurrency },
            ..Workload::one(512, 128)
        };
        let found = scale.output_token.at(&workload).expect("a scale");
        assert_eq!(found.runs.is_some(), scale.covers(&workload));
        (found.scale, found.runs.is_some())
    }

    fn is_close((one, covered): (f64, bool), other: (f64, bool)) -> bool {
        (one - other.0).abs() < 1e-9 && covered == other.1
    }

    /// Halfway from 1 to 16 clients is 4: the scale there is the geometric mean of both.
    #[test]
    fn between_two_levels_lies_a_scale_between() {
        let scale = scale(vec![
            level(16, 512, [Some(4.0), None]),
            level(1, 512, [Some(1.0), None]),
        ]);
        assert!(is_close(at(&scale, 1), (1.0, true)));
        assert!(is_close(at(&scale, 4), (2.0, true)));
        assert!(is_close(at(&scale, 16), (4.0, true)));
        assert!(is_close(at(&scale, 64), (4.0, false)), "the nearest");
    }

    /// Two lengths with as many clients: the geometric mean, and a range that holds both.
    #[test]
    fn lengths_are_taken_together() {
        let scale = scale(vec![
            level(2, 512, [Some(1.0), Some(3.0)]),
            level(2, 8192, [Some(4.0), None]),
        ]);
        assert!(is_close(at(&scale, 2), (2.0, true)));
        let workload = Workload {
            sequences: 2,
            ..Workload::one(512, 128)
        };
        let spread = scale.spread(&workload, REPEATS);
        assert!((spread.output_token[0] - 0.92 / 2.0).abs() < 1e-9);
        assert!((spread.output_token[1] - 1.09 * 2.0).abs() < 1e-9);
        let alone = spread.first_token[0] - REPEATS.first_token[0];
        assert!(alone.abs() < 1e-9, "one run has no spread of its own");
    }

    #[test]
    fn what_was_not_measured_stays_as_modelled() {
        let scale = scale(vec![level(1, 512, [Some(2.0), None])]);
        let times = Times {
            first_token: 0.1,
            output_token: 0.01,
            throughput: 100.0,
            bound: crate::calc::speed::Bound::Memory,
        };
        let scaled = scale.on(times, &Workload::one(512, 128));
        assert!((scaled.first_token - 0.1).abs() < 1e-12);
        assert!((scaled.output_token - 0.02).abs() < 1e-12);
        assert_eq!(scale.unmeasured(&times), ["time to the first token"]);
        let no_prompt = Times {
            first_token: f64::NAN,
            ..times
        };
        assert!(
            scale.unmeasured(&no_prompt).is_empty(),
            "nothing is said of it"
        );
    }
}
