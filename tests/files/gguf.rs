//! Headers that the gguf package wrote, and split files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use dsk::calc::gguf_tensors::LatentLayout;
use dsk::calc::tensors::parameters;
use dsk::catalog::shape::{Attention, DraftKind};
use dsk::catalog::{Basis, Catalog, Entry, Shape};
use dsk::files::FileKind;
use dsk::units::Bytes;

use super::build::{Gguf, llama, llama_keys, llama_layers};
use super::{folder, opened, refused};

/// The fixture as a file as long as with its data.
fn fixture(test: &str, name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gguf");
    let lengths: BTreeMap<String, u64> =
        toml::from_str(include_str!("../data/gguf/lengths.toml")).expect("it parses");
    let path = folder(test).join(format!("{name}.gguf"));
    fs::copy(data.join(format!("{name}.gguf")), &path).expect("the header");
    let file = File::options().write(true).open(&path).expect("writable");
    file.set_len(lengths[name]).expect("a sparse file");
    path
}

/// The shape of a release, cut to so many layers and drafts.
fn cut(id: &str, layers: u32, drafts: u32) -> Shape {
    let catalog = Catalog::load(&[]).expect("sound");
    let mut shape = catalog.model(id).expect(id).shape;
    shape.layers = layers;
    shape.draft_layers = drafts;
    shape.draft_kind = DraftKind::default();
    if let Attention::Compressed(attention) = &mut shape.attention {
        attention
            .ratios
            .truncate(usize::try_from(layers).expect("few"));
    }
    shape
}

#[test]
fn headers_describe_the_releases_that_they_were_made_after() {
    let cases = [
        ("llama", cut("deepseek-r1-distill-llama-8b", 2, 0)),
        ("qwen3", cut("deepseek-r1-0528-qwen3-8b", 2, 0)),
        ("deepseek", cut("deepseek-moe-16b", 3, 0)),
        ("deepseek2-lite", cut("deepseek-v2-lite", 3, 0)),
        ("deepseek2-lite-multi-head", cut("deepseek-v2-lite", 3, 0)),
        ("deepseek2", cut("deepseek-v3", 5, 0)),
        ("deepseek32", cut("deepseek-v3.2", 4, 1)),
        ("deepseek4", cut("deepseek-v4-flash", 5, 0)),
    ];
    for (name, expected) in cases {
        let model = opened(&fixture("releases", name));
        assert_eq!(model.model.shape, expected, "{name}");
        let weights = model.weights.expect("tensors");
        assert!(
            weights.elements() >= parameters(&expected).stored.0,
            "{name}"
        );
        let legacy = name == "deepseek2-lite-multi-head";
        assert_eq!(model.layout == LatentLayout::MultiHead, legacy, "{name}");
        assert_eq!(
            model.notes.len(),
            usize::from(legacy),
            "{name}: {:?}",
            model.notes
        );
    }
}

#[test]
fn formats_places_and_names_come_from_the_file() {
    let path = fixture("places", "qwen2");
    let model = opened(&path);
    assert_eq!(
        (model.model.native.as_str(), model.format.as_str()),
        ("q8_0", "Q8_0")
    );
    assert_eq!(model.kind, FileKind::Gguf);
    assert_eq!(model.model.name, "Test of qwen2");
    assert_eq!(model.model.id, "qwen2");
    assert!(model.model.shape.tied_embeddings);
    assert_eq!(parameters(&model.model.shape).head.0, 0);
    let weights = model.weights.expect("tensors");
    let placement = weights.placement(3);
    assert_eq!(placement.embedding, Bytes(896 * 151_936 / 32 * 34));
    assert_eq!(placement.output, Bytes(896 * 4));
    assert_eq!(placement.layers.len(), 3);
    let placed: Bytes = placement.layers.iter().copied().sum();
    assert_eq!(
        placed + placement.embedding + placement.output,
        weights.bytes()
    );
    let v4 = opened(&fixture("places", "deepseek4"));
    assert_eq!(
        (v4.model.native.as_str(), v4.format.as_str()),
        ("gguf-native", "NATIVE")
    );
    let v32 = opened(&fixture("places", "deepseek32"));
    let drafts = v32.weights.expect("tensors").placement(4).draft;
    assert!(drafts > Bytes::from_gib(11.0), "{drafts}");
}

/// Every id of the catalog that stands for a file type is the one that a file of that type gets.
#[test]
fn file_types_have_their_catalog_entry() {
    let catalog = Catalog::load(&[]).expect("sound");
    let path = folder("types").join("tiny.gguf");
    let before = [b"general.file_type".as_slice(), &4_u32.to_le_bytes()].concat();
    let mut bytes = llama().bytes();
    let at = bytes
        .windows(before.len())
        .position(|window| window == before)
        .expect("the key");
    for number in (0..4).chain(7..33).chain(36..42) {
        bytes[at + before.len()] = number;
        fs::write(&path, &bytes).expect("written");
        let model = opened(&path);
        let formats = catalog.formats().expect("formats");
        assert!(
            formats
                .iter()
                .any(|format| format.id() == model.model.native),
            "{number}: {}",
            model.model.native
        );
    }
}

/// The tiny model in two parts.
fn parts() -> [Gguf; 2] {
    let first = llama_keys()
        .number("split.no", 0)
        .number("split.count", 2)
        .number("split.tensors.count", 21)
        .tensor("token_embd.weight", &[8, 32])
        .tensor("output_norm.weight", &[8])
        .tensor("output.weight", &[8, 32]);
    let second = Gguf::default()
        .number("split.no", 1)
        .number("split.count", 2)
        .number("split.tensors.count", 21);
    [llama_layers(first, 0..1), llama_layers(second, 1..2)]
}

#[test]
fn any_part_of_a_split_file_stands_for_all() {
    let folder = folder("split");
    let paths = [1, 2].map(|number| folder.join(format!("tiny-0000{number}-of-00002.gguf")));
    for (path, part) in paths.iter().zip(parts()) {
        fs::write(path, part.bytes()).expect("written");
    }
    let whole = folder.join("whole.gguf");
    fs::write(&whole, llama().bytes()).expect("written");
    let whole = opened(&whole);
    for path in &paths {
        let model = opened(path);
        assert_eq!(model.model.shape, whole.model.shape);
        assert_eq!(model.model.id, "tiny");
        assert_eq!(model.files, paths);
        let weights = model.weights.expect("tensors");
        assert_eq!(
            weights.bytes(),
            whole.weights.as_ref().expect("tensors").bytes()
        );
        assert_eq!(weights.tensors().last().expect("some").file, 1);
    }
}

#[test]
fn a_missing_part_is_named() {
    let folder = folder("missing");
    let [first, second] = parts();
    let path = folder.join("tiny-00001-of-00002.gguf");
    fs::write(&path, first.bytes()).expect("written");
    let error = refused(&path);
    assert!(
        error.contains("missing: `tiny-00002-of-00002.gguf`"),
        "{error}"
    );
    // The same part twice.
    fs::write(folder.join("tiny-00002-of-00002.gguf"), first.bytes()).expect("written");
    assert!(refused(&path).contains("part 2 of 2"));
    // A name that does not lead to the others.
    let renamed = folder.join("renamed.gguf");
    fs::write(&renamed, second.bytes()).expect("written");
    let error = refused(&renamed);
    assert!(error.contains("`-00002-of-00002.gguf`"), "{error}");
}

#[test]
fn what_cannot_be_calculated_is_said() {
    let path = folder("unknown").join("a.gguf");
    let stray = |file: Gguf| file.tensor("a", &[1]);
    let differing = llama_keys()
        .numbers("llama.attention.key_length", &[4, 8])
        .number("llama.vocab_size", 9);
    let cases = [
        (
            stray(Gguf::default().text("general.architecture", "gemma3")),
            "`gemma3`",
        ),
        (stray(Gguf::default()), "general.architecture"),
        (llama_keys().number("llama.vocab_size", 32), "no tensors"),
        (llama().number("llama.expert_count", 8), "8 experts"),
        (
            llama().tensor("blk.0.attn_output.bias", &[8]),
            "attn_output.bias",
        ),
        (stray(differing), "differs from layer to layer"),
    ];
    for (file, expected) in cases {
        fs::write(&path, file.bytes()).expect("written");
        let error = refused(&path);
        assert!(error.contains(expected), "{error}");
    }
    fs::write(&path, llama().tensor("blk.0.extra.weight", &[8]).bytes()).expect("written");
    let model = opened(&path);
    assert_eq!(model.model.basis, Basis::Modelled);
    assert!(
        model.notes[0].contains("something is in it"),
        "{:?}",
        model.notes
    );
}
