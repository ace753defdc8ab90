//! MODEL as people name it: a name of the catalog, or a file or folder of their own.

use std::path::Path;

use crate::calc::gguf_tensors::LatentLayout;
use crate::catalog::model::{FileSizes, LayerSizes};
use crate::catalog::{Catalog, Model};
use crate::error::Result;
use crate::files::{self, FileKind, FileModel};

/// The model, and what the user should know about its files. The catalog's exact name always wins.
pub(super) fn model(catalog: &Catalog, name: &str) -> Result<(Model, Vec<String>)> {
    let unknown = match catalog.model(name) {
        Ok(model) => return Ok((model, Vec::new())),
        Err(error) => error,
    };
    match files::open(Path::new(name))? {
        Some(found) => Ok(with_sizes(found)),
        None => Err(unknown),
    }
}

fn with_sizes(found: FileModel) -> (Model, Vec<String>) {
    let mut model = found.model;
    model.file = found.weights.as_ref().map(|weights| {
        let placed = weights.placement(model.shape.layers);
        FileSizes {
            total: weights.bytes(),
            embedding: placed.embedding,
            layers: placed
                .layers
                .into_iter()
                .zip(placed.experts)
                .map(|(total, experts)| LayerSizes { total, experts })
                .collect(),
            output: placed.output,
            is_gguf: found.kind == FileKind::Gguf,
            multi_head: found.layout == LatentLayout::MultiHead,
        }
    });
    (model, found.notes)
}
