//! llama.cpp's memory with layers or experts in host memory, on one and two H200, against what it printed.

#![expect(
    clippy::print_stdout,
    reason = "the report: our figure, theirs, the error"
)]

use std::ops::Range;

use dsk::calc::gguf::BlockType;
use dsk::calc::gguf_tensors::{Category, Element, GgufTensor, LatentLayout, gguf_tensors};
use dsk::calc::hardware::{Device, Hardware};
use dsk::calc::llama_cpp::memory;
use dsk::calc::load::{LayerSplit, Load, Options, Split};
use dsk::catalog::model::{FileSizes, LayerSizes};
use dsk::catalog::{Catalog, KvFormat, Model};
use dsk::units::{Bytes, Tokens};

/// The last printed digit, and what a device rounds its tensors up by, which a file's sizes do not tell.
const PRINTED_MIB: f64 = 0.03;
/// A device that computes no experts, or holds no output, is taken for one that does.
const SPARED_MIB: f64 = 25.0;
/// Layers left with the processor: what their attention brings to the device is not followed.
const LEFT_MIB: f64 = 41.0;
const LEFT_SHARE: f64 = 0.026;
/// nvidia-smi counts whole MiB; the context differs by as much from run to run.
const CONTEXT_MIB: f64 = 6.0;

/// The types of the measured files: see the head of the data.
fn block(tensor: &GgufTensor) -> BlockType {
    if let Element::Kept(block) = tensor.element {
        return block;
    }
    let is_expert = matches!(
        tensor.category,
        Category::Gate | Category::Up | Category::Down
    );
    let is_latent = (tensor.matrices > 1 && !is_expert) || tensor.rows == 576;
    if !tensor.columns.is_multiple_of(256) || is_latent {
        return BlockType::Q8_0;
    }
    match tensor.category {
        Category::Output | Category::Value | Category::Down | Category::SharedDown => {
            BlockType::Q6K
        }
        Category::Embedding
        | Category::Query
        | Category::Key
        | Category::AttentionOutput
        | Category::Gate
        | Category::Up
        | Category::Other => BlockType::Q4K,
    }
}

/// A model of `layers` layers with the sizes of the file that was measured.
fn model(catalog: &Catalog, id: &str) -> Model {
    let mut model = catalog.model(id).expect("a model");
    if id == "deepseek-v3" {
        model.shape.layers = 5;
    }
    model.shape.draft_layers = 0;
    let layers = usize::try_from(model.shape.layers).expect("few layers");
    let mut file = FileSizes {
        total: Bytes::ZERO,
        embedding: Bytes::ZERO,
        layers: vec![LayerSizes::default(); layers],
        output: Bytes::ZERO,
        is_gguf: true,
        multi_head: false,
    };
    for tensor in gguf_tensors(&model.shape, LatentLayout::Absorbed) {
        let block = block(&tensor);
        let bytes = Bytes(tensor.elements() / block.elements() * block.block_bytes());
        file.total += bytes;
        if tensor.category == Category::Embedding {
            file.embedding += bytes;
        } else if !tensor.in_layer {
            file.output += bytes;
        } else {
            add(&mut file, &tensor, bytes);
        }
    }
    model.file = Some(file);
    model
}

fn add(file: &mut FileSizes, tensor: &GgufTensor, bytes: Bytes) {
    let Range { start, end } = tensor.layers;
    for layer in start..end {
        let layer = usize::try_from(layer).expect("few layers");
        let LayerSizes { total, experts } = &mut file.layers[layer];
        *total += bytes;
        let part = match tensor.category {
            Category::Gate => &mut experts.gate,
            Category::Up => &mut experts.up,
            Category::Down => &mut experts.down,
            Category::Embedding
            | Category::Output
            | Category::Query
            | Category::Key
            | Category::Value
            | Category::AttentionOutput
            | Category::SharedDown
            | Category::Other => continue,
        };
        if tensor.matrices > 1 {
            *part += bytes;
        }
    }
}

struct Row<'a> {
    columns: Vec<&'a str>,
}

impl Row<'_> {
    fn number<T: std::str::FromStr>(&self, column: usize) -> Option<T> {
        self.columns[column].parse().ok()
    }

    fn mib(&self, column: usize) -> f64 {
        self.number(column).expect("MiB")
    }

    fn device(&self) -> usize {
        self.number(10).expect("a device")
    }

    fn options(&self) -> Options {
        let parts: Vec<u32> = self.columns[4]
            .split(':')
            .filter_map(|part| part.parse().ok())
            .collect();
        Options {
            gpu_layers: self.number(2).filter(|layers| *layers != 99),
            host_experts: self.number(3).expect("layers"),
            layer_split: LayerSplit::of(&parts),
            micro_batch: self.number(7),
            flash_attention: Some(self.columns[8] == "on"),
            ..Options::default()
        }
    }

    fn name(&self) -> String {
        self.columns.join(",")
    }
}

fn rows() -> Vec<Row<'static>> {
    include_str!("data/llamacpp-host-h200.csv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| Row {
            columns: line.split(',').collect(),
        })
        .collect()
}

/// Weights, cache, compute and context of a row's device, in MiB.
fn ours(catalog: &Catalog, row: &Row<'_>) -> [f64; 4] {
    let gpus = catalog.gpus().expect("devices");
    let gpu = gpus
        .iter()
        .find(|gpu| gpu.id == "h200-sxm")
        .expect("an H200");
    let bare = &catalog.defaults().expect("defaults").bare_memory;
    let device = Device::of(gpu, None, bare).expect("a device");
    let hardware = Hardware::of(&device, row.number(1).expect("devices"));
    let model = model(catalog, row.columns[0]);
    let formats = catalog.formats().expect("formats");
    let format = formats
        .iter()
        .find(|format| format.id == "q4_k_m")
        .expect("Q4_K_M");
    let engines = catalog.engines().expect("engines");
    let engine = engines
        .iter()
        .find(|engine| engine.id == "llama.cpp")
        .expect("llama.cpp");
    let sequences: u64 = row.number(6).expect("sequences");
    let context: u64 = row.number(5).expect("tokens");
    let found = memory(&Load {
        model: &model,
        format,
        kv: KvFormat::parse(row.columns[9]).expect("a cache format"),
        context: Tokens(context / sequences),
        sequences,
        engine: Some(engine),
        hardware: Some(&hardware),
        split: Split::SINGLE,
        options: row.options(),
        explain: false,
    })
    .expect("memory");
    let parts = &found.devices[row.device()];
    [parts.weights, parts.kv_cache, parts.compute, parts.runtime].map(|part| part.gib() * 1024.0)
}

#[test]
fn weights_cache_and_context_are_what_was_printed() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let rows = rows();
    assert_eq!(rows.len(), 36);
    for row in &rows {
        let [weights, cache, _, context] = ours(&catalog, row);
        let printed = [row.mib(11), row.mib(12)];
        assert!(
            (weights - printed[0]).abs() < PRINTED_MIB,
            "{}: {weights}",
            row.name()
        );
        assert!(
            (cache - printed[1]).abs() < PRINTED_MIB,
            "{}: {cache}",
            row.name()
        );
        let theirs = row.mib(14) - row.mib(11) - row.mib(12) - row.mib(13);
        assert!(
            (context - theirs).abs() < CONTEXT_MIB,
            "{}: {theirs}",
            row.name()
        );
    }
}

#[test]
fn compute_buffers_are_what_was_printed() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut exact = 0;
    for row in &rows() {
        let [_, _, compute, _] = ours(&catalog, row);
        let printed = row.mib(13);
        let error = compute - printed;
        println!("{compute:9.2} {printed:9.2} {error:+8.2}  {}", row.name());
        exact += usize::from(error.abs() < PRINTED_MIB);
        let has_left = row.options().gpu_layers.is_some();
        if row.device() > 0 {
            assert!(
                (-PRINTED_MIB..SPARED_MIB).contains(&error),
                "{}",
                row.name()
            );
        } else if has_left {
            let least = -LEFT_MIB.max(LEFT_SHARE * printed);
            assert!((least..PRINTED_MIB).contains(&error), "{}", row.name());
        } else {
            // With the output elsewhere the buffer is a little smaller.
            assert!((-PRINTED_MIB..4.02).contains(&error), "{}", row.name());
        }
    }
    println!("{exact} of 36 to the last printed digit");
    assert!(exact >= 20);
}
