//! Every format of a model side by side.

use crate::calc::estimate::weights;
use crate::calc::tensors::parameters;
use crate::catalog::format::Storage;
use crate::catalog::runs::{Site, listed};
use crate::catalog::{Catalog, Engine, Format, Model};
use crate::error::Result;
use crate::units::{Bytes, float};

/// A model in one format.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The format.
    pub format: Format,
    /// Bytes of the weights.
    pub weights: Bytes,
    /// Bits per weight of the main model, scales included.
    pub bits_per_weight: f64,
    /// How many times smaller than FP32.
    pub times_smaller: f64,
    /// The command that makes it, for this model.
    pub make: Option<String>,
    /// Its engines, each with the devices that it is known to run it on.
    pub runs: Vec<(String, String)>,
}

/// Every format that holds `model`, largest first.
///
/// # Errors
/// When the catalog is broken.
pub fn quantize(catalog: &Catalog, model: &Model) -> Result<Vec<Quantized>> {
    let repo = model
        .checkpoint
        .as_ref()
        .map(|weights| weights.repo.as_str());
    quantize_from(catalog, model, repo)
}

/// The same, made of `source`: a repository, or the user's own folder; none where nothing is made of it.
///
/// # Errors
/// When the catalog is broken.
pub fn quantize_from(
    catalog: &Catalog,
    model: &Model,
    source: Option<&str>,
) -> Result<Vec<Quantized>> {
    let source = source.filter(|source| is_plain(source));
    let main = parameters(&model.shape).main;
    let mut rows = Vec::new();
    for format in catalog.formats()? {
        if format.only_native && format.id != model.native {
            continue;
        }
        let engine = format.engines.first().map(String::as_str);
        let engine = catalog
            .engines()?
            .iter()
            .find(|candidate| engine == Some(candidate.id.as_str()));
        let Ok(bytes) = weights(model, format, engine) else {
            continue;
        };
        rows.push(Quantized {
            format: format.clone(),
            weights: bytes,
            bits_per_weight: bytes.as_f64() * 8.0 / float(main.0),
            times_smaller: main.bytes_at(32).as_f64() / bytes.as_f64(),
            make: made(format, model, source),
            runs: runs(catalog, (model, format))?,
        });
    }
    rows.sort_by(|one, two| {
        two.weights
            .cmp(&one.weights)
            .then(one.format.id.cmp(&two.format.id))
    });
    Ok(rows)
}

/// The engines that load the format, each with the devices that it runs the model on in it.
fn runs(catalog: &Catalog, (model, format): (&Model, &Format)) -> Result<Vec<(String, String)>> {
    let loads = |engine: &&Engine| format.engines.contains(&engine.id);
    let on = |engine: &Engine| {
        let own: Vec<&Site> = engine.sites().collect();
        let sites = [
            Some(own),
            format.sites(&engine.id),
            engine.sites_of(model.shape.architecture),
        ];
        let words: Vec<String> = sites.into_iter().flatten().map(listed).collect();
        (engine.id.clone(), words.join("; of these: "))
    };
    Ok(catalog.engines()?.iter().filter(loads).map(on).collect())
}

/// Whether a name means itself in a shell, and between the quotes of a line of Python.
fn is_plain(source: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    source.chars().all(plain) && !source.starts_with('-')
}

/// The command that makes `format` of `source`; none where it would read a checkpoint that a method has quantized already.
fn made(format: &Format, model: &Model, source: Option<&str>) -> Option<String> {
    let make = format.make.as_deref()?;
    let readable = model.is_plain() || matches!(format.storage, Storage::Gguf { .. });
    source
        .filter(|_| readable)
        .map(|source| filled(make, source))
}

fn filled(make: &str, source: &str) -> String {
    let trimmed = source.trim_end_matches('/');
    let last = trimmed.rsplit('/').next().unwrap_or(trimmed);
    let name = if last.trim_matches('.').is_empty() {
        "model"
    } else {
        last
    };
    make.replace("{repo}", source).replace("{name}", name)
}
