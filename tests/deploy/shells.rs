//! Scripts against real shells, shellcheck and Python; a tool that is not there fails the test.

use std::io::Write;
use std::process::{Command, Stdio};

use dsk::catalog::Catalog;
use dsk::deploy::Target;

use super::question::Wish;

/// Runs a checker on a text from its standard input.
fn passes(program: &str, arguments: &[&str], text: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{program}` is needed (see .ci/run): {error}"));
    let mut input = child.stdin.take().expect("its input");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}\n{text}");
}

#[test]
fn scripts_pass_the_shells_and_shellcheck() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hostile = "a b$(id)`id`'\"\\\n*#~";
    for (target, gpu, model, format) in [
        (Target::LlamaCpp, "rtx-4090", "6.7b", Some("q4_k_m")),
        (Target::LlamaCpp, "2xrtx-4090", "33b", Some("iq2_s")),
        (Target::LlamaCpp, "cpu", "1.3b", Some("fp16")),
        (Target::Vllm, "8xh200", "r1", None),
        (Target::Vllm, "16xh100", "v3", None),
        (Target::Vllm, "h100", "13b", Some("awq")),
        (Target::Sglang, "16xh100", "v3.1", None),
    ] {
        for name in [None, Some(hostile)] {
            let mut wish = Wish::of(target, gpu);
            (wish.format, wish.name) = (format, name);
            let text = wish.text(&catalog, model);
            passes("sh", &["-n"], &text);
            passes("bash", &["-n"], &text);
            // A hostile name looks like an expression that its author forgot to expand.
            let meant = if name.is_some() { "SC2016" } else { "SC9999" };
            passes("shellcheck", &["-s", "sh", "-e", meant, "-"], &text);
        }
    }
}

#[test]
fn python_scripts_compile() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for (gpu, model, format) in [
        ("cpu", "1.3b", "int8"),
        ("rtx-4090", "6.7b", "nf4"),
        ("rtx-4090", "6.7b", "bnb-int8"),
        ("2xh200", "deepseek-moe-16b", "bf16"),
        ("8xh200", "v3", "fp8"),
    ] {
        let mut wish = Wish::of(Target::Transformers, gpu);
        wish.format = Some(format);
        let text = wish.text(&catalog, model);
        passes(
            "python3",
            &[
                "-c",
                "import sys; compile(sys.stdin.read(), 'script', 'exec')",
            ],
            &text,
        );
    }
}
