//! Arithmetic of training: what the model needs, what recomputation adds, and how long it takes.
//!
//! Sources: Korthikanti et al. 2022 (arXiv 2205.05198), appendix A; PaLM (Chowdhery et al. 2022,
//! arXiv 2204.02311), appendix B, where model FLOPs utilisation (MFU) is defined.

use super::job::Recompute;
use crate::calc::hardware::Device;
use crate::calc::tensors::parameters;
use crate::catalog::gpu::GpuKind;
use crate::catalog::shape::{Attention, Shape};
use crate::catalog::training::{Published, Run};
use crate::catalog::{Basis, Model, Training};
use crate::units::float;

/// Floating-point operations of one trained token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flops {
    /// Forward and backward through the matrices, head included: 6 for each active parameter.
    pub matrices: f64,
    /// Forward and backward through attention, without the causal half left out: as MFU counts it.
    pub attention: f64,
    /// What recomputation adds.
    pub recomputed: f64,
}

impl Flops {
    /// What the model needs: the figure that MFU counts.
    #[must_use]
    pub fn model(&self) -> f64 {
        self.matrices + self.attention
    }

    /// What the hardware does.
    #[must_use]
    pub fn hardware(&self) -> f64 {
        self.model() + self.recomputed
    }
}

/// Operations of a token in sequences of `sequence` tokens; none for attention whose count is not published.
#[must_use]
pub fn flops(shape: &Shape, sequence: u64, recompute: Recompute) -> Option<Flops> {
    let counted = parameters(shape);
    let looked_up = if shape.tied_embeddings {
        0
    } else {
        counted.embedding.0
    };
    let matrices = 6.0 * float(counted.active.0.saturating_sub(looked_up));
    let widths = match &shape.attention {
        Attention::Grouped {
            heads, head_size, ..
        } => 2 * heads * head_size,
        Attention::Latent {
            heads,
            nope_size,
            rope_size,
            value_size,
            indexer: None,
            ..
        } => heads * (nope_size + rope_size + value_size),
        Attention::Latent { .. } | Attention::Compressed(_) => return None,
    };
    let attention = 6.0 * float(u64::from(shape.layers)) * float(widths) * float(sequence);
    let recomputed = match recompute {
        Recompute::Off => 0.0,
        // The paper counts attention's operations once more in full (its equation for hardware
        // FLOPs has s/3h where the model's has s/6h); its published HFU is reproduced so.
        Recompute::Selective => attention,
        Recompute::Full => (matrices + attention) / 3.0,
    };
    Some(Flops {
        matrices,
        attention,
        recomputed,
    })
}

/// The share of the peak that comparable runs reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Utilization {
    /// The median, 0 to 1.
    pub value: f64,
    /// The lowest and the highest; none of fewer than two runs.
    pub range: Option<(f64, f64)>,
    /// How many runs.
    pub runs: usize,
    /// How it is known.
    pub basis: Basis,
    /// Where they were published.
    pub sources: Vec<String>,
}

/// What published runs nearest in size and length reached on that kind of server; none where none was published.
#[must_use]
pub(super) fn published(
    training: &Training,
    model: &Model,
    (sequence, device): (u64, &Device),
) -> Option<Utilization> {
    let gpu = device.gpu.as_ref()?;
    if gpu.kind != GpuKind::Datacenter {
        return None;
    }
    let experts = model.shape.feed_forward.dense_layers(model.shape.layers) < model.shape.layers;
    let comparable: Vec<(&Published, Run)> = training
        .utilization
        .iter()
        .filter(|table| table.architecture == gpu.architecture && table.experts == experts)
        .flat_map(|table| table.rows.iter().map(move |run| (table, *run)))
        .collect();
    let size = parameters(&model.shape).main.0;
    let mut nearest: Vec<(&Published, Run)> = Vec::new();
    // Runs within a factor of 1.5 in size and length, then 3, 6 ...
    for doubling in 0..12 {
        let factor = 1.5 * f64::from(1_u32 << doubling);
        nearest = comparable
            .iter()
            .filter(|(_, run)| {
                within(run.parameters, size, factor)
                    && within(run.sequence_tokens, sequence, factor)
            })
            .copied()
            .collect();
        if nearest.len() >= 3 {
            break;
        }
    }
    summary(nearest)
}

fn within(one: u64, other: u64, factor: f64) -> bool {
    let ratio = float(one.max(1)) / float(other.max(1));
    ratio <= factor && ratio >= 1.0 / factor
}

fn summary(mut runs: Vec<(&Published, Run)>) -> Option<Utilization> {
    runs.sort_by(|one, other| one.1.mfu_percent.total_cmp(&other.1.mfu_percent));
    let share = |index: usize| runs.get(index).map(|(_, run)| run.mfu_percent / 100.0);
    let mut sources: Vec<String> = runs.iter().map(|(table, _)| table.source.clone()).collect();
    sources.sort();
    sources.dedup();
    Some(Utilization {
        value: share(runs.len() / 2)?,
        range: match runs.len() {
            0 | 1 => None,
            more => share(0).zip(share(more - 1)),
        },
        runs: runs.len(),
        basis: Basis::Modelled,
        sources,
    })
}

/// Seconds for `tokens` tokens at `utilization` of `devices` peaks.
#[must_use]
pub fn seconds(flops: &Flops, tokens: u64, (devices, peak, utilization): (u64, u64, f64)) -> f64 {
    flops.model() * float(tokens) / (float(devices) * float(peak) * utilization)
}
