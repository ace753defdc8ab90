//! What a user should know about a deployment.

use super::launch::Launch;
use super::question::Question;
use crate::calc::tensors::parameters;
use crate::catalog::{Allocator, EngineLaunch, Setting, Version};

/// What is bent, left out or differs from what was calculated.
pub(super) fn notes(
    question: &Question<'_>,
    launch: &Launch<'_>,
    known: &EngineLaunch,
) -> Vec<String> {
    let mut notes = question.request.notes.clone();
    if let Some(asked) = question.stands_for {
        notes.push(format!(
            "no weights of exactly {} exist: this plans for and runs {}, the nearest that can be had; `dsk memory {}` has the article's own figures",
            asked.id,
            launch.weights(),
            asked.id
        ));
    }
    if let Some(ready) = launch.ready() {
        notes.push(format!(
            "{ready} is somebody else's {} of {}: which layers it quantizes, and so its memory, may differ",
            launch.format.name, launch.model.id
        ));
    }
    let version = launch.version.unwrap_or(&known.verified);
    if *version > known.verified {
        notes.push(format!(
            "the flags were verified up to {} {}; {version} may have changed them",
            launch.engine.name, known.verified
        ));
    }
    let calculated = launch.engine.version.as_str();
    if Version::parse(calculated).is_ok_and(|own| own != *version) {
        notes.push(format!(
            "the memory is what {} {calculated} takes",
            launch.engine.name
        ));
    }
    if launch.engine.allocator == Allocator::LlamaCpp {
        notes.extend(super::llama_cpp::importance_note(launch));
    }
    notes.extend(launch.parser(Setting::ToolParser).and_then(|parser| {
        let template = parser.template.as_ref()?;
        Some(format!(
            "for tool calls add --chat-template with {}'s own {template}",
            launch.engine.name
        ))
    }));
    if question.draft_tokens.is_some() {
        let draft = parameters(&launch.model.shape).draft;
        notes.push(format!(
            "the draft layers ({:.2} billion parameters more) and their cache are not in the memory calculated",
            draft.billions()
        ));
    }
    notes
}
