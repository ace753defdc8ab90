//! One event of a streamed answer in the form of OpenAI's API.

use serde::Deserialize;
use serde_json::Value;

use super::events::Event;
use super::failure::{Failure, message};

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Whether it carries a token.
    pub token: bool,
    /// Whether the answer ends with it.
    pub finished: bool,
    /// The server's count of tokens, where the event has one.
    pub usage: Option<Usage>,
}

/// A server's count of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    /// The older name; vLLM sends both (`handle_deprecated_reasoning_content` of its `DeltaMessage`).
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Value>,
}

/// What `event` says.
///
/// # Errors
/// When it is an error, or nothing that the API knows.
pub fn chunk(event: &Event) -> Result<Chunk, Failure> {
    let data = match event {
        Event::Data(data) => data.trim(),
        Event::Error(text) => return Err(Failure::Reported(message(text))),
    };
    if data == "[DONE]" {
        return Ok(Chunk {
            finished: true,
            ..Chunk::default()
        });
    }
    if !data.starts_with('{') {
        return Err(Failure::Malformed(format!(
            "`{}` is no object",
            message(data)
        )));
    }
    let document: Document = serde_json::from_str(data)
        .map_err(|error| Failure::Malformed(format!("{error} in `{}`", message(data))))?;
    if let Some(error) = document.error.filter(|error| !error.is_null()) {
        let text = format!("{{\"error\": {error}}}");
        return Err(Failure::Reported(message(&text)));
    }
    let choices = document.choices.unwrap_or_default();
    Ok(Chunk {
        token: choices.iter().any(Choice::is_token),
        finished: choices.iter().any(|choice| choice.finish_reason.is_some()),
        usage: document.usage,
    })
}

impl Choice {
    /// A token's text may be empty, as a special token's is. What only names the role or the reason to end is none.
    fn is_token(&self) -> bool {
        if let Some(text) = &self.text {
            return !text.is_empty() || self.finish_reason.is_none();
        }
        let Some(delta) = &self.delta else {
            return false;
        };
        let texts = [&delta.content, &delta.reasoning, &delta.reasoning_content];
        if delta.tool_calls.is_some() || texts.into_iter().any(|text| is_filled(text.as_ref())) {
            return true;
        }
        delta.role.is_none()
            && self.finish_reason.is_none()
            && texts.iter().any(|text| text.is_some())
    }
}

fn is_filled(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &str) -> Result<Chunk, Failure> {
        chunk(&Event::Data(data.to_owned()))
    }

    #[test]
    fn what_is_a_token() {
        for (data, token, finished) in [
            (
                r#"{"choices": [{"text": "a", "finish_reason": null}]}"#,
                true,
                false,
            ),
            (
                r#"{"choices": [{"text": "", "finish_reason": null}]}"#,
                true,
                false,
            ),
            (
                r#"{"choices": [{"text": "", "finish_reason": "length"}]}"#,
                false,
                true,
            ),
            (
                r#"{"choices": [{"text": "a", "finish_reason": "stop"}]}"#,
                true,
                true,
            ),
            (
                r#"{"choices": [{"delta": {"role": "assistant", "content": null}}]}"#,
                false,
                false,
            ),
            (
                r#"{"choices": [{"delta": {"role": "assistant", "content": ""}}]}"#,
                false,
                false,
            ),
            (
                r#"{"choices": [{"delta": {"role": "assistant", "content": "a"}}]}"#,
                true,
                false,
            ),
            (
                r#"{"choices": [{"delta": {"reasoning_content": "a"}}]}"#,
                true,
                false,
            ),
            (
                r#"{"choices": [{"delta": {"reasoning": "a"}}]}"#,
                true,
                false,
            ),
            (
                r#"{"choices": [{"delta": {"reasoning": "a", "reasoning_content": "a"}}]}"#,
                true,
                false,
            ),
            (
                r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#,
                false,
                true,
            ),
            (r#"{"choices": []}"#, false, false),
            ("[DONE]", false, true),
        ] {
            let chunk = of(data).expect(data);
            assert_eq!((chunk.token, chunk.finished), (token, finished), "{data}");
        }
    }

    #[test]
    fn usage_may_stand_alone_or_beside_a_token() {
        let alone = of(r#"{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}"#);
        let usage = alone.expect("a chunk").usage.expect("usage");
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens),
            (Some(7), Some(3))
        );
        assert_eq!(of(r#"{"usage": null}"#).expect("a chunk").usage, None);
    }

    #[test]
    fn errors_and_nonsense_are_failures() {
        let error = of(r#"{"error": {"message": "out of memory"}}"#);
        assert_eq!(error, Err(Failure::Reported("out of memory".to_owned())));
        for data in ["{", "[]", "7", r#"{"choices": 7}"#, ""] {
            assert!(matches!(of(data), Err(Failure::Malformed(_))), "{data}");
        }
    }
}
