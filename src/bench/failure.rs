//! What went wrong with a request.

use std::fmt;

/// Why a request was not answered in full.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection: refused, unknown host, broken TLS.
    Connect(String),
    /// Nothing more came within the time that a request may take.
    Timeout,
    /// An HTTP status other than 200, with what the server said.
    Status {
        /// The status.
        code: u16,
        /// The server's own words, cut short.
        message: String,
    },
    /// The stream ended before the answer did.
    CutOff,
    /// The server reported an error inside the stream.
    Reported(String),
    /// The stream holds what is no event, or no chunk of an answer.
    Malformed(String),
    /// The stream ended well but held no token.
    NoToken,
    /// Far more came than was asked for.
    Endless,
}

impl Failure {
    /// The kind, for scripts.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::Connect(_) => "connect".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Status { code, .. } => format!("http-{code}"),
            Self::CutOff => "cut-off".to_owned(),
            Self::Reported(_) => "reported".to_owned(),
            Self::Malformed(_) => "malformed".to_owned(),
            Self::NoToken => "no-token".to_owned(),
            Self::Endless => "endless".to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(reason) => write!(out, "no connection: {reason}"),
            Self::Timeout => write!(out, "not answered in time"),
            Self::Status { code, message } if message.is_empty() => {
                write!(out, "the server answered {code}")
            }
            Self::Status { code, message } => write!(out, "the server answered {code}: {message}"),
            Self::CutOff => write!(out, "the stream ended before the answer did"),
            Self::Reported(message) => write!(out, "the server reported: {message}"),
            Self::Malformed(what) => write!(out, "malformed stream: {what}"),
            Self::NoToken => write!(out, "the stream held no token"),
            Self::Endless => write!(out, "far more came than was asked for"),
        }
    }
}

/// What a server said, fit for one line: the message inside an error document, else the text, cut short.
#[must_use]
pub fn message(body: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let inside = parsed.as_ref().and_then(|value| {
        let error = value.get("error").unwrap_or(value);
        ["message", "detail"]
            .iter()
            .find_map(|key| error.get(key)?.as_str())
            .or_else(|| error.as_str())
    });
    let words: String = inside
        .unwrap_or(body)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(300)
        .collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_in_every_usual_form() {
        for body in [
            r#"{"error": {"message": "no such model", "code": 404}}"#,
            r#"{"error": "no such model"}"#,
            r#"{"object": "error", "message": "no such model"}"#,
            r#"{"detail": "no such model"}"#,
            "no such\nmodel",
        ] {
            assert_eq!(message(body), "no such model", "{body}");
        }
        assert_eq!(
            message("\u{1b}[2Jx"),
            "[2Jx",
            "no control reaches a terminal"
        );
    }
}
