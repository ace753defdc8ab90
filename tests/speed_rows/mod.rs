//! The measured speeds of tests/data as questions to the calculator.

use dsk::calc::hardware::{Device, Hardware};
use dsk::calc::load::{Load, Options, Split};
use dsk::calc::speed::{Routing, View, Workload};
use dsk::catalog::gpu::GpuKind;
use dsk::catalog::shape::{Attention, FeedForward};
use dsk::catalog::{Catalog, Engine, Entry, Format, KvFormat, Model};
use dsk::units::{Tokens, float};

/// One measurement.
#[derive(Clone)]
pub(crate) struct Row {
    /// The file it is from.
    pub(crate) group: &'static str,
    pub(crate) model: String,
    pub(crate) format: String,
    pub(crate) kv: KvFormat,
    pub(crate) engine: String,
    pub(crate) gpu: String,
    pub(crate) devices: u64,
    pub(crate) split: Split,
    pub(crate) workload: Workload,
    /// Seconds to the first token.
    pub(crate) first: Option<f64>,
    /// Seconds per output token.
    pub(crate) token: Option<f64>,
}

impl Row {
    /// Output tokens per second of all sequences, where both times were measured.
    pub(crate) fn throughput(&self) -> Option<f64> {
        let output = float(self.workload.output);
        let turn = self.first? + (output - 1.0) * self.token?;
        Some(float(self.workload.sequences) * output / turn)
    }
}

/// The lines of a CSV file without its comments and heading, split at commas.
fn lines(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect()
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn decimal(text: &str) -> Option<f64> {
    text.parse().ok()
}

pub(crate) fn served() -> Vec<Row> {
    let row = |row: Vec<&str>| {
        let split = Split {
            tensor: number(row[7]),
            pipeline: 1,
            data: number(row[8]),
            expert: number(row[9]),
        };
        let concurrency = number(row[10]);
        Row {
            group: if row[0] == "inferencex" {
                "inferencex"
            } else {
                "gap-analysis"
            },
            model: row[1].to_owned(),
            format: row[2].to_owned(),
            kv: if row[3] == "fp8" {
                KvFormat::Fp8
            } else {
                KvFormat::F16
            },
            engine: row[4].to_owned(),
            gpu: row[6].to_owned(),
            devices: split.devices(),
            split,
            workload: Workload {
                sequences: concurrency,
                view: View::Served { concurrency },
                ..Workload::one(number(row[11]), number(row[12]))
            },
            first: decimal(row[13]).map(|ms| ms / 1000.0),
            token: decimal(row[14]).map(|ms| ms / 1000.0),
        }
    };
    lines(include_str!("../data/speed-served.csv"))
        .into_iter()
        .map(row)
        .collect()
}

fn single(group: &'static str, engine: &str, [model, format, gpu]: [&str; 3]) -> Row {
    Row {
        group,
        model: model.to_owned(),
        format: format.to_owned(),
        kv: KvFormat::F16,
        engine: engine.to_owned(),
        gpu: gpu.to_owned(),
        devices: 1,
        split: Split::SINGLE,
        workload: Workload::one(0, 0),
        first: None,
        token: None,
    }
}

pub(crate) fn vllm_h200() -> Vec<Row> {
    let row = |row: Vec<&str>| Row {
        workload: Workload {
            sequences: number(row[2]),
            routing: if row[7] == "alike" {
                Routing::Alike
            } else {
                Routing::Independent
            },
            ..Workload::one(number(row[3]), number(row[4]))
        },
        first: decimal(row[5]),
        token: decimal(row[6]).map(|ms| ms / 1000.0),
        ..single("vllm-h200", "vllm", [row[0], row[1], "h200-sxm"])
    };
    lines(include_str!("../data/speed-vllm-h200.csv"))
        .into_iter()
        .map(row)
        .collect()
}

pub(crate) fn llama_cpp_h200() -> Vec<Row> {
    let row = |row: Vec<&str>| {
        let (input, output) = (number(row[2]), number(row[3]));
        let rate = decimal(row[5]).expect("a rate");
        Row {
            workload: Workload {
                cached: number(row[4]),
                ..Workload::one(input, output)
            },
            first: (output == 0).then(|| float(input) / rate),
            token: (output > 0).then(|| 1.0 / rate),
            ..single("llamacpp-h200", "llama.cpp", [row[0], row[1], "h200-sxm"])
        }
    };
    lines(include_str!("../data/speed-llamacpp-h200.csv"))
        .into_iter()
        .map(row)
        .collect()
}

pub(crate) fn llama_cpp_batched() -> Vec<Row> {
    let row = |row: Vec<&str>| {
        let output = number(row[3]);
        let seconds = decimal(row[5]).expect("seconds");
        Row {
            workload: Workload {
                sequences: number(row[1]),
                ..Workload::one(number(row[2]), output)
            },
            first: decimal(row[4]),
            token: Some(seconds / float(output)),
            ..single(
                "llamacpp-batched",
                "llama.cpp",
                [row[0], "q4_k_m", "h200-sxm"],
            )
        }
    };
    lines(include_str!("../data/speed-llamacpp-batched-h200.csv"))
        .into_iter()
        .map(row)
        .collect()
}

/// Loops with no more clients than the server had places for.
pub(crate) fn llama_cpp_served() -> Vec<Row> {
    let row = |row: Vec<&str>| {
        let concurrency = number(row[1]);
        Row {
            workload: Workload {
                sequences: concurrency,
                view: View::Served { concurrency },
                ..Workload::one(512, number(row[4]))
            },
            first: decimal(row[5]),
            token: decimal(row[6]),
            ..single(
                "llamacpp-served",
                "llama.cpp",
                [row[0], "q4_k_m", "h200-sxm"],
            )
        }
    };
    lines(include_str!("../data/speed-llamacpp-served-h200.csv"))
        .into_iter()
        .filter(|row| number(row[1]) <= 16)
        .map(row)
        .collect()
}

pub(crate) fn llama_cpp_boards() -> Vec<Row> {
    let mut rows = Vec::new();
    for row in lines(include_str!("../data/speed-llamacpp-boards.csv")) {
        let (input, output) = (number(row[4]), number(row[5]));
        let board = Row {
            devices: number(row[3]),
            ..single("boards", "llama.cpp", [row[0], row[1], row[2]])
        };
        if let Some(rate) = decimal(row[7]) {
            rows.push(Row {
                workload: Workload::one(0, output),
                token: Some(1.0 / rate),
                ..board.clone()
            });
        }
        if let Some(rate) = decimal(row[6]) {
            rows.push(Row {
                workload: Workload::one(input, 0),
                first: Some(float(input) / rate),
                ..board
            });
        }
    }
    rows
}

pub(crate) fn community() -> Vec<Row> {
    let row = |row: Vec<&str>| Row {
        workload: Workload::one(number(row[3]), number(row[4])),
        token: decimal(row[5]).map(|rate| 1.0 / rate),
        ..single("community", "llama.cpp", [row[0], row[1], row[2]])
    };
    lines(include_str!("../data/speed-community.csv"))
        .into_iter()
        .map(row)
        .collect()
}

/// A question that nobody measured.
pub(crate) fn question(engine: &str, what: [&str; 3], workload: Workload) -> Row {
    Row {
        workload,
        ..single("question", engine, what)
    }
}

fn entry<'a, T: Entry>(entries: &'a [T], id: &str) -> &'a T {
    entries
        .iter()
        .find(|entry| entry.id() == id)
        .unwrap_or_else(|| panic!("no `{id}`"))
}

/// The model of that name; Qwen3-32B is made from its distillation, which has other heads and widths.
fn model(catalog: &Catalog, name: &str) -> Model {
    if name != "qwen3-32b" {
        return catalog.model(name).expect("a model");
    }
    let mut model = catalog
        .model("deepseek-r1-distill-qwen-32b")
        .expect("a model");
    model.shape.attention = Attention::Grouped {
        heads: 64,
        kv_heads: 8,
        head_size: 128,
        qkv_bias: false,
        qk_norm: true,
    };
    model.shape.feed_forward = FeedForward::Dense {
        intermediate: 25600,
    };
    model
}

/// What a row is asked of.
pub(crate) struct Setup<'c> {
    pub(crate) model: Model,
    pub(crate) hardware: Hardware,
    pub(crate) format: &'c Format,
    pub(crate) engine: &'c Engine,
    pub(crate) options: Options,
}

impl<'c> Setup<'c> {
    pub(crate) fn of(catalog: &'c Catalog, row: &Row) -> Self {
        let bare = &catalog.defaults().expect("defaults").bare_memory;
        let gpu = entry(catalog.gpus().expect("devices"), &row.gpu);
        let size = gpu.memory.options_gb.last().copied();
        let device = if gpu.kind == GpuKind::Cpu {
            Device::cpu(Some(gpu), None)
        } else {
            Device::of(gpu, size, bare).expect("a device")
        };
        Self {
            model: model(catalog, &row.model),
            hardware: Hardware::of(&device, row.devices),
            format: entry(catalog.formats().expect("formats"), &row.format),
            engine: entry(catalog.engines().expect("engines"), &row.engine),
            options: Options::default(),
        }
    }

    pub(crate) fn load(&self, row: &Row) -> Load<'_> {
        let workload = &row.workload;
        Load {
            model: &self.model,
            format: self.format,
            kv: row.kv,
            context: Tokens(workload.cached + workload.input + workload.output),
            sequences: workload.sequences,
            engine: Some(self.engine),
            hardware: Some(&self.hardware),
            split: row.split,
            options: self.options,
            explain: false,
        }
    }
}
