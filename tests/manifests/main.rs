//! What `dsk deploy` writes for clusters: the plan's own figures, valid by the schemas of those who read it,
//! and closed against hostile names.

#![cfg(feature = "manifests")]

mod helm;
mod hostile;
mod monitoring;
mod plan;
mod schemas;

use dsk::calc::estimate::{Estimate, estimate};
use dsk::catalog::{Catalog, Model};
use dsk::deploy::cluster::{Manifest, Place, Rollout};
use dsk::deploy::{Question, Target};
use dsk::error::Result;
use dsk::render::manifest;
use dsk::request::{Asked, HardwareAsked, Request};
use serde_json::Value;

/// A question, and the plan that answers it.
struct Plan {
    catalog: Catalog,
    request: Request,
    estimate: Estimate,
    asked: String,
    place: Place<'static>,
    stands_for: Option<Model>,
    path: Option<&'static str>,
}

impl Plan {
    fn of(model: &str, gpu: &str, engine: &str) -> Self {
        Self::asked(
            model,
            gpu,
            &Asked {
                engine: Some(engine.to_owned()),
                sequences: Some(2),
                ..Asked::default()
            },
        )
    }

    fn asked(model: &str, gpu: &str, asked: &Asked) -> Self {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let hardware = HardwareAsked {
            gpu: Some(gpu.to_owned()),
            ..HardwareAsked::default()
        };
        let hardware = hardware.resolve(&catalog).expect("hardware");
        let named = catalog.model(model).expect("a model");
        let release = catalog.started(&named).expect("a release");
        let stands_for = release.is_some().then(|| named.clone());
        let model = release.unwrap_or(named);
        let request = Request::resolve(&catalog, model, hardware, asked).expect("a question");
        let estimate = estimate(&request.load()).expect("an answer");
        Self {
            catalog,
            request,
            estimate,
            asked: "dsk deploy".to_owned(),
            place: Place::default(),
            stands_for,
            path: None,
        }
    }

    fn rolled_out<R>(&self, target: Target, then: impl FnOnce(Result<Rollout<'_>>) -> R) -> R {
        let question = Question {
            request: &self.request,
            estimate: &self.estimate,
            target,
            asked: &self.asked,
            path: self.path,
            version: None,
            host: "127.0.0.1",
            port: None,
            name: None,
            stands_for: self.stands_for.as_ref(),
            draft_tokens: None,
        };
        then(Rollout::of(&self.catalog, &question, self.place))
    }

    /// What `then` makes of the plan's rollout to `target`.
    fn with<R>(&self, target: Target, then: impl FnOnce(&Rollout<'_>) -> R) -> R {
        self.rolled_out(target, |rollout| then(&rollout.expect("a rollout")))
    }

    fn written(&self, target: Target) -> Result<Manifest> {
        self.rolled_out(target, |rollout| Ok(rollout?.manifest()?.1))
    }

    /// The documents of `target`, as its readers see them.
    fn documents(&self, target: Target) -> Vec<Value> {
        read(&self.written(target).expect("documents"))
    }

    fn refused(&self, target: Target) -> String {
        self.written(target).expect_err("a refusal").to_string()
    }
}

/// What a YAML reader that shares nothing with the writer makes of `manifest`: libyaml's, which
/// Kubernetes' own reader descends from.
fn read(written: &Manifest) -> Vec<Value> {
    let text = manifest(written).expect("text");
    read_text(&text)
}

fn read_text(text: &str) -> Vec<Value> {
    use serde::Deserialize;
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("a document"))
        .collect()
}

/// The document of `kind`.
fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|document| document["kind"] == kind);
    let document = found.next();
    assert!(found.next().is_none(), "one {kind}");
    document.unwrap_or_else(|| panic!("a {kind}"))
}
