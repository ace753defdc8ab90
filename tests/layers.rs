//! The layout is the architecture: a module names only those before it, a package has one home.

use std::path::{Path, PathBuf};

/// Modules of the library from the bottom up; those in one row may not name each other.
const LAYERS: [&[&str]; 11] = [
    &["units"],
    &["error"],
    &["catalog"],
    &["calc"],
    &["files"],
    &["request"],
    &[
        "check",
        "listing",
        "migrate",
        "plan",
        "quantize",
        "recommend",
        "speed",
        "train",
    ],
    &["deploy"],
    &["bench"],
    &["render"],
    &["cli"],
];

/// Packages and the only module that may name them.
const HOMES: [(&str, &str); 19] = [
    ("toml", "catalog"),
    ("::safetensors", "files"),
    ("include_dir", "catalog"),
    ("k8s_openapi", "deploy"),
    ("strsim", "catalog"),
    ("thiserror", "error"),
    ("comfy_table", "render"),
    ("csv", "render"),
    ("schemars", "render"),
    ("serde_saphyr", "render"),
    ("shlex", "deploy"),
    ("clap", "cli"),
    ("anyhow", "cli"),
    ("dialoguer", "cli"),
    ("sysinfo", "cli"),
    ("ctrlc", "cli"),
    ("fastrand", "bench"),
    ("indicatif", "cli"),
    ("ureq", "cli"),
];

/// Names of the standard library that only the command line may use.
const OUTSIDE: [&str; 5] = [
    "std::env::",
    "std::io::stdout",
    "std::io::stderr",
    "std::process",
    "std::time",
];

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Every source file with the top module that it belongs to.
fn files() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let mut files = Vec::new();
    for path in paths {
        let inside = path.strip_prefix(&root).expect("below src");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        files.push((module, path, text));
    }
    assert!(files.len() > 30, "the sources were found");
    files
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

#[test]
fn a_module_names_only_those_before_it() {
    let mut faults = Vec::new();
    for (module, path, text) in files() {
        let Some(own) = layer(&module) else {
            assert!(
                module == "lib" || module == "main",
                "`{module}` has no layer"
            );
            continue;
        };
        for (other, rank) in LAYERS
            .iter()
            .enumerate()
            .flat_map(|(rank, row)| row.iter().map(move |name| (*name, rank)))
        {
            let named = text.contains(&format!("crate::{other}::"))
                || text.contains(&format!("crate::{other};"));
            if named && other != module && rank >= own {
                faults.push(format!("{} names `{other}`", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_package_has_one_home() {
    let mut faults = Vec::new();
    for (module, path, text) in files() {
        for (package, home) in HOMES {
            let named =
                text.contains(&format!("{package}::")) || text.contains(&format!("use {package}"));
            if named && module != home {
                faults.push(format!("{} names `{package}`", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn only_the_command_line_knows_the_process() {
    let mut faults = Vec::new();
    for (module, path, text) in files() {
        for name in OUTSIDE {
            if text.contains(name) && module != "cli" && module != "main" {
                faults.push(format!("{} uses `{name}`", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
