//! What was asked, resolved against the catalog: names become entries, gaps become defaults.

mod engine;
mod format;
pub mod hardware;
pub mod traffic;

use crate::calc::hardware::Hardware;
use crate::calc::load::{LayerSplit, Load, Options, Split};
use crate::calc::parallel::{self, startable};
use crate::calc::what_if::WhatIf;
use crate::catalog::find::find;
use crate::catalog::{Allocator, Catalog, Engine, Format, KvFormat, Model};
use crate::error::{Error, Result};
use crate::units::{Tokens, count};

pub use engine::{check_engine, check_model, engine_for};
pub use format::{check_cache, no_such_cache, resolve_format, resolve_format_alone};
pub use hardware::HardwareAsked;
pub use traffic::{SpeedDemands, Traffic, TrafficAsked};

/// The most positions that a question may ask for, over all sequences: far beyond any model,
/// and small enough that no product overflows.
pub const MOST_TOKENS: u64 = 1 << 40;

/// A question about one model, as asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The weight format's name.
    pub format: Option<String>,
    /// The cache format's name.
    pub kv: Option<String>,
    /// Tokens that one sequence may hold.
    pub context: Option<u64>,
    /// Sequences at once.
    pub sequences: Option<u64>,
    /// The engine's name.
    pub engine: Option<String>,
    /// The split over devices.
    pub split: SplitAsked,
    /// Settings of the engine.
    pub options: Options,
    /// Changes to the model that nobody made.
    pub what_if: WhatIf,
    /// Whether the formulas are wanted beside the figures.
    pub explain: bool,
}

/// A split, as far as it was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SplitAsked {
    /// Tensor parallelism.
    pub tensor: Option<u64>,
    /// Pipeline parallelism.
    pub pipeline: Option<u64>,
    /// Data parallelism.
    pub data: Option<u64>,
    /// Expert parallelism.
    pub expert: Option<u64>,
}

/// The question with every name resolved and every gap filled.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model.
    pub model: Model,
    /// The weight format.
    pub format: Format,
    /// The cache format.
    pub kv: KvFormat,
    /// Tokens that one sequence may hold.
    pub context: Tokens,
    /// Sequences at once.
    pub sequences: u64,
    /// The engine; none for the plain checkpoint.
    pub engine: Option<Engine>,
    /// The hardware.
    pub hardware: Option<Hardware>,
    /// The split.
    pub split: Split,
    /// Settings of the engine.
    pub options: Options,
    /// Changes to the model that nobody made.
    pub what_if: WhatIf,
    /// Whether the formulas are wanted beside the figures.
    pub explain: bool,
    /// What was filled in or bent, for the user to know.
    pub notes: Vec<String>,
}

impl Request {
    /// Resolves `asked` for `model` on `hardware`.
    ///
    /// # Errors
    /// Unknown names, impossible numbers, a format that the engine does not run.
    pub fn resolve(
        catalog: &Catalog,
        model: Model,
        hardware: Option<Hardware>,
        asked: &Asked,
    ) -> Result<Self> {
        let defaults = &catalog.defaults()?.request;
        let (model, changed) = asked.what_if.apply(model)?;
        let is_gguf = model.file.as_ref().is_some_and(|file| file.is_gguf);
        let engine = match (&asked.engine, is_gguf) {
            (Some(name), _) => Some(find(catalog.engines()?, name)?.clone()),
            (None, true) => Some(engine::of_files(catalog)?),
            (None, false) => hardware
                .as_ref()
                .map(|hardware| engine_for(catalog, hardware, asked.format.as_deref()))
                .transpose()?,
        };
        check_layers(hardware.as_ref(), asked.options.layer_split)?;
        let mut notes: Vec<String> = changed.into_iter().collect();
        notes.extend(check_engine(catalog, hardware.as_ref(), engine.as_ref())?);
        let format = resolve_format(
            catalog,
            (&model, asked.format.as_deref()),
            (engine.as_ref(), hardware.as_ref()),
            &mut notes,
        )?;
        check_model(
            catalog,
            (&model, &format),
            (engine.as_ref(), hardware.as_ref()),
        )?;
        let kv = check_cache(engine.as_ref(), asked.kv.as_deref())?;
        let context = Tokens(asked.context.unwrap_or(defaults.context_tokens));
        let sequences = asked.sequences.unwrap_or(defaults.sequences);
        check_load(context, sequences)?;
        notes.extend(window_note(&model, context));
        let split = asked.split.resolve(hardware.as_ref(), engine.as_ref())?;
        let mut request = Self {
            model,
            format,
            kv,
            context,
            sequences,
            engine,
            hardware,
            split,
            options: asked.options,
            what_if: asked.what_if,
            explain: asked.explain,
            notes,
        };
        if asked.split.tensor.is_none() && asked.split.pipeline.is_none() {
            request.split = startable(&request.load());
        }
        let refused = refusal(&request.load());
        request.notes.extend(refused);
        Ok(request)
    }

    /// The same question about the release that is run in the model's place; none where its own weights are.
    ///
    /// # Errors
    /// When the catalog is broken.
    pub fn started(&self, catalog: &Catalog) -> Result<Option<Self>> {
        // Of a changed model nobody has the weights, the release's neither.
        if self.what_if != WhatIf::default() {
            return Ok(None);
        }
        let release = catalog.started(&self.model)?;
        Ok(release.map(|model| Self {
            model,
            ..self.clone()
        }))
    }

    /// The question to the calculator.
    #[must_use]
    pub fn load(&self) -> Load<'_> {
        Load {
            model: &self.model,
            format: &self.format,
            kv: self.kv,
            context: self.context,
            sequences: self.sequences,
            engine: self.engine.as_ref(),
            hardware: self.hardware.as_ref(),
            split: self.split,
            options: self.options,
            explain: self.explain,
        }
    }
}

/// Refuses proportions of other devices than there are.
fn check_layers(hardware: Option<&Hardware>, split: Option<LayerSplit>) -> Result<()> {
    let there = hardware.map_or(1, |hardware| hardware.devices.len());
    match split.map(|split| split.parts().len()) {
        Some(parts) if parts != there => Err(Error::Unanswerable(format!(
            "--tensor-split names {parts} devices, but there are {there}"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// What to say about a split that a server refuses.
fn refusal(load: &Load<'_>) -> Option<String> {
    let engine = load.engine?;
    match engine.allocator {
        Allocator::Vllm | Allocator::Sglang => {
            let illegal = parallel::check(load).err()?;
            Some(format!(
                "{} does not start with this split: {}",
                engine.name, illegal.reason
            ))
        }
        Allocator::LlamaCpp | Allocator::Transformers => None,
    }
}

/// What to say about a context beyond the model's window.
#[must_use]
pub fn window_note(model: &Model, context: Tokens) -> Option<String> {
    let window = model.shape.window_tokens;
    (context.0 > window).then(|| {
        format!(
            "a context of {context} tokens is beyond the window of {} ({window} tokens): the memory is arithmetic, the model is not made for it",
            model.id
        )
    })
}

/// Refuses an empty or absurd load.
///
/// # Errors
/// Which number is impossible.
pub fn check_load(context: Tokens, sequences: u64) -> Result<()> {
    if context.0 == 0 || sequences == 0 {
        return Err(Error::Usage(
            "context and sequences must be at least 1".to_owned(),
        ));
    }
    if context.0.saturating_mul(sequences) > MOST_TOKENS {
        return Err(Error::Usage(format!(
            "{sequences} x {context} tokens are more than the {MOST_TOKENS} that are calculated at most"
        )));
    }
    Ok(())
}

impl SplitAsked {
    /// The split, with what was not asked for filled in from the number of devices:
    /// tensor parallelism, or whole layers in llama.cpp and Transformers.
    ///
    /// # Errors
    /// A zero, or a split that the devices do not make.
    pub fn resolve(self, hardware: Option<&Hardware>, engine: Option<&Engine>) -> Result<Split> {
        let parts = [self.tensor, self.pipeline, self.data, self.expert];
        if parts.contains(&Some(0)) {
            return Err(Error::Usage("a split must be at least 1".to_owned()));
        }
        let devices = hardware
            .map_or(1, |hardware| count(hardware.devices.len()))
            .max(1);
        let given = Split {
            tensor: self.tensor.unwrap_or(1),
            pipeline: self.pipeline.unwrap_or(1),
            data: self.data.unwrap_or(1),
            expert: self.expert.unwrap_or(1),
        };
        let rest = devices / given.devices().max(1);
        let by_layers = engine.is_some_and(|engine| match engine.allocator {
            Allocator::LlamaCpp | Allocator::Transformers => true,
            Allocator::Vllm | Allocator::Sglang => false,
        });
        let filled = match (self.tensor, self.pipeline) {
            (None, None) if by_layers => Split {
                pipeline: rest.max(1),
                ..given
            },
            (None, _) => Split {
                tensor: rest.max(1),
                ..given
            },
            (Some(_), None) => Split {
                pipeline: rest.max(1),
                ..given
            },
            (Some(_), Some(_)) => given,
        };
        if hardware.is_some() && filled.devices() != devices {
            return Err(Error::Usage(format!(
                "tensor {} x pipeline {} x data {} is {} devices, but there are {devices}",
                filled.tensor,
                filled.pipeline,
                filled.data,
                filled.devices()
            )));
        }
        Ok(filled)
    }
}
