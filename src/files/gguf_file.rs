//! Opens a GGUF file, all parts of a split one, and names its format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::gguf::{Header, Value, parse};
use super::gguf_shape::{self, Described};
use super::limits::{Budget, FILES, regular_file};
use super::text::{few, shown};
use super::{FileKind, FileModel, FileWeights, malformed};
use crate::calc::gguf::{BlockType, FileType};
use crate::calc::gguf_tensors::{LatentLayout, gguf_tensors};
use crate::calc::mix::{Mix, each_run};
use crate::catalog::shape::Architecture;
use crate::catalog::{Basis, Model, Origin};
use crate::error::Result;
use crate::units::{Bytes, count};

/// llama.cpp's numbers of the file types.
///
/// Source: `enum llama_ftype` in `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba), `include/llama.h`.
const FILE_TYPES: [(i128, FileType); 34] = [
    (0, FileType::F32),
    (1, FileType::F16),
    (2, FileType::Q4_0),
    (3, FileType::Q4_1),
    (7, FileType::Q8_0),
    (8, FileType::Q5_0),
    (9, FileType::Q5_1),
    (10, FileType::Q2K),
    (11, FileType::Q3KS),
    (12, FileType::Q3KM),
    (13, FileType::Q3KL),
    (14, FileType::Q4KS),
    (15, FileType::Q4KM),
    (16, FileType::Q5KS),
    (17, FileType::Q5KM),
    (18, FileType::Q6K),
    (19, FileType::Iq2Xxs),
    (20, FileType::Iq2Xs),
    (21, FileType::Q2KS),
    (22, FileType::Iq3Xs),
    (23, FileType::Iq3Xxs),
    (24, FileType::Iq1S),
    (25, FileType::Iq4Nl),
    (26, FileType::Iq3S),
    (27, FileType::Iq3M),
    (28, FileType::Iq2S),
    (29, FileType::Iq2M),
    (30, FileType::Iq4Xs),
    (31, FileType::Iq1M),
    (32, FileType::Bf16),
    (36, FileType::Tq1_0),
    (37, FileType::Tq2_0),
    (38, FileType::Mxfp4Moe),
    (40, FileType::Q1_0),
];
/// The one type that came after a gap in the numbers above.
const Q2_0: i128 = 41;
/// Added to the number where it was guessed (`LLAMA_FTYPE_GUESSED`).
const GUESSED: i128 = 1024;

/// The model in the GGUF file at `path`, or in all parts of the split one that it belongs to.
///
/// # Errors
/// What cannot be read, which parts are missing, or what is wrong with the content.
pub(super) fn open(path: &Path) -> Result<FileModel> {
    let mut budget = Budget::headers();
    let (header, files, file_bytes) = read_all(path, &mut budget)?;
    if header.tensors.is_empty() {
        return Err(malformed(
            path,
            "holds no tensors: a vocabulary alone is no model",
        ));
    }
    let described = gguf_shape::read(&header).map_err(|message| malformed(path, message))?;
    let name = match header.metadata.get("general.name") {
        Some(Value::Text(name)) if !name.trim().is_empty() => shown(name),
        Some(_) | None => id(path),
    };
    let licence = match header.metadata.get("general.license") {
        Some(Value::Text(licence)) => Some(shown(licence)),
        Some(_) | None => None,
    };
    let file_type = file_type(&header, &described);
    let weights = FileWeights::of(header.tensors).map_err(|message| malformed(path, message))?;
    let (notes, basis) = notes(&described, file_type, &weights);
    Ok(FileModel {
        model: Model {
            id: id(path),
            name,
            origin: Origin::File,
            family: "file".to_owned(),
            shape: described.shape,
            basis,
            native: file_type.map_or_else(|| format_id(FileType::Native), format_id),
            storage: None,
            checkpoint: None,
            licence,
            file: None,
        },
        kind: FileKind::Gguf,
        files,
        file_bytes,
        format: file_type.map_or_else(|| mostly(&weights), |known| known.name().to_owned()),
        layout: described.layout,
        rope_scaling: described.rope_scaling,
        weights: Some(weights),
        notes,
    })
}

/// The catalog's id of the format that llama.cpp calls so.
fn format_id(file_type: FileType) -> String {
    let name = file_type.name().to_lowercase();
    // These names are also those of checkpoints that are no GGUF.
    if matches!(
        file_type.base(),
        BlockType::F32 | BlockType::F16 | BlockType::Bf16
    ) {
        format!("gguf-{name}")
    } else {
        name
    }
}

/// The file type that the file names, else the one whose base type takes most bytes.
fn file_type(header: &Header, described: &Described) -> Option<FileType> {
    let is_v4 = described.shape.architecture == Architecture::DeepseekV4;
    // V4's converter writes FP4, FP8 and BF16 as they come and calls it MXFP4_MOE; the quantizer leaves no BF16.
    let converted = header
        .tensors
        .iter()
        .any(|tensor| tensor.dimensions.len() > 1 && tensor.element.name == "BF16");
    let found = match header.metadata.get("general.file_type") {
        Some(Value::Whole(number)) if number % GUESSED == Q2_0 => Some(FileType::Q2_0),
        Some(Value::Whole(number)) => FILE_TYPES
            .iter()
            .find(|(known, _)| *known == number % GUESSED)
            .map(|(_, file_type)| *file_type),
        Some(_) | None => guessed(header),
    };
    match found {
        Some(FileType::Mxfp4Moe) if is_v4 && converted => Some(FileType::Native),
        other => other,
    }
}

/// The usual mix for the type that takes most bytes, as `llama_model_loader` in
/// `src/llama-model-loader.cpp` names them.
fn guessed(header: &Header) -> Option<FileType> {
    let mut sums = BTreeMap::<&str, Bytes>::new();
    for tensor in &header.tensors {
        *sums.entry(tensor.element.name).or_default() += tensor.bytes;
    }
    let (name, _) = sums.into_iter().max_by_key(|(_, bytes)| *bytes)?;
    match name {
        "Q3_K" => Some(FileType::Q3KM),
        "Q4_K" => Some(FileType::Q4KM),
        "Q5_K" => Some(FileType::Q5KM),
        "MXFP4" => Some(FileType::Mxfp4Moe),
        _ => FileType::from_name(name),
    }
}

/// The type that takes most bytes.
fn mostly(weights: &FileWeights) -> String {
    let types = weights.by_type();
    let most = types.into_iter().max_by_key(|(_, bytes)| *bytes);
    most.map_or_else(String::new, |(name, _)| format!("mostly {name}"))
}

/// What the file has that its name or its shape does not explain, and how well it is known then.
fn notes(
    described: &Described,
    file_type: Option<FileType>,
    weights: &FileWeights,
) -> (Vec<String>, Basis) {
    let mut notes = Vec::new();
    let shape = &described.shape;
    let tensors = gguf_tensors(shape, described.layout);
    let explained = tensors.iter().fold(0_u64, |sum, tensor| {
        let layers = count(tensor.layers.len());
        sum.saturating_add(tensor.elements().saturating_mul(layers))
    });
    let held = weights.elements();
    let basis = if held == explained {
        Basis::Exact
    } else {
        Basis::Modelled
    };
    if held != explained {
        notes.push(format!(
            "the file's tensors hold {held} numbers, a model of its shape {explained}: something is in it that dsk does not know, or missing from it"
        ));
    }
    let Some(file_type) = file_type else {
        notes.push(
            "the file names no mix of types that dsk knows: its size is that of its tensors"
                .to_owned(),
        );
        return (notes, basis);
    };
    let mut usual = Bytes::ZERO;
    each_run(shape, &tensors, Mix::of(file_type), |run| {
        usual += run.bytes();
    });
    if held == explained && usual != weights.bytes() {
        notes.push(format!(
            "its {} is a mix of its own: {}, where llama-quantize makes {usual}",
            file_type.name(),
            weights.bytes()
        ));
    }
    if described.layout == LatentLayout::MultiHead {
        notes.push(
            "made before llama.cpp knew latent attention: it caches every head's keys and values"
                .to_owned(),
        );
    }
    (notes, basis)
}

/// The file's name without its extension and its part number.
fn id(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let whole = part(path).map_or(stem.as_ref(), |(prefix, _, _)| prefix_of(&stem, prefix));
    shown(whole)
}

fn prefix_of(stem: &str, length: usize) -> &str {
    stem.get(..length).unwrap_or(stem)
}

/// Length of the name before `-00001-of-00003`, the part's number from 1, and the number of parts.
fn part(path: &Path) -> Option<(usize, u64, u64)> {
    let stem = path.file_stem()?.to_str()?;
    let (front, of) = stem.rsplit_once("-of-")?;
    let (prefix, number) = front.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(number) || !digits(of) {
        return None;
    }
    Some((prefix.len(), number.parse().ok()?, of.parse().ok()?))
}

/// The header with the tensors of every part, the parts, and their bytes.
fn read_all(path: &Path, budget: &mut Budget) -> Result<(Header, Vec<PathBuf>, Bytes)> {
    let (given, given_bytes) = read(path, budget)?;
    let parts = whole(&given, "split.count").unwrap_or(1);
    if parts <= 1 {
        return Ok((given, vec![path.to_owned()], given_bytes));
    }
    let paths = part_paths(path, &given, parts)?;
    let mut merged = Header::default();
    let mut file_bytes = Bytes::ZERO;
    let mut given = Some((given, given_bytes));
    for (number, part) in paths.iter().enumerate() {
        let known = if part == path { given.take() } else { None };
        let (mut header, bytes) = match known {
            Some(known) => known,
            None => read(part, budget)?,
        };
        if whole(&header, "split.no") != Some(count(number))
            || whole(&header, "split.count") != Some(parts)
        {
            let message = format!("does not say that it is part {} of {parts}", number + 1);
            return Err(malformed(part, message));
        }
        file_bytes += bytes;
        for tensor in &mut header.tensors {
            tensor.file = number;
        }
        merged.tensors.append(&mut header.tensors);
        if number == 0 {
            merged.metadata = header.metadata;
        }
    }
    let stated = whole(&merged, "split.tensors.count");
    let held = count(merged.tensors.len());
    if stated.is_some_and(|stated| stated != held) {
        let message = format!(
            "says that its parts have {} tensors, but they have {held}",
            stated.unwrap_or_default()
        );
        return Err(malformed(path, message));
    }
    Ok((merged, paths, file_bytes))
}

fn read(path: &Path, budget: &mut Budget) -> Result<(Header, Bytes)> {
    let (file, size) = regular_file(path)?;
    let header = parse(file, size, budget).map_err(|message| malformed(path, message))?;
    Ok((header, Bytes(size)))
}

/// The paths of all parts, every one of which exists.
///
/// Names: `llama_split_path` in `src/llama.cpp`.
fn part_paths(path: &Path, given: &Header, parts: u64) -> Result<Vec<PathBuf>> {
    if parts > FILES {
        let message = format!("says that it has {parts} parts; at most {FILES} are read");
        return Err(malformed(path, message));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let own = whole(given, "split.no").map(|number| number.saturating_add(1));
    let prefix = match part(path) {
        Some((prefix, number, of)) if Some(number) == own && of == parts => {
            prefix_of(&stem, prefix)
        }
        Some(_) | None => {
            let message = format!(
                "is part {} of {parts}, but its name does not end in `-{:05}-of-{parts:05}.gguf`: the other parts cannot be found",
                own.unwrap_or_default(),
                own.unwrap_or_default()
            );
            return Err(malformed(path, message));
        }
    };
    let paths: Vec<PathBuf> = (1..=parts)
        .map(|number| path.with_file_name(format!("{prefix}-{number:05}-of-{parts:05}.gguf")))
        .collect();
    let missing: Vec<String> = paths
        .iter()
        .filter(|part| !part.exists())
        .map(|part| {
            part.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    if missing.is_empty() {
        Ok(paths)
    } else {
        Err(malformed(
            path,
            format!(
                "is one of {parts} parts, and {} missing: {}",
                if missing.len() == 1 {
                    "one is"
                } else {
                    "some are"
                },
                few(&missing)
            ),
        ))
    }
}

/// A whole number of the metadata.
fn whole(header: &Header, key: &str) -> Option<u64> {
    match header.metadata.get(key) {
        Some(Value::Whole(number)) => u64::try_from(*number).ok(),
        Some(_) | None => None,
    }
}
