//! Low-rank adapters: which modules get one, by the names that PEFT uses.

use crate::calc::tensors::{Role, Tensor};

/// The name of the module that holds a linear layer of that role, in Hugging Face Transformers.
#[must_use]
pub(super) fn module(role: Role) -> Option<&'static str> {
    let names = [
        (Role::Query, "q_proj"),
        (Role::Key, "k_proj"),
        (Role::Value, "v_proj"),
        (Role::AttentionOutput, "o_proj"),
        (Role::QueryDown, "q_a_proj"),
        (Role::QueryUp, "q_b_proj"),
        (Role::KvDown, "kv_a_proj_with_mqa"),
        (Role::KvUp, "kv_b_proj"),
        (Role::Gate, "gate_proj"),
        (Role::SharedGate, "gate_proj"),
        (Role::ExpertGate, "gate_proj"),
        (Role::Up, "up_proj"),
        (Role::SharedUp, "up_proj"),
        (Role::ExpertUp, "up_proj"),
        (Role::Down, "down_proj"),
        (Role::SharedDown, "down_proj"),
        (Role::ExpertDown, "down_proj"),
    ];
    names
        .into_iter()
        .find(|(known, _)| *known == role)
        .map(|(_, name)| name)
}

/// Whether a tensor gets an adapter; without names every linear layer does.
#[must_use]
pub(super) fn is_target(tensor: &Tensor, targets: Option<&[String]>) -> bool {
    match (module(tensor.role), targets) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(name), Some(targets)) => targets.iter().any(|target| target == name),
    }
}
