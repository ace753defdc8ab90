//! What the user should know beside the figures.

use super::job::Job;
use super::search::Bounds;
use super::{Answer, Asked};
use crate::calc::hardware::Hardware;

/// What the user should know of the layout and the figures.
pub(super) fn of_answer(job: &Job<'_>, answer: &Answer, asked: &Asked) -> Vec<String> {
    let mut notes = Vec::new();
    let layout = &answer.plan.layout;
    if layout.global_batch() != job.global_batch {
        notes.push(format!(
            "a step has {} sequences: {} do not divide into micro-batches of {} on {} replicas",
            layout.global_batch(),
            job.global_batch,
            layout.micro_batch,
            layout.data
        ));
    }
    let shape = &job.model.shape;
    if shape.draft_layers > 0 || shape.vision.is_some() {
        notes.push(
            "draft layers and vision tower are left out: the text decoder is trained".to_owned(),
        );
    }
    if answer.plan.flops.is_none() {
        notes.push(format!(
            "how {} keeps activations in training is not published: they are left out, and time with them",
            shape.attention.summary()
        ));
    }
    if asked.sequence_tokens > shape.window_tokens {
        notes.push(format!(
            "{} tokens are beyond the window of {} ({} tokens): the memory is arithmetic",
            asked.sequence_tokens, job.model.id, shape.window_tokens
        ));
    }
    if let Some(missing) = missing_time(answer, asked) {
        notes.push(missing);
    }
    notes.push(
        "the CUDA context, NCCL's buffers and fragmentation are not counted: leave some GiB"
            .to_owned(),
    );
    notes
}

/// What is not known of the links that the ranking goes by.
pub(super) fn of_links(job: &Job<'_>, bounds: &Bounds<'_>, hardware: &Hardware) -> Vec<String> {
    let mut notes = Vec::new();
    if bounds.devices <= 1 {
        return notes;
    }
    let each = job.devices_per_node;
    if hardware.per_node().is_none() {
        notes.push(format!(
            "how many of them a server holds is not known: {each} are taken"
        ));
    }
    if bounds.links.near.is_none() {
        notes.push(
            "the link between the devices is not known: the ranking leaves its time out".to_owned(),
        );
    }
    if bounds.devices > each && bounds.links.network.is_none() {
        notes.push(
            "the network between servers is not known (--network-gbps): the ranking takes it to be as fast as the link within one, so layouts that send much between servers may stand too high"
                .to_owned(),
        );
    }
    notes
}

fn missing_time(answer: &Answer, asked: &Asked) -> Option<String> {
    asked.tokens?;
    match (answer.peak, &answer.utilization) {
        (None, _) => Some("no time: the device has no sourced BF16 peak".to_owned()),
        (Some(_), None) => Some(
            "no time: no utilisation was published for such a model on such a device; give one (--mfu 0.4)"
                .to_owned(),
        ),
        (Some(_), Some(_)) => None,
    }
}
