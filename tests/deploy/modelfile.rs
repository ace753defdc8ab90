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

/// The instructions with their values, in order.
fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
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
    fn a_path_is_read_back(path in "[ -~\n\t\u{e9}\"#]{1,24}", served in "\\PC{1,12}") {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let mut model = catalog.model("6.7b").expect("a model");
        (model.origin, model.checkpoint) = (Origin::File, None);
        model.native = "q4_k_m".to_owned();
        model.file = Some(dsk::catalog::model::FileSizes {
            total: dsk::units::Bytes(1), embedding: dsk::units::Bytes(1), layers: vec![], output: dsk::units::Bytes(0), is_gguf: true, multi_head: false,
        });
        let mut wish = Wish::of(Target::Ollama, "rtx-4090");
        (wish.path, wish.name) = (Some(path.as_str()), Some(served.as_str()));
        let request = wish.request(&catalog, model).expect("a plan");
        if let Ok(deployment) = wish.deploy(&request) {
            let found = parse(&deployment.files[0].text).expect("Ollama's grammar");
            let named = if path.starts_with(['/', '.']) { path.clone() } else { format!("./{path}") };
            prop_assert_eq!(&found[0], &("from".to_owned(), named));
            prop_assert_eq!(found.len(), 2);
        }
    }
}
