//! A model, format, engine and kind of device, prepared for many splits and workloads.

use super::machine::{Constants, Machine, lacks};
use super::places::{Places, Unknown};
use super::scale::Scale;
use super::volume::Volume;
use super::workload::{Range, Speed, Times, View, Workload};
use super::{decode, prefill, served, spread::wider};
use crate::calc::load::{Load, Split};
use crate::catalog::calibration::{Place, closest};
use crate::catalog::engine_speed::{EngineSpeed, Kernel, ModelClass, Spread};
use crate::catalog::{Basis, Calibration};
use crate::units::float;

/// Why a prompt has no time.
const HOST_PROMPTS: &str = "prompts that are computed from host memory were not measured";

/// Everything of a question that neither the split nor the workload changes.
///
/// Made once for a model, format, cache format, engine and kind of device, it answers in well under a microsecond.
#[derive(Debug)]
pub struct Prepared<'a> {
    machine: Machine<'a>,
    volume: Volume,
    basis: Basis,
    scale: Option<Scale>,
    source: String,
    notes: Vec<String>,
}

impl<'a> Prepared<'a> {
    /// Prepares the question of `load`; its split, context and number of sequences do not matter.
    ///
    /// # Errors
    /// When the speed of such a question cannot be said: the reason.
    pub fn of(load: &Load<'a>) -> Result<Self, String> {
        Self::with_bandwidth(load, None)
    }

    /// The same with bytes per second of a processor's memory that count instead of what the question says.
    pub(super) fn with_bandwidth(load: &Load<'a>, ram: Option<u64>) -> Result<Self, String> {
        let machine = Machine::of(load, ram)?;
        let constants = machine.constants;
        let mut notes = Vec::new();
        if machine.unseen {
            notes.push(format!(
                "{} was not measured with this kind of model and format on {}; the range is that of devices and models left out of the fit",
                machine.engine, machine.key.architecture
            ));
        }
        Ok(Self {
            machine,
            volume: Volume::of(load)?,
            basis: load.model.basis.and(Basis::Modelled),
            scale: None,
            source: constants.source.clone(),
            notes,
        })
    }

    /// The same with other constants of the engine, for fitting them.
    ///
    /// None when they say nothing of such a model on such a device.
    #[must_use]
    pub fn refitted<'b>(
        &'b self,
        constants: &'b EngineSpeed,
        at: (Split, u64),
    ) -> Option<Refitted<'b>> {
        let machine = Machine {
            constants,
            found: Constants::of(constants, self.machine.key)?,
            ..self.machine
        };
        Some(Refitted {
            places: Places::of(&machine, at, self.volume.used > 0.0).ok()?,
            machine,
            volume: &self.volume,
        })
    }

    /// Architecture, class of model and kernel that the constants are looked up for.
    #[must_use]
    pub fn key(&self) -> (&str, ModelClass, Kernel) {
        let key = self.machine.key;
        (key.architecture, key.class, key.kernel)
    }

    /// The same, scaled by the most particular of `calibrations` for that model on so many devices.
    #[must_use]
    pub fn calibrated(
        mut self,
        (load, devices): (&Load<'_>, u64),
        calibrations: &[Calibration],
    ) -> Self {
        let (engine, gpu) = self.machine.ids;
        let place = Place {
            engine,
            gpu,
            model: &load.model.id,
            format: &load.format.id,
            devices,
        };
        if let Some(calibration) = closest(calibrations, place) {
            let scale = Scale::of(calibration, (&load.model.id, &load.format.id));
            self.basis = load.model.basis.and(Basis::Measured);
            self.source.clone_from(&scale.source);
            self.notes = vec![self.source.clone()];
            self.scale = Some(scale);
        }
        self
    }

    /// The times of `workload` when the model lies on so many devices by that split.
    ///
    /// # Errors
    /// When this split or workload has no figure.
    pub fn times(
        &self,
        (split, devices): (Split, u64),
        workload: &Workload,
    ) -> Result<Times, Unknown> {
        let run = Run {
            machine: &self.machine,
            volume: &self.volume,
            places: Places::of(&self.machine, (split, devices), self.volume.used > 0.0)?,
            workload,
        };
        let times = run.times()?;
        Ok(match &self.scale {
            Some(scale) => scale.on(times, workload),
            None => times,
        })
    }

    /// The same with ranges and notes; no figures and the reason where there are none.
    #[must_use]
    pub fn speed(&self, at: (Split, u64), workload: &Workload) -> Speed {
        let answer = self
            .times(at, workload)
            .map(|times| (times, self.spread(at.0, workload)));
        let (times, spread) = match answer {
            Ok(answer) => answer,
            Err(unknown) => return Speed::unknown(self.basis, self.reason(unknown)),
        };
        let mut notes = self.notes.clone();
        if times.first_token.is_nan() {
            notes.push(self.reason(without_prompts(&self.machine)));
        }
        let mut basis = self.basis;
        for figure in self.scale.iter().flat_map(|scale| scale.unmeasured(&times)) {
            basis = basis.and(Basis::Modelled);
            notes.push(format!("the {figure} was not measured: it is modelled"));
        }
        if self.is_reckoned(workload) {
            basis = basis.and(Basis::Assumed);
            notes.push(format!(
                "no closed loop of {} was measured: reckoned from its lone prompts and steps, one after another",
                self.machine.engine
            ));
        }
        Speed {
            time_to_first_token: Range::of(times.first_token, spread.first_token),
            time_per_output_token: Range::of(times.output_token, spread.output_token),
            throughput: Range::of(times.throughput, spread.throughput),
            bound: Some(times.bound),
            basis,
            source: Some(self.source.clone()),
            notes,
        }
    }

    /// The reason in words.
    #[must_use]
    pub fn reason(&self, unknown: Unknown) -> String {
        let device = self.machine.device;
        match unknown {
            Unknown::Link => format!("{device} has no sourced link for tensor parallelism"),
            Unknown::Network => {
                "layers or experts are shared by several servers, and how fast these are joined is not known (--network-gbps)".to_owned()
            }
            Unknown::Memory => format!("the memory of {device} is not known"),
            Unknown::Host => HOST_PROMPTS.to_owned(),
            Unknown::Peak => lacks(device, self.machine.no_peak.unwrap_or("16-bit")),
            Unknown::Speculative => "no speculative run of such a model was measured".to_owned(),
        }
    }

    /// Whether a closed loop is asked for that nobody measured.
    fn is_reckoned(&self, workload: &Workload) -> bool {
        match workload.view {
            View::Static => false,
            View::Served { .. } => {
                let is_measured = self
                    .scale
                    .as_ref()
                    .is_some_and(|scale| scale.covers(workload));
                self.machine.constants.queue.is_none() && !is_measured
            }
        }
    }

    fn spread(&self, split: Split, workload: &Workload) -> Spread {
        let modelled = self.modelled_spread(split, workload);
        match &self.scale {
            Some(scale) => scale.spread(workload, modelled),
            None => modelled,
        }
    }

    /// The range of the engine's constants.
    fn modelled_spread(&self, split: Split, workload: &Workload) -> Spread {
        let (constants, host) = (self.machine.constants, self.machine.host);
        let ranges = &constants.ranges;
        let seen = match workload.view {
            View::Static => ranges.lone,
            View::Served { .. } => ranges.served.unwrap_or(ranges.unseen),
        };
        let unseen = self.scale.is_none() && self.machine.unseen
            || self.is_reckoned(workload)
            || split.pipeline > 1
            || split.data > 1
            || self.machine.slower > 1.0;
        let mut spread = if unseen {
            wider(seen, ranges.unseen)
        } else {
            seen
        };
        if let Some(slower) = constants.slower_on(self.machine.key.architecture) {
            spread = spread.holding(slower.range);
        }
        if workload.at_once() > 1
            && let Some(batches) = &constants.batches
        {
            spread = spread.beside(batches.spread);
        }
        if workload.speculative
            && let Some(measured) = &constants.speculative
        {
            spread = spread.over(measured.range);
        }
        if host.is_used()
            && let Some(measured) = constants.host(self.machine.key.class)
        {
            spread = spread.over(measured.range);
        }
        spread
    }
}

/// Why prompts have no time on `machine`.
fn without_prompts(machine: &Machine<'_>) -> Unknown {
    machine.no_peak.map_or(Unknown::Host, |_| Unknown::Peak)
}

/// One workload on placed devices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'r> {
    pub(super) machine: &'r Machine<'r>,
    pub(super) volume: &'r Volume,
    pub(super) places: Places,
    pub(super) workload: &'r Workload,
}

impl Run<'_> {
    fn times(&self) -> Result<Times, Unknown> {
        match self.workload.view {
            View::Static => self.alone(),
            View::Served { concurrency } => served::times(self, concurrency),
        }
    }

    /// Why prompts have no time.
    pub(super) fn without_prompts(&self) -> Unknown {
        without_prompts(self.machine)
    }

    /// One batch, all at once.
    fn alone(&self) -> Result<Times, Unknown> {
        let sequences = float(self.workload.sequences.max(1));
        // One sequence's products hide behind reading the weights; a batch's do not.
        if self.machine.no_peak.is_some() && sequences > 1.0 {
            return Err(Unknown::Peak);
        }
        let step = decode::step(self, sequences);
        let fixed = self.machine.constants.prefill_seconds;
        let first = prefill::prompts(self, sequences).map(|prompt| prompt.total() + fixed);
        let output = float(self.workload.output);
        let token = step.total() / drafted(self, sequences)?;
        let turn = first.map(|first| first + (output - 1.0).max(0.0) * token);
        Ok(Times {
            first_token: first.unwrap_or(f64::NAN),
            output_token: token,
            throughput: turn.map_or(f64::NAN, |turn| sequences * output / turn),
            bound: step.bound(),
        })
    }
}

/// How many times shorter the time per token is for guessing ahead: less so the more sequences there are.
pub(super) fn drafted(run: &Run<'_>, sequences: f64) -> Result<f64, Unknown> {
    if !run.workload.speculative {
        return Ok(1.0);
    }
    let measured = run
        .machine
        .constants
        .speculative
        .as_ref()
        .filter(|_| run.volume.drafts)
        .ok_or(Unknown::Speculative)?;
    let way = (sequences / measured.few).ln() / (measured.many / measured.few).ln();
    Ok(measured.alone + (measured.loaded - measured.alone) * way.clamp(0.0, 1.0))
}

/// A prepared question with other constants, for one split.
#[derive(Debug)]
pub struct Refitted<'r> {
    machine: Machine<'r>,
    volume: &'r Volume,
    places: Places,
}

impl Refitted<'_> {
    /// The times of `workload`.
    ///
    /// # Errors
    /// When it has no figure.
    pub fn times(&self, workload: &Workload) -> Result<Times, Unknown> {
        let run = Run {
            machine: &self.machine,
            volume: self.volume,
            places: self.places,
            workload,
        };
        run.times()
    }
}
