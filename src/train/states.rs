//! Weights, gradients and optimizer states on one device.
//!
//! Sources: ZeRO (Rajbhandari et al. 2020, arXiv 1910.02054), section 3; DeepSpeed 0.19.8
//! `runtime/zero/stage_1_and_2.py` and `stage3.py`; Megatron-LM d98e8a64
//! `megatron/training/theoretical_memory_usage.py`; the constants stand in `catalog/training.toml`.

use std::ops::Range;

use super::adapters::is_target;
use super::job::{Framework, Job, Layout, Method, Offload, Zero};
use crate::calc::load::Split;
use crate::calc::sharding::Piece;
use crate::calc::tensors::{Role, Section, Tensor, tensors};
use crate::calc::weights::{is_quantized, scaled_bytes};
use crate::catalog::format::Storage;
use crate::units::{Bytes, Parameters, count};

/// Bytes of a parameter that ZeRO 3 gathers: 16-bit weight and gradient.
///
/// Source: `largest_layer_memory` in DeepSpeed 0.19.8 `runtime/zero/stage3.py`.
const GATHERED_BYTES: u64 = 4;
/// Bits of a weight in training.
const TRAINED_BITS: u64 = 16;

/// Model states of one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct States {
    /// Weights, and what ZeRO 3 gathers of the largest one.
    pub weights: Bytes,
    /// Gradients, with the optimizer's FP32 copy.
    pub gradients: Bytes,
    /// FP32 weights and moments.
    pub optimizer: Bytes,
    /// The same, where they lie in the host's memory.
    pub host: Bytes,
}

/// What a device holds of the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// All parameters, frozen or not.
    pub parameters: Parameters,
    /// Trained ones that every replica has.
    pub shared: Parameters,
    /// Trained ones of routed experts.
    pub experts: Parameters,
    /// Bytes of frozen weights.
    pub frozen: Bytes,
    /// The largest single matrix.
    pub largest: Parameters,
}

/// The tensors that are trained: the decoder without draft layers and vision tower.
pub(super) fn trained(job: &Job<'_>) -> Vec<Tensor> {
    let mut all = tensors(&job.model.shape);
    all.retain(|tensor| tensor.section == Section::Main);
    all
}

/// What the device of a pipeline stage with `layers` holds.
#[must_use]
pub(super) fn held(job: &Job<'_>, layout: &Layout, layers: &Range<u32>) -> Held {
    let mut held = Held::default();
    for tensor in trained(job) {
        let times = layers_of(&tensor, job, layers);
        if times > 0 {
            held.add(job, layout, (&tensor, times));
        }
    }
    held
}

/// How many layers of the stage have the tensor.
fn layers_of(tensor: &Tensor, job: &Job<'_>, layers: &Range<u32>) -> u64 {
    let (first, last) = (layers.start == 0, layers.end >= job.model.shape.layers);
    if tensor.role == Role::Embedding {
        // A tied head needs the embedding on the last stage as well.
        return u64::from(first || (last && job.model.shape.tied_embeddings));
    }
    if matches!(tensor.role, Role::Head | Role::OutputNorm) {
        return u64::from(last);
    }
    let start = tensor.layers.start.max(layers.start);
    let end = tensor.layers.end.min(layers.end);
    count((start..end).len())
}

impl Held {
    fn add(&mut self, job: &Job<'_>, layout: &Layout, (tensor, times): (&Tensor, u64)) {
        let piece = piece(job, layout, tensor);
        let each = Parameters(piece.rows) * piece.columns;
        let all = each * piece.copies * times;
        self.parameters += all;
        self.largest = self.largest.max(each);
        let adapter = Parameters(job.rank) * (piece.rows + piece.columns) * piece.copies * times;
        let trained = match job.method {
            Method::Full => all,
            Method::Lora | Method::Qlora if is_target(tensor, job.targets) => adapter,
            Method::Lora | Method::Qlora => Parameters::ZERO,
        };
        if tensor.role.is_routed_expert() {
            self.experts += trained;
        } else {
            self.shared += trained;
        }
        self.frozen += match job.method {
            Method::Full => Bytes::ZERO,
            Method::Lora => all.bytes_at(TRAINED_BITS),
            Method::Qlora => quantized(job, tensor, piece) * times,
        };
    }
}

fn piece(job: &Job<'_>, layout: &Layout, tensor: &Tensor) -> Piece {
    if layout.tensor == 1 && layout.expert == 1 {
        return Piece {
            rows: tensor.rows,
            columns: tensor.columns,
            copies: tensor.copies,
        };
    }
    let split = Split {
        tensor: layout.tensor,
        pipeline: layout.pipeline,
        data: layout.data,
        expert: layout.expert,
    };
    split.piece(tensor, &job.model.shape)
}

/// Bytes of one layer's piece as QLoRA freezes it.
fn quantized(job: &Job<'_>, tensor: &Tensor, piece: Piece) -> Bytes {
    let part = Tensor {
        rows: piece.rows,
        columns: piece.columns,
        ..tensor.clone()
    };
    let each = match &job.frozen.storage {
        Storage::Scaled(scaled) if is_quantized(tensor.role, *scaled) && !tensor.is_vector() => {
            scaled_bytes(&part, job.frozen.bits, *scaled)
        }
        Storage::Scaled(_) | Storage::Plain {} | Storage::Native {} | Storage::Gguf { .. } => {
            part.each().bytes_at(TRAINED_BITS)
        }
    };
    each * piece.copies
}

/// Model states of a device that holds that.
#[must_use]
pub(super) fn states(job: &Job<'_>, layout: &Layout, held: &Held) -> States {
    let (data, expert_data) = (layout.data, layout.expert_data());
    let groups = if data == expert_data {
        vec![(held.shared + held.experts, data)]
    } else {
        vec![(held.shared, data), (held.experts, expert_data)]
    };
    let mut sum = States::default();
    for (trained, ways) in groups {
        let part = divided(job, layout, (trained, ways));
        sum.weights += part.weights;
        sum.gradients += part.gradients;
        sum.optimizer += part.optimizer;
        sum.host += part.host;
    }
    sum.weights += match (layout.zero, layout.offload) {
        (Zero::Three, Offload::All) => Bytes::ZERO,
        (Zero::Three, Offload::Off | Offload::Optimizer) => Bytes(held.frozen.0 / data.max(1)),
        (Zero::Off | Zero::One | Zero::Two, _) => held.frozen,
    };
    if layout.offload == Offload::All {
        sum.host += Bytes(held.frozen.0 / data.max(1));
    }
    if layout.zero == Zero::Three && data > 1 {
        sum.weights += Bytes(held.largest.0) * GATHERED_BYTES;
    }
    sum
}

/// The states of `trained` parameters whose replicas lie on `ways` devices. Shares are rounded
/// down together, as DeepSpeed's estimator rounds them.
fn divided(job: &Job<'_>, layout: &Layout, (trained, ways): (Parameters, u64)) -> States {
    let recipe = job.recipe;
    let all = |bytes: u64| Bytes(trained.0) * bytes;
    let share = |bytes: u64| Bytes(all(bytes).0 / ways.max(1));
    let (weights, gradients, copy, optimizer) = (
        recipe.weights,
        recipe.gradients,
        recipe.gradient_copy,
        recipe.optimizer,
    );
    let (kept, plain, split) = match layout.zero {
        Zero::Off => (all(weights), all(gradients + copy), None),
        Zero::One => (all(weights), all(gradients), Some((copy, optimizer))),
        Zero::Two => (
            all(weights),
            Bytes::ZERO,
            Some((gradients + copy, optimizer)),
        ),
        Zero::Three => {
            // DeepSpeed's estimator for stage 3 counts the FP32 gradients alone: 18, not 20.
            let own = match job.framework {
                Framework::DeepSpeed => copy,
                Framework::Megatron => gradients + copy,
            };
            let weights_share = share(weights);
            let rest = share(weights + own + optimizer) - weights_share;
            let gradients_share = share(weights + own) - weights_share;
            return placed(
                layout,
                States {
                    weights: weights_share,
                    gradients: gradients_share,
                    optimizer: rest - gradients_share,
                    host: Bytes::ZERO,
                },
            );
        }
    };
    let (gradients, optimizer) = match split {
        None => (plain, all(optimizer)),
        Some((with_optimizer, optimizer)) => {
            let both = share(with_optimizer + optimizer);
            let first = share(with_optimizer);
            (plain + first, both - first)
        }
    };
    let device = States {
        weights: kept,
        gradients,
        optimizer,
        host: Bytes::ZERO,
    };
    if layout.zero == Zero::One && layout.offload != Offload::Off {
        // ZeRO 1 divides no 16-bit gradients: those stay on the device.
        let host = device.gradients.saturating_sub(plain) + device.optimizer;
        return States {
            gradients: plain,
            optimizer: Bytes::ZERO,
            host,
            ..device
        };
    }
    placed(layout, device)
}

/// Moves to the host what is offloaded.
fn placed(layout: &Layout, device: States) -> States {
    let optimizer = device.gradients + device.optimizer;
    match layout.offload {
        Offload::Off => device,
        Offload::Optimizer => States {
            weights: device.weights,
            host: optimizer,
            ..States::default()
        },
        Offload::All => States {
            host: optimizer + device.weights,
            ..States::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::find::find;
    use crate::catalog::training::Recipe;
    use crate::train::job::Recompute;

    /// GB (10^9 bytes) of a device with the paper's 2 + 2 + 12 bytes a parameter.
    fn papers(half_billions: u64, data: u64, zero: Zero) -> f64 {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let recipe = Recipe {
            weights: 2,
            gradients: 2,
            gradient_copy: 0,
            optimizer: 12,
            source: String::new(),
        };
        let job = Job {
            model: &catalog.model("6.7b").expect("a model"),
            method: Method::Full,
            rank: 8,
            targets: None,
            frozen: find(catalog.formats().expect("formats"), "nf4").expect("nf4"),
            framework: Framework::Megatron,
            recipe: &recipe,
            sequence_tokens: 4096,
            global_batch: 1,
            devices_per_node: 8,
        };
        let layout = Layout {
            data,
            tensor: 1,
            pipeline: 1,
            expert: 1,
            zero,
            micro_batch: 1,
            micro_batches: 1,
            interleave: 1,
            recompute: Recompute::Full,
            sequence_parallel: false,
            offload: Offload::Off,
        };
        let parameters = Parameters(half_billions * 500_000_000);
        let found = divided(&job, &layout, (parameters, data));
        (found.weights + found.gradients + found.optimizer).as_f64() / 1e9
    }

    /// ZeRO (arXiv 1910.02054), figure 1: 7.5 billion parameters on 64 devices; table 1: 128 billion on 4.
    #[test]
    fn a_devices_share_is_the_zero_papers() {
        let figures = [
            (15, 64, [120.0, 31.4, 16.6, 1.88]),
            (256, 4, [2048.0, 896.0, 704.0, 512.0]),
        ];
        for (half_billions, data, published) in figures {
            for (zero, gigabytes) in Zero::ALL.into_iter().zip(published) {
                let found = papers(half_billions, data, zero);
                // Printed with three digits.
                assert!(
                    (found / gigabytes - 1.0).abs() < 0.003,
                    "{found} {gigabytes}"
                );
            }
        }
    }
}
