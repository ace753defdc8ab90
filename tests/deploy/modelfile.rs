//! Ollama's grammar of a Modelfile, from the facts of its `parser/parser.go` (0.33): instructions, a value that
//! ends with its line unless quotes are open, three quotes or one, comments, no escapes.

use dsk::catalog::Catalog;
use dsk::catalog::Origin;
use dsk::deploy::Target;
use proptest::prelude::*;

use super::question::Wish;

const INSTRUCTIONS: [&str; 11] = [
    "from",
    "license",
    "template",
    "system",
    "adapter",
    "draft",
    "renderer",
    "parser",
    "parameter",
    "message",
    "requires",
];

/// The value without its quotes; none while they are open.
fn unquoted(text: &str) -> Option<&str> {
    for quotes in ["\"\"\"", "\""] {
        if let Some(rest) = text.strip_prefix(quotes) {
            return rest.strip_suffix(quotes);
        }
    }
    Some(text)
}

/// Letters that Go's `strconv.IsPrint` refuses, which Ollama's reader therefore drops: spaces but the plain one,
/// format characters, private and unassigned ones.
const DROPPED: [char; 9] = [
    '\u{a0}',
    '\u{ad}',
    '\u{2003}',
    '\u{200b}',
    '\u{2028}',
    '\u{3000}',
    '\u{e000}',
    '\u{feff}',
    '\u{10ffff}',
];

/// The instructions with their values, in order.
fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let text = &text.replace(DROPPED, "");
    let mut found = Vec::new();
    let mut lines = text.split('\n');
    while let Some(line) = lines.next() {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, rest) = line
            .split_once([' ', '\t'])
            .ok_or(format!("no value: {line}"))?;
        let mut name = name.to_lowercase();
        if !INSTRUCTIONS.contains(&name.as_str()) {
            return Err(format!("no instruction: {name}"));
        }
        let mut rest = rest.to_owned();
        if name == "parameter" {
            let (parameter, value) = rest.split_once(' ').ok_or("a parameter without a value")?;
            name = format!("parameter {parameter}");
            rest = value.to_owned();
        }
        // A value goes on over line breaks while its quotes are open.
        while unquoted(rest.trim()).is_none() {
            let next = lines.next().ok_or("quotes are not closed")?;
            rest = format!("{rest}\n{next}");
        }
        found.push((name, unquoted(rest.trim()).unwrap_or_default().to_owned()));
    }
    if found.iter().any(|(name, _)| name == "from") {
        Ok(found)
    } else {
        Err("no FROM".to_owned())
    }
}

#[test]
fn every_model_has_a_valid_modelfile() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut written = 0;
    for model in catalog.models().expect("models") {
        let mut wish = Wish::of(Target::Ollama, "2xrtx-4090");
        wish.format = Some("q4_k_m");
        let Ok(request) = wish.request(&catalog, model) else {
            continue;
        };
        let Ok(deployment) = wish.deploy(&request) else {
            continue;
        };
        let found = parse(&deployment.files[0].text).expect("Ollama's grammar");
        assert!(
            found.contains(&("parameter num_ctx".to_owned(), "4096".to_owned())),
            "{found:?}"
        );
        written += 1;
    }
    assert!(written > 40, "{written}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// A path of the user's own is read back as it is, or refused.
    #[test]
    fn a_path_is_read_back(path in "[ -~\n\t\u{e9}\u{4e2d}\u{301}\"#\u{a0}\u{ad}\u{2003}\u{200b}\u{3000}\u{e000}\u{feff}]{1,24}", served in "\\PC{1,12}") {
        match from(&path, &served) {
            Some(found) => prop_assert_eq!(found, named(&path)),
            None => prop_assert!(may_be_refused(&path), "{:?} was refused", path),
        }
    }

    /// What has nothing strange in it is never refused.
    #[test]
    fn a_plain_path_is_taken(path in "[a-zA-Z0-9/._ \u{e9}\u{4e2d}-]{1,24}") {
        prop_assert_eq!(from(&path, "x"), Some(named(&path)));
    }
}

/// A path has letters that are dropped, or quotes and line breaks that end a value.
fn may_be_refused(path: &str) -> bool {
    path.contains(DROPPED) || path.contains('\t') || path.contains("\"\"\"\n")
}

fn named(path: &str) -> String {
    if path.starts_with(['/', '.']) {
        path.to_owned()
    } else {
        format!("./{path}")
    }
}

/// What Ollama reads as the weights where the user's file is `path`; none where it is refused.
fn from(path: &str, served: &str) -> Option<String> {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut model = catalog.model("6.7b").expect("a model");
    (model.origin, model.checkpoint) = (Origin::File, None);
    "q4_k_m".clone_into(&mut model.native);
    model.file = Some(dsk::catalog::model::FileSizes {
        total: dsk::units::Bytes(1),
        embedding: dsk::units::Bytes(1),
        layers: vec![],
        output: dsk::units::Bytes(0),
        is_gguf: true,
        multi_head: false,
    });
    let mut wish = Wish::of(Target::Ollama, "rtx-4090");
    (wish.path, wish.name) = (Some(path), Some(served));
    let request = wish.request(&catalog, model).expect("a plan");
    let deployment = wish.deploy(&request).ok()?;
    let found = parse(&deployment.files[0].text).expect("Ollama's grammar");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].0, "from");
    Some(found[0].1.clone())
}

/// Each letter that Ollama's reader drops is refused by itself, wherever it stands.
#[test]
fn letters_that_are_dropped_are_refused() {
    for letter in DROPPED {
        for path in [
            format!("a{letter}b.gguf"),
            format!("{letter}"),
            format!("a\n{letter}"),
        ] {
            assert_eq!(from(&path, "x"), None, "{path:?}");
        }
    }
}
