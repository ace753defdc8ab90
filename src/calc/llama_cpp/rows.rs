//! Layers in a row over several devices, the experts of the first ones with the host: the split that leaves fewest there.
//!
//! `--n-cpu-moe N` keeps the routed experts of the first N layers, which lie on the first devices: these take more
//! layers than their share of the memory, the last ones fewer.

use std::ops::Range;

use super::backend::Backend;
use super::cache::layer_bytes;
use super::compute::{self, Part, Staging};
use super::layer_weights::LayerWeights;
use super::load::{layer_weights, runtime, settings, unknown};
use super::places::Place;
use crate::calc::gguf_tensors::gguf_tensors;
use crate::calc::load::Load;
use crate::error::Result;
use crate::units::Bytes;

/// How often the spare memory is halved in the search for the most even split.
const HALVINGS: u32 = 24;

/// What every layer takes of a device, and what a device takes beside its layers.
pub struct Rows {
    weights: LayerWeights,
    /// Cache of each layer.
    caches: Vec<Bytes>,
    /// Leading layers without routed experts.
    dense: u32,
    /// Compute buffer of a device without the output, and of the one that has it.
    compute: [Bytes; 2],
    /// The same of the first device when it computes with experts of host memory.
    staging: [Option<Staging>; 2],
    runtime: Bytes,
}

/// Where everything lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// Leading layers whose routed experts stay with the host.
    pub host_experts: u32,
    /// Layers of each device, first to last, the output counted as one.
    pub layers: Vec<u32>,
}

impl Rows {
    /// The layers of `load` on GPUs; its split does not matter.
    ///
    /// # Errors
    /// When the format is no GGUF type, or llama.cpp does not load the model.
    pub fn of(load: &Load<'_>) -> Result<Self> {
        let shape = &load.model.shape;
        let (settings, backend) = (settings(load)?, Backend::Cuda);
        let tensors = gguf_tensors(shape, settings.layout);
        let buffer = |output| {
            // Source: as in `prepare`: with experts laid elsewhere nothing is pipelined.
            let part = Part {
                output,
                pipelined: false,
                staged: None,
            };
            compute::device(shape, &settings, backend, part).ok_or_else(|| unknown(load))
        };
        let weights = layer_weights(load, (backend, &tensors))?;
        let staged = weights.staged(shape.layers);
        let staging =
            |output| staged.and_then(|staged| Staging::of(shape, &settings, (output, staged)));
        Ok(Self {
            dense: shape.feed_forward.dense_layers(shape.layers),
            staging: [staging(false), staging(true)],
            weights,
            caches: (0..shape.layers)
                .map(|layer| layer_bytes(shape, &settings, (layer, backend)))
                .collect(),
            compute: [buffer(false)?, buffer(true)?],
            runtime: runtime(load, (backend, 0)),
        })
    }

    fn layers(&self) -> u32 {
        u32::try_from(self.caches.len()).unwrap_or(u32::MAX)
    }

    /// What a device with the layers `held`, the output counted as one, takes with the experts below `kept` elsewhere.
    fn need(&self, held: &Range<u32>, kept: u32) -> Bytes {
        let layers = self.layers();
        let place = Place {
            layers: held.start.min(layers)..held.end.min(layers),
            output: held.end > layers,
        };
        let caches = (0..).zip(&self.caches);
        let own = caches.filter(|(layer, _)| place.layers.contains(layer));
        let cache: Bytes = own.map(|(_, cache)| *cache).sum();
        let index = usize::from(place.output);
        let compute = match self.staging[index] {
            Some(staging) if held.start == 0 && kept > self.dense => {
                staging.bytes(&place.layers, kept)
            }
            Some(_) | None => self.compute[index],
        };
        self.weights.on(&place, Backend::Cuda) - self.weights.spared(&place, kept)
            + cache
            + compute
            + self.runtime
    }

    /// The layers of each device when each takes as many as `budgets` less `spare` hold; none where some are left.
    fn filled(&self, budgets: &[Bytes], (kept, spare): (u32, Bytes)) -> Option<Vec<u32>> {
        let all = self.layers().saturating_add(1);
        let mut start = 0;
        let mut held = Vec::with_capacity(budgets.len());
        for budget in budgets {
            let fits = |end: u32| self.need(&(start..end), kept) + spare <= *budget;
            let (mut most, mut beyond) = (start, all.saturating_add(1));
            if !fits(start) {
                return None;
            }
            while beyond - most > 1 {
                let middle = most + (beyond - most) / 2;
                if fits(middle) {
                    most = middle;
                } else {
                    beyond = middle;
                }
            }
            held.push(most - start);
            start = most;
        }
        (start == all).then_some(held)
    }

    /// The split with the fewest layers whose experts stay with the host, and among those the one that leaves most
    /// free on the fullest device; none where even all experts there leave too much.
    #[must_use]
    pub fn fewest_in_host(&self, budgets: &[Bytes]) -> Option<Laid> {
        let fits = |kept: u32| self.filled(budgets, (kept, Bytes::ZERO));
        let (mut least, mut enough) = (0, self.layers());
        let mut layers = fits(enough)?;
        while enough - least > 1 {
            let middle = least + (enough - least) / 2;
            match fits(middle) {
                Some(found) => (enough, layers) = (middle, found),
                None => least = middle,
            }
        }
        let (mut even, mut beyond) = (Bytes::ZERO, budgets.iter().copied().min()?);
        for _ in 0..HALVINGS {
            let middle = Bytes(even.0 + (beyond.0 - even.0) / 2);
            match self.filled(budgets, (enough, middle)) {
                Some(found) => (even, layers) = (middle, found),
                None => beyond = middle,
            }
        }
        Some(Laid {
            host_experts: enough,
            layers,
        })
    }
}
