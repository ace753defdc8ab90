//! Values from outside stay one word for every shell, and never end a comment or a string.

use std::process::Command;

use dsk::catalog::{Catalog, Origin};
use dsk::deploy::{Command as Words, Target, one_line};
use proptest::prelude::*;

use super::question::{Wish, command, value};

/// What a shell makes of a line, each word ended by a zero byte.
fn words_of(shell: &str, line: &str) -> Vec<String> {
    let script = format!(
        "show() {{ for word in \"$@\"; do printf '%s\\0' \"$word\"; done; }}\nshow {line}\n"
    );
    let output = Command::new(shell)
        .arg("-c")
        .arg(&script)
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n\t\r\u{e9}\u{2028}\u{7f}]{1,20}",
        prop::sample::select(vec![
            "$(reboot)",
            "`id`",
            "x'; id; '",
            "--flag",
            "-",
            "a\nb",
            "$'\\n'",
            "\\",
            "!!",
            "~",
            "*",
            "#"
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn words_survive_every_shell(words in prop::collection::vec(hostile(), 1..5)) {
        let (first, rest) = words.split_first().expect("a word");
        let line = Words {
            program: vec![first.clone()],
            arguments: vec![rest.to_vec()],
            ..Words::default()
        };
        prop_assert_eq!(&words_of("sh", &line.line()), &words);
        prop_assert_eq!(&words_of("bash", &line.block()), &words);
        prop_assert_eq!(shlex::split(&line.line()), Some(words.clone()));
        let question = one_line(&words);
        prop_assert_eq!(question.lines().count(), 1);
        prop_assert_eq!(&words_of("bash", &question), &words);
    }

    /// The question, the weights, the served name and the host of every engine.
    #[test]
    fn nothing_breaks_out(path in hostile(), name in hostile(), host in hostile(), port in 1_u16..) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let asked = one_line(&["dsk".to_owned(), path.clone(), name.clone()]);
        for target in [Target::Vllm, Target::Sglang, Target::LlamaCpp] {
            let mut model = catalog.model("6.7b").expect("a model");
            model.origin = Origin::File;
            let mut wish = Wish::of(target, "h100");
            (wish.path, wish.name, wish.host) = (Some(path.as_str()), Some(name.as_str()), host.as_str());
            (wish.port, wish.asked) = (Some(port), &asked);
            if target == Target::LlamaCpp {
                wish.format = Some("iq4_xs");
            }
            let request = wish.request(&catalog, model).expect("a plan");
            let text = wish.deploy(&request).expect("a script").files[0].text.clone();
            let before = text.split_once("\nset -eu\n").expect("a heading").0;
            prop_assert!(before.lines().all(|line| line.starts_with('#')), "{}", before);
            let after = text.split_once("\n# To check it:\n").expect("a footing").1;
            prop_assert!(after.lines().all(|line| line.starts_with('#')), "{}", after);
            let words = command(&text, 0);
            let port = port.to_string();
            prop_assert_eq!(value(&words, "--port"), Some(port.as_str()));
            let flag = if target == Target::LlamaCpp { "--alias" } else { "--served-model-name" };
            let joined = format!("{flag}={name}");
            let told = value(&words, flag) == Some(name.as_str()) || words.contains(&joined);
            prop_assert!(told, "{:?}", words);
        }
    }

    /// Python reads the path back as it is.
    #[test]
    fn python_reads_the_path_back(path in hostile()) {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let mut model = catalog.model("6.7b").expect("a model");
        model.origin = Origin::File;
        let mut wish = Wish::of(Target::Transformers, "cpu");
        (wish.path, wish.format) = (Some(path.as_str()), Some("fp32"));
        let request = wish.request(&catalog, model).expect("a plan");
        let text = wish.deploy(&request).expect("a script").files[0].text.clone();
        let line = text.lines().find_map(|line| line.strip_prefix("MODEL = ")).expect("the path");
        // Its escapes are those of JSON.
        prop_assert_eq!(serde_json::from_str::<String>(line).expect("a string"), path);
    }
}
