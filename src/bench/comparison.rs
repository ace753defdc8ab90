//! What was measured, beside what was predicted.

use super::level::Level;
use crate::calc::load::Load;
use crate::calc::speed::{Range, Speed, View, Workload, calibrated};
use crate::catalog::Calibration;
use crate::units::whole;

/// The prediction for a level.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// How the requests come in it: the clients in a loop, or all at once where the engine's loop was never measured.
    pub view: View,
    /// The figures, or why there are none.
    pub speed: Speed,
}

/// What `load` should do under the workload that `level` saw: the tokens in and out that were asked for, and
/// `calibrations` of this machine.
#[must_use]
pub fn predict(
    load: &Load<'_>,
    level: &Level,
    ((input, output), calibrations): ((u64, u64), &[Calibration]),
) -> Prediction {
    let mean =
        |measured: Option<f64>, asked: u64| measured.map_or(asked, |mean| whole(mean.round()));
    let view = View::Served {
        concurrency: level.concurrency,
    };
    let workload = Workload {
        sequences: level.concurrency,
        view,
        ..Workload::one(
            mean(level.mean_input(), input),
            mean(level.mean_output(), output),
        )
    };
    let served = calibrated(load, &workload, calibrations);
    if served.time_per_output_token.is_some() {
        return Prediction {
            view,
            speed: served,
        };
    }
    let lone = Workload {
        view: View::Static,
        ..workload
    };
    let at_once = calibrated(load, &lone, calibrations);
    if at_once.time_per_output_token.is_none() {
        return Prediction {
            view,
            speed: served,
        };
    }
    Prediction {
        view: View::Static,
        speed: at_once,
    }
}

/// How far `predicted` is from `measured`, as a share of what was measured: above zero when it is too large.
#[must_use]
pub fn error(predicted: Option<Range>, measured: Option<f64>) -> Option<f64> {
    let (predicted, measured) = (predicted?, measured?);
    (measured > 0.0).then(|| predicted.value / measured - 1.0)
}

/// The same for throughput.
#[must_use]
pub fn throughput_error(prediction: &Prediction, level: &Level) -> Option<f64> {
    let measured = (level.completed > 0).then_some(level.output_tokens_per_second);
    error(prediction.speed.throughput, measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_share_of_what_was_measured() {
        let range = Range {
            value: 1.5,
            low: 1.0,
            high: 2.0,
        };
        let error = error(Some(range), Some(2.0)).expect("both");
        assert!((error + 0.25).abs() < 1e-12);
        assert_eq!(super::error(None, Some(2.0)), None);
        assert_eq!(super::error(Some(range), Some(0.0)), None);
    }
}
