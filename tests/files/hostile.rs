//! Files from strangers: each ends in one line, at once.

use std::fs;
use std::path::Path;

use dsk::files::open;

use super::build::{Gguf, llama, llama_keys};
use super::{folder, refused};

/// What the parser says of a whole file.
fn check_gguf(bytes: &[u8]) -> Result<(), String> {
    let size = u64::try_from(bytes.len()).expect("small");
    dsk::files::check_gguf(bytes, size)
}

fn message(bytes: &[u8]) -> String {
    let message = check_gguf(bytes).expect_err("it must be refused");
    assert!(
        !message.chars().any(char::is_control) && message.len() < 600,
        "{message}"
    );
    message
}

fn list(kind: u32, length: u64) -> Vec<u8> {
    let mut bytes = 9_u32.to_le_bytes().to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes
}

#[test]
fn lengths_beyond_the_file_are_not_believed() {
    let huge_text = [8_u32.to_le_bytes().as_slice(), &(1_u64 << 63).to_le_bytes()].concat();
    let cases = [
        (llama().raw("x", &huge_text), "cut off"),
        (llama().raw("x", &list(8, 1 << 63)), "more than the file"),
        (llama().raw("x", &list(4, u64::MAX)), "more than the file"),
        (llama().raw("x", &list(9, 1)), "unknown type 9"),
        (llama().raw("x", &99_u32.to_le_bytes()), "unknown type 99"),
        (
            llama().raw_tensor("a", &[1 << 62, 1 << 62], (0, 0)),
            "cannot have",
        ),
        (llama().raw_tensor("a", &[u64::MAX], (0, 0)), "cannot have"),
        (llama().raw_tensor("a", &[0, 8], (0, 0)), "cannot have"),
        (llama().raw_tensor("a", &[8], (12, 0)), "cannot have"),
        (llama().raw_tensor("a", &[8], (4, 0)), "type 4"),
        (llama().raw_tensor("a", &[8; 5], (0, 0)), "5 dimensions"),
        (llama().raw_tensor("a", &[], (0, 0)), "0 dimensions"),
        (llama().raw_tensor("a", &[8], (0, 0)), "not at"),
        (llama().raw_tensor("a", &[8], (0, u64::MAX)), "not at"),
        (llama().tensor("output.weight", &[8]), "twice"),
        (llama().number("llama.block_count", 2), "twice"),
        (llama().number("", 2), "empty"),
        (llama().tensor(&"n".repeat(64), &[8]), "64 bytes"),
        (llama().number("general.alignment", 3), "power of 2"),
        (llama().number("general.alignment", 0), "power of 2"),
    ];
    for (file, expected) in cases {
        let found = message(&file.bytes());
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn counts_beyond_reason_are_not_believed() {
    let file = llama();
    for (tensors, keys, expected) in [
        (1_000_000_000, 8, "1000000000 tensors"),
        (u64::MAX, 8, "tensors"),
        (21, u64::MAX, "metadata entries"),
        (500_000, 8, "dimensions"),
        (21, 60_000, ""),
    ] {
        let found = message(&file.with_counts(tensors, keys));
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn a_file_that_ends_anywhere_is_refused() {
    let bytes = llama().bytes();
    assert!(check_gguf(&bytes).is_ok());
    for length in 0..bytes.len() - 32 {
        assert!(check_gguf(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn versions_that_cannot_be_read_are_named() {
    for (version, expected) in [
        (1_u32, "version 1"),
        (3 << 24, "big-endian"),
        (9, "version 9"),
    ] {
        let mut bytes = llama().bytes();
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        assert!(message(&bytes).contains(expected));
    }
}

#[test]
fn impossible_models_are_refused() {
    let big = |key: &str, value: u32| {
        let file = Gguf::default().text("general.architecture", "llama");
        let keys = [
            ("llama.block_count", 2),
            ("llama.context_length", 128),
            ("llama.embedding_length", 8),
            ("llama.feed_forward_length", 16),
            ("llama.attention.head_count", 2),
            ("llama.vocab_size", 32),
        ];
        keys.iter().fold(file, |file, (known, usual)| {
            file.number(known, if *known == key { value } else { *usual })
        })
    };
    assert!(check_gguf(&big("", 0).bytes()).is_ok());
    for key in [
        "llama.block_count",
        "llama.context_length",
        "llama.embedding_length",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.vocab_size",
    ] {
        message(&big(key, u32::MAX).bytes());
        message(&big(key, 0).bytes());
    }
    assert!(message(&llama_keys().bytes()).contains("vocabulary"));
}

#[test]
fn a_tensor_name_cannot_write_on_the_terminal() {
    let file = llama().raw_tensor("\u{1b}[2J\n\r", &[8], (0, 7));
    let found = message(&file.bytes());
    assert!(found.contains('\u{fffd}'), "{found}");
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = folder("no-file");
    assert!(refused(&folder).contains("without `config.json`"));
    let inner = folder.join("config.json");
    fs::create_dir(&inner).expect("a folder");
    assert!(refused(&folder).contains("not a regular file"));
    assert!(open(Path::new("no such model")).expect("a name").is_none());
    assert!(refused(&folder.join("absent.gguf")).contains("cannot read"));
    let other = folder.join("notes.txt");
    fs::write(&other, "hello").expect("written");
    assert!(refused(&other).contains("neither a GGUF"));
    let empty = folder.join("empty.gguf");
    fs::write(&empty, "").expect("written");
    assert!(refused(&empty).contains("cut off"));
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_loops_do_not_hang() {
    let folder = folder("special");
    let (first, second) = (folder.join("a.gguf"), folder.join("b.gguf"));
    std::os::unix::fs::symlink(&first, &second).expect("a link");
    std::os::unix::fs::symlink(&second, &first).expect("a link");
    assert!(refused(&first).contains("cannot read"));
    let zero = folder.join("zero.gguf");
    std::os::unix::fs::symlink("/dev/zero", &zero).expect("a link");
    assert!(refused(&zero).contains("not a regular file"));
    let pipe = folder.join("pipe.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(refused(&pipe).contains("not a regular file"));
    }
}

#[test]
fn configurations_are_not_believed_either() {
    let path = folder("config").join("config.json");
    let good = r#""model_type": "llama", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "vocab_size": 32, "max_position_embeddings": 128, "torch_dtype": "bfloat16""#;
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    let cases = [
        (format!("{{{good}}}"), "`intermediate_size` is missing"),
        (
            format!("{{{good}, \"intermediate_size\": \"a\"}}"),
            "must be a whole number",
        ),
        (
            format!("{{{good}, \"intermediate_size\": -1}}"),
            "must be a whole number",
        ),
        (
            format!("{{{good}, \"intermediate_size\": 1e400}}"),
            "sound JSON",
        ),
        (
            format!("{{{good}, \"intermediate_size\": 9223372036854775808}}"),
            "no model has",
        ),
        (
            format!("{{{good}, \"intermediate_size\": 16, \"num_key_value_heads\": 3}}"),
            "does not divide",
        ),
        (
            format!("{{{good}, \"intermediate_size\": 16, \"attention_bias\": true}}"),
            "attention_bias",
        ),
        (
            format!("{{{good}, \"intermediate_size\": 16, \"vocab_size\": 1}}"),
            "twice",
        ),
        (
            format!(
                "{{{good}, \"intermediate_size\": 16, \"quantization_config\": {{\"quant_method\": \"hqq\"}}}}"
            ),
            "`hqq`",
        ),
        (
            r#"{"model_type": "mixtral", "architectures": ["MixtralForCausalLM"]}"#.to_owned(),
            "`mixtral`",
        ),
        (
            r#"{"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}"#
                .to_owned(),
            "not a language model",
        ),
        (deep, "recursion"),
        ("[1]".to_owned(), "no JSON object"),
        (" ".repeat(5 << 20), "more than 4 MiB"),
        (String::new(), "sound JSON"),
    ];
    for (text, expected) in cases {
        fs::write(&path, &text).expect("written");
        let found = refused(&path);
        assert!(found.contains(expected), "{expected}: {found}");
    }
}
