//! A question to be deployed, as the command line would ask it.

use dsk::calc::estimate::estimate;
use dsk::catalog::{Catalog, Model, Version};
use dsk::deploy::{Deployment, Question, Target, deploy};
use dsk::error::Result;
use dsk::request::{Asked, HardwareAsked, Request, SplitAsked};

/// What a test asks.
pub(crate) struct Wish<'a> {
    pub(crate) target: Target,
    pub(crate) format: Option<&'a str>,
    pub(crate) kv: Option<&'a str>,
    pub(crate) gpu: &'a str,
    pub(crate) split: SplitAsked,
    pub(crate) context: u64,
    pub(crate) sequences: u64,
    pub(crate) version: Option<Version>,
    pub(crate) mtp: Option<u64>,
    pub(crate) asked: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) name: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
}

impl<'a> Wish<'a> {
    /// A target and devices, everything else left open.
    pub(crate) fn of(target: Target, gpu: &'a str) -> Self {
        Self {
            target,
            format: None,
            kv: None,
            gpu,
            split: SplitAsked::default(),
            context: 4096,
            sequences: 1,
            version: None,
            mtp: None,
            asked: "dsk deploy",
            host: "127.0.0.1",
            port: None,
            name: None,
            path: None,
        }
    }

    /// The plan.
    pub(crate) fn request(&self, catalog: &Catalog, model: Model) -> Result<Request> {
        let hardware = HardwareAsked {
            gpu: Some(self.gpu.to_owned()),
            ram_gb: Some(64.0),
            ..HardwareAsked::default()
        };
        let asked = Asked {
            format: self.format.map(str::to_owned),
            kv: self.kv.map(str::to_owned),
            context: Some(self.context),
            sequences: Some(self.sequences),
            engine: self.target.engine().map(str::to_owned),
            split: self.split,
            ..Asked::default()
        };
        let model = catalog.started(&model)?.unwrap_or(model);
        Request::resolve(catalog, model, hardware.resolve(catalog)?, &asked)
    }

    /// What is written for the plan.
    pub(crate) fn deploy(&self, request: &Request) -> Result<Deployment> {
        let estimate = estimate(&request.load())?;
        deploy(&Question {
            request,
            estimate: &estimate,
            target: self.target,
            asked: self.asked,
            path: self.path,
            version: self.version.as_ref(),
            host: self.host,
            port: self.port,
            name: self.name,
            stands_for: None,
            draft_tokens: self.mtp,
        })
    }

    /// The only file that is written for a model of the catalog.
    pub(crate) fn text(&self, catalog: &Catalog, model: &str) -> String {
        let model = catalog.model(model).expect("a model");
        let request = self.request(catalog, model).expect("a plan");
        let deployment = self.deploy(&request).expect("a deployment");
        assert_eq!(deployment.files.len(), 1);
        deployment.files[0].text.clone()
    }
}

/// The words of the engine's command in a script, in the arm of node `rank` where there are nodes.
pub(crate) fn command(script: &str, rank: u64) -> Vec<String> {
    let arm = format!("\n{rank})\n");
    // Hostile words may hold what looks like an end, so the last is the end where there is but one command.
    let (rest, end) = match script.split_once(&arm) {
        Some((_, rest)) => (rest, rest.find("\n;;")),
        None => (script, script.rfind("\n\n# To check it:\n")),
    };
    let end = end.expect("its end");
    let start = rest.find("exec ").expect("a command") + "exec ".len();
    let words = shlex::split(&rest[start..end]).expect("words");
    // This reader makes an empty word of a line that goes on; a shell makes none.
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// The value that follows a flag.
pub(crate) fn value<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    let position = words.iter().position(|word| word == flag)?;
    words.get(position + 1).map(String::as_str)
}
