//! Weights, gradients and optimizer states on one device.
//!
//! Sources: ZeRO (Rajbhandari et al. 2020, arXiv 1910.02054), section 3; DeepSpeed 0.19.8
//! `runtime/zero/stage_1_and_2.py` and `stage3.py`; Megatron-LM d98e8a64
//! `megatron/training/theoretical_memory_usage.py`; the constants stand in `catalog/training.toml`.

use std::ops::Range;

use super::adapters::is_target;
use super::job::{Framework, Job, Layout, Method, Offload, Zero};
use super::pieces::piece;
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
    /// What every replica has.
    pub shared: Part,
    /// Routed experts.
    pub experts: Part,
    /// The largest module that ZeRO 3 gathers at once.
    pub largest: Parameters,
}

/// Parameters whose replicas lie on the same devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// All of them, frozen or not.
    pub parameters: Parameters,
    /// Trained ones, those of adapters included.
    pub trained: Parameters,
    /// Bytes of frozen weights.
    pub frozen: Bytes,
}

/// The tensors that are trained: the decoder without draft layers and vision tower, and without what both
/// frameworks keep as buffers, which get no gradient.
pub(super) fn trained(job: &Job<'_>) -> Vec<Tensor> {
    let mut all = tensors(&job.model.shape);
    all.retain(|tensor| tensor.section == Section::Main && !tensor.role.is_buffer());
    all
}

/// What the device of a pipeline stage with `layers` holds.
#[must_use]
pub(super) fn held(job: &Job<'_>, layout: &Layout, layers: &Range<u32>) -> Held {
    let mut held = Held::default();
    let mut here = trained(job);
    here.retain(|tensor| layers_of(tensor, job, layers) > 0);
    for tensor in &here {
        held.add(job, layout, (tensor, layers_of(tensor, job, layers)));
    }
    held.largest = largest(&here, |tensor| {
        let piece = piece(job, layout, tensor);
        (Parameters(piece.rows) * piece.columns, piece.copies)
    });
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
        let all = Parameters(piece.rows) * piece.columns * piece.copies * times;
        let adapter = Parameters(job.rank) * (piece.rows + piece.columns) * piece.copies * times;
        let part = if tensor.role.is_routed_expert() {
            &mut self.experts
        } else {
            &mut self.shared
        };
        part.parameters += all;
        part.trained += match job.method {
            Method::Full => all,
            Method::Lora | Method::Qlora if is_target(tensor, job.targets) => adapter,
            Method::Lora | Method::Qlora => Parameters::ZERO,
        };
        part.frozen += match job.method {
            Method::Full => Bytes::ZERO,
            Method::Lora => all.bytes_at(TRAINED_BITS),
            Method::Qlora => quantized(job, tensor, piece) * times,
        };
    }
}

/// The largest module of `tensors` as `each` counts a tensor's parameters and `copies` an expert's number.
///
/// Source: `DeepseekV3NaiveMoe` in Transformers 5.24 `modeling_deepseek_v3.py` and DeepSpeed's own grouped experts
/// hold all experts of a layer in one module; DeepSpeed's estimator counts a module's own parameters.
pub(super) fn largest(
    tensors: &[Tensor],
    each: impl Fn(&Tensor) -> (Parameters, u64),
) -> Parameters {
    let (mut experts, mut other) = (Parameters::ZERO, Parameters::ZERO);
    for tensor in tensors {
        let (single, copies) = each(tensor);
        if tensor.role.is_routed_expert() {
            experts += single * copies;
        } else {
            other = other.max(single);
        }
    }
    experts.max(other)
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
    let both = held.shared.trained + held.experts.trained;
    let groups = if data == expert_data {
        vec![(both, data)]
    } else {
        vec![
            (held.shared.trained, data),
            (held.experts.trained, expert_data),
        ]
    };
    let mut sum = States::default();
    for group in groups {
        let part = divided(job, layout, group);
        sum.weights += part.weights;
        sum.gradients += part.gradients;
        sum.optimizer += part.optimizer;
        sum.host += part.host;
    }
    let frozen = frozen(layout, held);
    sum.weights += frozen.weights;
    sum.host += frozen.host;
    if layout.zero == Zero::Three && data.max(expert_data) > 1 {
        sum.weights += Bytes(held.largest.0) * GATHERED_BYTES;
    }
    sum
}

/// Frozen weights, where they lie: ZeRO 3 divides them as well.
fn frozen(layout: &Layout, held: &Held) -> States {
    let whole = held.shared.frozen + held.experts.frozen;
    let share = Bytes(held.shared.frozen.0 / layout.data.max(1))
        + Bytes(held.experts.frozen.0 / layout.expert_data());
    let (weights, host) = match (layout.zero, layout.offload) {
        (Zero::Three, Offload::All) => (Bytes::ZERO, share),
        (Zero::Three, Offload::Off | Offload::Optimizer) => (share, Bytes::ZERO),
        (Zero::Off | Zero::One | Zero::Two, _) => (whole, Bytes::ZERO),
    };
    States {
        weights,
        host,
        ..States::default()
    }
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
    // What is divided: gradients, and with them the optimizer's states.
    let shares = |gradients: u64| {
        let first = share(gradients);
        (first, share(gradients + optimizer) - first)
    };
    let (kept, (divided, optimizer)) = match layout.zero {
        Zero::Off => (all(gradients + copy), (Bytes::ZERO, all(optimizer))),
        Zero::One => (all(gradients), shares(copy)),
        Zero::Two => (Bytes::ZERO, shares(gradients + copy)),
        Zero::Three => return placed(layout, all_divided(job, share)),
    };
    let device = States {
        weights: all(weights),
        gradients: kept + divided,
        optimizer,
        host: Bytes::ZERO,
    };
    if layout.zero == Zero::One && layout.offload != Offload::Off {
        // ZeRO 1 divides no 16-bit gradients: those stay on the device.
        return States {
            gradients: kept,
            optimizer: Bytes::ZERO,
            host: divided + optimizer,
            ..device
        };
    }
    placed(layout, device)
}

/// ZeRO 3, where `share` is a device's share of so many bytes a parameter.
fn all_divided(job: &Job<'_>, share: impl Fn(u64) -> Bytes) -> States {
    let recipe = job.recipe;
    // DeepSpeed's estimator for stage 3 counts the FP32 gradients alone: 18, not 20.
    let own = match job.framework {
        Framework::DeepSpeed => recipe.gradient_copy,
        Framework::Megatron => recipe.gradients + recipe.gradient_copy,
    };
    let weights = share(recipe.weights);
    let with_gradients = share(recipe.weights + own);
    States {
        weights,
        gradients: with_gradients - weights,
        optimizer: share(recipe.weights + own + recipe.optimizer) - with_gradients,
        host: Bytes::ZERO,
    }
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
