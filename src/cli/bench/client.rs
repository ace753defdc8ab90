//! Requests to the server.
//!
//! One blocking connection a client, each in a thread of its own: the time of a chunk is taken as soon as the
//! read that brought it returns, before anything is parsed. Each request has a new connection, as a new user's has:
//! llama.cpp's server announces `Keep-Alive` and closes after every stream, which would fail every other request.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, Proxy};

use super::Clock;
use super::target::Target;
use crate::bench::failure::{Failure, message};
use crate::bench::record::{Recorder, Sample};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of an answer that is no stream.
const LONGEST_ANSWER: u64 = 4 << 20;
/// Bytes of one read.
const READ: usize = 1 << 14;

/// Sends requests to one server.
pub(super) struct Client {
    agent: Agent,
    target: Target,
    pub(super) clock: Clock,
    /// Chunks with tokens that came so far.
    pub(super) tokens: AtomicU64,
}

/// A request that failed, and how long the server wants to be left alone.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) retry_after: Option<Duration>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            retry_after: None,
        }
    }
}

impl Client {
    /// A client of `target` whose requests take at most `timeout`.
    pub(super) fn new(target: &Target, timeout: Duration, clock: Clock) -> Self {
        let proxy = if target.is_local() {
            None
        } else {
            Proxy::try_from_env()
        };
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT.min(timeout)))
            .http_status_as_error(false)
            .max_idle_connections(0)
            .proxy(proxy)
            .no_delay(true)
            .user_agent(concat!("dsk/", env!("CARGO_PKG_VERSION")));
        // The system's own certificates, so that a server inside a company is trusted as elsewhere.
        #[cfg(feature = "https")]
        let config = config.tls_config(
            ureq::tls::TlsConfig::builder()
                .root_certs(ureq::tls::RootCerts::PlatformVerifier)
                .build(),
        );
        Self {
            agent: config.build().new_agent(),
            target: target.clone(),
            clock,
            tokens: AtomicU64::new(0),
        }
    }

    /// Sends a request at `path` of the API and follows its stream.
    pub(super) fn stream(
        &self,
        path: &str,
        body: &[u8],
        output_tokens: u64,
    ) -> Result<Sample, Refusal> {
        let sent = self.clock.seconds();
        let response = self.post(&self.target.at(path), body)?;
        if response.status() != 200 {
            return Err(refusal(response));
        }
        let mut recorder = Recorder::new(sent, output_tokens);
        let mut reader = response.into_body().into_reader();
        let mut buffer = [0; READ];
        loop {
            let read = reader.read(&mut buffer);
            let now = self.clock.seconds();
            match read {
                Ok(0) => return Ok(recorder.finish(now)?),
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    let tokens = recorder.push(bytes, now)?;
                    self.tokens.fetch_add(tokens, Ordering::Relaxed);
                }
                Err(error) => return Ok(recorder.lost(cut(error.into()))?),
            }
        }
    }

    /// Asks for a document of the API.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        let mut request = self.agent.get(self.target.at(path));
        if let Some(key) = self.target.authorization() {
            request = request.header("authorization", key);
        }
        document(request.call().map_err(broken)?)
    }

    /// Asks for a document beside the API.
    pub(super) fn ask_beside(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = body.to_string();
        document(self.post(&self.target.beside(path), body.as_bytes())?)
    }

    fn post(&self, url: &str, body: &[u8]) -> Result<Response<Body>, Failure> {
        let mut request = self
            .agent
            .post(url)
            .header("connection", "close")
            .header("content-type", "application/json");
        if let Some(key) = self.target.authorization() {
            request = request.header("authorization", key);
        }
        request.send(body).map_err(broken)
    }
}

fn document(response: Response<Body>) -> Result<Value, Failure> {
    if response.status() != 200 {
        return Err(refusal(response).failure);
    }
    let text = text(response);
    serde_json::from_str(&text).map_err(|error| Failure::Malformed(error.to_string()))
}

fn text(response: Response<Body>) -> String {
    response
        .into_body()
        .with_config()
        .limit(LONGEST_ANSWER)
        .lossy_utf8(true)
        .read_to_string()
        .unwrap_or_default()
}

fn refusal(response: Response<Body>) -> Refusal {
    let code = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    Refusal {
        failure: Failure::Status {
            code,
            message: message(&text(response)),
        },
        retry_after,
    }
}

/// What kept an answer from beginning.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "another package's errors, which grow with it"
)]
fn broken(error: ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Failure::Connect("the server did not accept it in time".to_owned())
        }
        ureq::Error::Timeout(_) => Failure::Timeout,
        ureq::Error::Protocol(error) => Failure::Malformed(error.to_string()),
        ureq::Error::Io(error) if is_closed(&error) => Failure::CutOff,
        ureq::Error::Io(error) => Failure::Connect(error.to_string()),
        other => Failure::Connect(other.to_string()),
    }
}

/// What kept an answer from ending.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "another package's errors, which grow with it"
)]
fn cut(error: ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::Timeout,
        ureq::Error::Protocol(error) => Failure::Malformed(error.to_string()),
        _ => Failure::CutOff,
    }
}

fn is_closed(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        UnexpectedEof,
    ]
    .contains(&error.kind())
}
