//! What is to be trained, and how it is laid out over devices.

use crate::catalog::shape::FeedForward;
use crate::catalog::training::Recipe;
use crate::catalog::{Format, Model};

/// Which weights are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// All of them.
    Full,
    /// Low-rank adapters beside frozen 16-bit weights.
    Lora,
    /// Low-rank adapters beside frozen weights in NF4.
    Qlora,
}

/// What ZeRO divides over the data-parallel devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zero {
    /// Nothing.
    Off,
    /// Optimizer states.
    One,
    /// And gradients.
    Two,
    /// And weights.
    Three,
}

/// Which activations are calculated again in the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recompute {
    /// None: attention that is not fused keeps its scores as well.
    Off,
    /// The core of attention, as flash attention does by itself inside its kernel.
    Selective,
    /// Whole layers from their inputs.
    Full,
}

/// What lies in the host's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offload {
    /// Nothing.
    Off,
    /// Optimizer states and gradients.
    Optimizer,
    /// And weights (ZeRO 3).
    All,
}

/// Whose way of training is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framework {
    /// DeepSpeed.
    DeepSpeed,
    /// Megatron-LM.
    Megatron,
}

impl Method {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Lora => "lora",
            Self::Qlora => "qlora",
        }
    }
}

impl Zero {
    /// All stages.
    pub const ALL: [Self; 4] = [Self::Off, Self::One, Self::Two, Self::Three];

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

impl Recompute {
    /// Least work first.
    pub const ALL: [Self; 3] = [Self::Off, Self::Selective, Self::Full];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "none",
            Self::Selective => "selective",
            Self::Full => "full",
        }
    }
}

impl Offload {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "none",
            Self::Optimizer => "optimizer",
            Self::All => "all",
        }
    }
}

impl Framework {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DeepSpeed => "DeepSpeed",
            Self::Megatron => "Megatron-LM",
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::DeepSpeed => "deepspeed",
            Self::Megatron => "megatron",
        }
    }
}

/// What is to be trained.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The model.
    pub model: &'a Model,
    /// Which weights are trained.
    pub method: Method,
    /// Rank of the adapters.
    pub rank: u64,
    /// Modules that get an adapter; none for all linear ones.
    pub targets: Option<&'a [String]>,
    /// How QLoRA stores frozen weights.
    pub frozen: &'a Format,
    /// Whose way is counted.
    pub framework: Framework,
    /// Bytes of a parameter in that way.
    pub recipe: &'a Recipe,
    /// Tokens of a sequence.
    pub sequence_tokens: u64,
    /// Sequences a step.
    pub global_batch: u64,
    /// Devices of a server.
    pub devices_per_node: u64,
}

impl Job<'_> {
    /// Whether the model has routed experts.
    #[must_use]
    pub fn has_experts(&self) -> bool {
        match &self.model.shape.feed_forward {
            FeedForward::Dense { .. } => false,
            FeedForward::Experts { .. } => true,
        }
    }

    /// Whether the framework trains the model on `tensor` devices with sequence parallelism only.
    ///
    /// Source: `MoELayer.forward` in Megatron-LM d98e8a64 `megatron/core/transformer/moe/moe_layer.py`.
    #[must_use]
    pub fn needs_sequence_parallel(&self, tensor: u64) -> bool {
        self.framework == Framework::Megatron && self.has_experts() && tensor > 1
    }
}

/// How it is laid out over devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Data parallelism: replicas.
    pub data: u64,
    /// Tensor parallelism.
    pub tensor: u64,
    /// Pipeline stages.
    pub pipeline: u64,
    /// Expert parallelism, over the devices of data and tensor parallelism.
    pub expert: u64,
    /// What ZeRO divides.
    pub zero: Zero,
    /// Sequences of a micro-batch.
    pub micro_batch: u64,
    /// Micro-batches of a step on each replica (gradient accumulation).
    pub micro_batches: u64,
    /// Pieces of the model on each pipeline stage.
    pub interleave: u64,
    /// What is calculated again.
    pub recompute: Recompute,
    /// Whether norms and dropout are divided along the sequence (Megatron).
    pub sequence_parallel: bool,
    /// What lies in the host's memory.
    pub offload: Offload,
}

impl Layout {
    /// Devices that it takes.
    #[must_use]
    pub fn devices(&self) -> u64 {
        self.data
            .saturating_mul(self.tensor)
            .saturating_mul(self.pipeline)
    }

    /// Sequences of a step on all replicas.
    #[must_use]
    pub fn global_batch(&self) -> u64 {
        self.data
            .saturating_mul(self.micro_batch)
            .saturating_mul(self.micro_batches)
    }

    /// Devices that share each routed expert: with expert parallelism an expert is whole on its device.
    ///
    /// Source: what is emitted says so; Megatron-LM's own default is tensor parallelism, DeepSpeed 0.19.8
    /// `module_inject/auto_ep_folding.py` allows 1 only.
    #[must_use]
    pub fn expert_tensor(&self) -> u64 {
        if self.expert > 1 {
            1
        } else {
            self.tensor.max(1)
        }
    }

    /// Replicas of an expert (expert data parallelism): ZeRO divides its states over so many devices.
    ///
    /// Source: `expert_data_parallel_size` in Megatron-LM d98e8a64 `megatron/core/parallel_state.py`, `edp_size`
    /// in DeepSpeed 0.19.8 `module_inject/auto_ep_folding.py`.
    #[must_use]
    pub fn expert_data(&self) -> u64 {
        let stage = self.data.saturating_mul(self.tensor);
        let sharing = self.expert_tensor().saturating_mul(self.expert.max(1));
        (stage / sharing).max(1)
    }

    /// In a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!(
            "data {} x tensor {} x pipeline {}, micro-batch {} x {}, ZeRO {}, {} recomputation",
            self.data,
            self.tensor,
            self.pipeline,
            self.micro_batch,
            self.micro_batches,
            self.zero.number(),
            match self.recompute {
                Recompute::Off => "no",
                Recompute::Selective | Recompute::Full => self.recompute.word(),
            }
        );
        if self.expert > 1 {
            text.push_str(&format!(", expert {}", self.expert));
        }
        if self.offload != Offload::Off {
            text.push_str(&format!(", {} on the host", self.offload.word()));
        }
        text
    }
}
