//! What was asked, resolved against the catalog: names become entries, gaps become defaults.

pub mod hardware;
pub mod traffic;

use crate::calc::hardware::Hardware;
use crate::calc::load::{LayerSplit, Load, Options, Split};
use crate::calc::parallel::{self, startable};
use crate::calc::what_if::WhatIf;
use crate::catalog::find::find;
use crate::catalog::{Allocator, Catalog, Engine, Entry, Format, KvFormat, Model};
use crate::error::{Error, Result};
use crate::units::{Tokens, count};

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
            (None, true) => Some(engine_with(catalog, Allocator::LlamaCpp)?),
            (None, false) => hardware
                .as_ref()
                .map(|hardware| engine_for(catalog, hardware))
                .transpose()?,
        };
        check_engine(hardware.as_ref(), engine.as_ref())?;
        check_layers(hardware.as_ref(), asked.options.layer_split)?;
        let mut notes: Vec<String> = changed.into_iter().collect();
        let format = resolve_format(
            catalog,
            &model,
            asked.format.as_deref(),
            engine.as_ref(),
            &mut notes,
        )?;
        let kv = asked
            .kv
            .as_deref()
            .map_or(Ok(KvFormat::F16), KvFormat::parse)?;
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

/// Refuses an engine on devices where what it does is not calculated.
///
/// # Errors
/// Which device, and what the engine does there.
pub fn check_engine(hardware: Option<&Hardware>, engine: Option<&Engine>) -> Result<()> {
    let refused = hardware
        .zip(engine)
        .and_then(|(hardware, engine)| hardware.refusal(engine));
    match refused {
        Some(reason) => Err(Error::Unanswerable(reason)),
        None => Ok(()),
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
        return Err(Error::Unanswerable(
            "context and sequences must be at least 1".to_owned(),
        ));
    }
    if context.0.saturating_mul(sequences) > MOST_TOKENS {
        return Err(Error::Unanswerable(format!(
            "{sequences} x {context} tokens are more than the {MOST_TOKENS} that are calculated at most"
        )));
    }
    Ok(())
}

/// The first engine that allocates memory that way.
fn engine_with(catalog: &Catalog, allocator: Allocator) -> Result<Engine> {
    let found = catalog
        .engines()?
        .iter()
        .find(|engine| engine.allocator == allocator);
    found
        .cloned()
        .ok_or_else(|| Error::Unanswerable("no engine of the catalog runs GGUF files".to_owned()))
}

/// The engine that suits the hardware.
///
/// # Errors
/// When the catalog has none for it.
pub fn engine_for<'a>(catalog: &'a Catalog, hardware: &Hardware) -> Result<Engine> {
    let Some(device) = hardware.devices.first() else {
        return Err(Error::Unanswerable("the hardware has no device".to_owned()));
    };
    let engines: &'a [Engine] = catalog.engines()?;
    engines
        .iter()
        .find(|engine| {
            engine.suits.contains(&device.kind) && engine.vendors.contains(&device.vendor())
        })
        .or_else(|| {
            engines
                .iter()
                .find(|engine| engine.vendors.contains(&device.vendor()))
        })
        .cloned()
        .ok_or_else(|| {
            Error::Unanswerable(format!("no engine of the catalog runs on {}", device.name))
        })
}

/// The format that `name` means for this model and engine; the checkpoint's own when none is named.
///
/// # Errors
/// An unknown name, or a format that the engine does not run.
pub fn resolve_format(
    catalog: &Catalog,
    model: &Model,
    name: Option<&str>,
    engine: Option<&Engine>,
    notes: &mut Vec<String>,
) -> Result<Format> {
    let formats = catalog.formats()?;
    let asked = find(formats, name.unwrap_or(&model.native))?;
    if model.file.as_ref().is_some_and(|file| file.is_gguf) && asked.id != model.native {
        return Err(Error::Unanswerable(format!(
            "`{}` is a file in `{}`; to calculate another format, convert it or name the model",
            model.id, model.native
        )));
    }
    let native = find(formats, &model.native)?;
    if asked.id != native.id && asked.bits == native.bits && asked.general && runs(engine, native) {
        notes.push(format!(
            "{} ships in {}: taken as it is",
            model.id, native.name
        ));
        return Ok(native.clone());
    }
    let chosen = match engine.and_then(|engine| engine.formats.get(&asked.id)) {
        Some(own) => find(formats, own)?,
        None => asked,
    };
    if let Some(engine) = engine {
        if !runs(Some(engine), chosen) {
            let usable: Vec<&str> = formats
                .iter()
                .filter(|format| runs(Some(engine), format))
                .map(Entry::id)
                .collect();
            return Err(Error::Unanswerable(format!(
                "{} does not run `{}`; it runs {}",
                engine.name,
                chosen.id,
                usable.join(", ")
            )));
        }
        if chosen.plain_name() != asked.plain_name() {
            notes.push(format!(
                "{} stands for {} in {}",
                chosen.name, asked.name, engine.name
            ));
        }
    }
    Ok(chosen.clone())
}

fn runs(engine: Option<&Engine>, format: &Format) -> bool {
    engine.is_none_or(|engine| format.engines.contains(&engine.id))
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
            return Err(Error::Unanswerable("a split must be at least 1".to_owned()));
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
            return Err(Error::Unanswerable(format!(
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
