//! What the server is: its model, the API that it speaks, how it counts tokens.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Plan;
use super::client::Client;
use crate::bench::failure::Failure;
use crate::bench::prompt::{Probe, Prompts, Scale};
use crate::bench::run::Length;
use crate::bench::wire::{Ask, Dialect, Endpoint};
use crate::units::count;

/// Words of the first two prompts that the server counts.
const SHORT: u64 = 8;
const LONG: u64 = 64;

/// The server.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Probed {
    /// What every request has in common.
    pub(in crate::cli) ask: Ask,
    /// Words to tokens.
    pub(in crate::cli) scale: Scale,
    /// How that is known.
    pub(in crate::cli) length: Length,
    /// What the user should know.
    pub(in crate::cli) notes: Vec<String>,
}

/// Finds out what the server is.
pub(super) fn probe(client: &Client, plan: &Plan, seed: u64) -> Result<Probed> {
    let mut notes = Vec::new();
    let model = match &plan.served_name {
        Some(name) => name.clone(),
        None => served(client, plan, &mut notes)?,
    };
    let mut prober = Prober {
        client,
        prompts: Prompts::new(seed),
        ask: Ask {
            model,
            endpoint: plan.endpoint.unwrap_or_default(),
            dialect: Dialect::Extended,
            output_tokens: 1,
        },
    };
    let first = prober.settle(plan, &mut notes)?;
    let (scale, length) = match prober.by_usage(first, plan.input_tokens) {
        Some(scale) => (scale, Length::Usage),
        None => match prober.by_tokenizer() {
            Some(scale) => (scale, Length::Tokenizer),
            None => (Scale::ASSUMED, Length::Assumed),
        },
    };
    if length == Length::Assumed {
        notes.push("the server counts no tokens of prompts: one token a word was assumed, the true length is not known".to_owned());
    }
    let ask = Ask {
        output_tokens: plan.output_tokens,
        ..prober.ask
    };
    Ok(Probed {
        ask,
        scale,
        length,
        notes,
    })
}

/// The first model that the server names.
fn served(client: &Client, plan: &Plan, notes: &mut Vec<String>) -> Result<String> {
    let listed = match client.get("models") {
        Ok(listed) => listed,
        Err(Failure::Connect(reason)) => bail!("cannot reach {}: {reason}", plan.target.base),
        Err(failure) => bail!(
            "{}/models: {failure}; name the model as the server does: --served-name NAME",
            plan.target.base
        ),
    };
    let names = names(&listed);
    let [first, others @ ..] = names.as_slice() else {
        bail!(
            "{}/models names no model; name it as the server does: --served-name NAME",
            plan.target.base
        );
    };
    if !others.is_empty() {
        notes.push(format!(
            "the server has {} models; `{first}` was measured (--served-name chooses)",
            others.len() + 1
        ));
    }
    Ok((*first).to_owned())
}

/// The models that a server lists.
fn names(listed: &Value) -> Vec<&str> {
    listed
        .get("data")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|model| model.get("id")?.as_str())
        .collect()
}

/// What the server has instead of a model that was named but that it may not know; nothing where it has that one.
fn instead(client: &Client, plan: &Plan) -> Option<String> {
    let name = plan.served_name.as_ref()?;
    let listed = client.get("models").ok()?;
    let names = names(&listed);
    if names.is_empty() || names.contains(&name.as_str()) {
        return None;
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Some(format!(
        "; it has no `{name}`, but {} (--served-name)",
        quoted.join(", ")
    ))
}

struct Prober<'a> {
    client: &'a Client,
    prompts: Prompts,
    ask: Ask,
}

impl Prober<'_> {
    /// Sends the first request; changes the dialect or the endpoint when the server asks for that.
    fn settle(&mut self, plan: &Plan, notes: &mut Vec<String>) -> Result<Option<Probe>> {
        loop {
            let failure = match self.count(SHORT) {
                Ok(probe) => return Ok(probe),
                Err(failure) => failure,
            };
            match &failure {
                Failure::Status {
                    code: 404 | 405, ..
                } if plan.endpoint.is_none() && self.ask.endpoint == Endpoint::Completions => {
                    self.ask.endpoint = Endpoint::Chat;
                    notes.push(
                        "the server has no completions for this model: chat was measured"
                            .to_owned(),
                    );
                }
                Failure::Status {
                    code: 400 | 422, ..
                } if self.ask.dialect == Dialect::Extended => {
                    self.ask.dialect = Dialect::Plain;
                    notes.push(
                        "the server does not take ignore_eos: answers may be shorter than asked"
                            .to_owned(),
                    );
                }
                Failure::Connect(reason) => {
                    bail!("cannot reach {}: {reason}", plan.target.base)
                }
                Failure::Timeout
                | Failure::Status { .. }
                | Failure::CutOff
                | Failure::Reported(_)
                | Failure::Malformed(_)
                | Failure::NoToken
                | Failure::Endless => {
                    let instead = instead(self.client, plan).unwrap_or_default();
                    bail!(
                        "{} answers no request: {failure}{instead}",
                        plan.target.base
                    )
                }
            }
        }
    }

    /// Tokens of a prompt of `words`, as the server counts them.
    fn count(&mut self, words: u64) -> Result<Option<Probe>, Failure> {
        let prompt = self.prompts.text(words);
        let body = self
            .ask
            .body(&prompt)
            .map_err(|error| Failure::Malformed(error.to_string()))?;
        let path = self.ask.endpoint.path();
        let sample = self
            .client
            .stream(path, &body, self.ask.output_tokens)
            .map_err(|refusal| refusal.failure)?;
        Ok(sample.input_tokens.map(|tokens| Probe { words, tokens }))
    }

    /// The scale through two prompts, then through one of the wanted length.
    fn by_usage(&mut self, first: Option<Probe>, input_tokens: u64) -> Option<Scale> {
        let first = first?;
        let second = self.count(LONG).ok()??;
        let scale = Scale::through(first, second)?;
        let words = scale.words_for(input_tokens);
        if words <= LONG {
            return Some(scale);
        }
        // A prompt beyond the server's window is refused here and again in the run, which tells why.
        let third = self.count(words).ok().flatten();
        third
            .and_then(|third| Scale::through(first, third))
            .or(Some(scale))
    }

    /// The scale by the tokenizer that vLLM, SGLang and llama.cpp serve beside the API.
    fn by_tokenizer(&mut self) -> Option<Scale> {
        let one = self.tokenized(SHORT)?;
        let other = self.tokenized(LONG)?;
        Scale::through(one, other)
    }

    fn tokenized(&mut self, words: u64) -> Option<Probe> {
        let text = self.prompts.text(words);
        let body = json!({"model": self.ask.model, "prompt": text, "content": text});
        let answer = self.client.ask_beside("tokenize", &body).ok()?;
        let tokens = count(answer.get("tokens")?.as_array()?.len());
        Some(Probe { words, tokens })
    }
}
