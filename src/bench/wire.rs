//! What is sent to a server with OpenAI's API.

use serde::Serialize;

/// Which part of the API is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endpoint {
    /// `/completions`: the prompt as it is.
    #[default]
    Completions,
    /// `/chat/completions`: the prompt as a user's message, in the model's template.
    Chat,
}

impl Endpoint {
    /// Its path below the API's base.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Completions => "completions",
            Self::Chat => "chat/completions",
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Completions => "completions",
            Self::Chat => "chat",
        }
    }
}

/// How much of the API a server knows beyond OpenAI's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `ignore_eos` as well, so that every answer has the length that was asked for: vLLM, SGLang, llama.cpp.
    Extended,
    /// OpenAI's own: an answer may end early.
    Plain,
}

/// What every request of a run has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The model, as the server names it.
    pub model: String,
    /// Which part of the API.
    pub endpoint: Endpoint,
    /// Which dialect.
    pub dialect: Dialect,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<[Message<'a>; 1]>,
    max_tokens: u64,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Ask {
    /// The body of a request for `prompt`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn body(&self, prompt: &str) -> crate::error::Result<Vec<u8>> {
        let extended = self.dialect == Dialect::Extended;
        let (plain, messages) = match self.endpoint {
            Endpoint::Completions => (Some(prompt), None),
            Endpoint::Chat => {
                let message = Message {
                    role: "user",
                    content: prompt,
                };
                (None, Some([message]))
            }
        };
        let body = Body {
            model: &self.model,
            prompt: plain,
            messages,
            max_tokens: self.output_tokens,
            stream: true,
            stream_options: StreamOptions {
                include_usage: true,
            },
            temperature: extended.then_some(0.0),
            ignore_eos: extended.then_some(true),
        };
        serde_json::to_vec(&body).map_err(|error| {
            crate::error::Error::Unanswerable(format!("the request cannot be written: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn bodies_are_what_the_api_takes() {
        let mut ask = Ask {
            model: "m".to_owned(),
            endpoint: Endpoint::Completions,
            dialect: Dialect::Extended,
            output_tokens: 3,
        };
        let parsed = |ask: &Ask| -> Value {
            serde_json::from_slice(&ask.body("a \"b\"").expect("a body")).expect("JSON")
        };
        assert_eq!(
            parsed(&ask),
            json!({
                "model": "m", "prompt": "a \"b\"", "max_tokens": 3, "stream": true,
                "stream_options": {"include_usage": true}, "temperature": 0.0, "ignore_eos": true
            })
        );
        ask.endpoint = Endpoint::Chat;
        ask.dialect = Dialect::Plain;
        assert_eq!(
            parsed(&ask),
            json!({
                "model": "m", "messages": [{"role": "user", "content": "a \"b\""}], "max_tokens": 3,
                "stream": true, "stream_options": {"include_usage": true}
            })
        );
    }
}
