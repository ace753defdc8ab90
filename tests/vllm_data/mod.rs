//! What the tests of vLLM's memory have in common.

use std::collections::BTreeMap;

use dsk::catalog::engine_memory::{EngineMemory, Overheads};
use dsk::catalog::{Catalog, Shape};

/// The constants of the catalog's vLLM.
pub(crate) fn overheads() -> Overheads {
    let catalog = Catalog::load(&[]).expect("catalog");
    let engines = catalog.engines().expect("engines");
    let vllm = engines
        .iter()
        .find(|engine| engine.id == "vllm")
        .expect("vLLM");
    match &vllm.memory {
        Some(EngineMemory::Vllm(overheads)) => overheads.clone(),
        other => panic!("vLLM has {other:?}"),
    }
}

/// Shapes of models that the figures were printed for.
pub(crate) fn shapes() -> BTreeMap<String, Shape> {
    toml::from_str(include_str!("../data/vllm-shapes.toml")).expect("shapes")
}
