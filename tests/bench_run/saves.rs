//! What is saved is what later predictions rest on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::server::{Pace, Server};
use super::{level, number, run};

/// The question of most tests here.
const H200: [&str; 4] = ["--gpu", "h200", "--engine", "vllm"];
/// A processor that the catalog does not know.
const PROCESSOR: [&str; 6] = ["--gpu", "cpu", "--engine", "llama.cpp", "--quant", "q4_k_m"];

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("dsk-bench-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }

    /// The files of calibrations in it.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.0.join("calibrations")).expect("a folder");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed may have made nothing.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server whose tokens come so many milliseconds apart.
fn server(gap: u64) -> Server {
    Server::paced(Pace {
        first: Duration::from_millis(5 * gap),
        gap: Duration::from_millis(gap),
    })
}

/// Measures `server` and saves that: seconds a token.
fn save(server: &Server, folder: &Folder, more: &[&str]) -> f64 {
    let save = [more, &["--save", folder.path()]].concat();
    let (level, output) = level(server, &save);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("saved in"), "{text}");
    number(&level["time_per_output_token_seconds"]["mean"])
}

/// What `dsk speed 6.7b` answers with the folder as a catalog.
fn speed(folder: &Folder, more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_dsk"))
        .env_clear()
        .args(["speed", "6.7b", "--json", "--catalog", folder.path()])
        .args(["--input", "101", "--output-tokens", "8"])
        .args(more)
        .output()
        .expect("dsk runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Whether the answer is what was measured, in seconds a token.
fn is_measured(answer: &Value, measured: f64) -> bool {
    let seconds = number(&answer["time_per_output_token_seconds"]["value"]);
    answer["basis"] == "measured" && (seconds / measured - 1.0).abs() < 1e-6
}

fn levels(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).expect("a file");
    text.matches("[[level]]").count()
}

#[test]
fn a_saved_run_calibrates_the_next() {
    let folder = Folder::new("next");
    let server = server(40);
    let machine = [&H200[..], &["--concurrency", "2"]].concat();
    let (first, _) = level(&server, &machine);
    assert_eq!(first["prediction"]["basis"], "modelled");
    save(&server, &folder, &machine);
    let (again, output) = level(
        &server,
        &[&machine[..], &["--catalog", folder.path()]].concat(),
    );
    assert!(output.status.success());
    assert_eq!(again["prediction"]["basis"], "measured");
    for key in [
        "time_per_output_token_seconds",
        "time_to_first_token_seconds",
    ] {
        let error = |level: &Value| number(&level["prediction"][key]["relative_error"]).abs();
        assert!(error(&again) < 0.15, "{key}: {again}");
        assert!(error(&again) < error(&first), "{key}");
    }
    let alone = speed(&folder, &H200);
    assert_eq!(alone["basis"], "measured", "{alone}");
}

/// Clients, formats and models that were measured before stay; of one question the newest run holds.
#[test]
fn runs_are_added_to_each_other() {
    let folder = Folder::new("added");
    let clients = |number| [&H200[..], &["--concurrency", number]].concat();
    let first = save(&server(20), &folder, &clients("1"));
    let four = save(&server(60), &folder, &clients("4"));
    assert_eq!((folder.files().len(), levels(&folder.files()[0])), (1, 2));
    assert!(is_measured(&speed(&folder, &clients("1")), first));
    assert!(is_measured(&speed(&folder, &clients("4")), four));
    let between = speed(&folder, &clients("2"));
    let seconds = number(&between["time_per_output_token_seconds"]["value"]);
    assert!(seconds > first && seconds < four, "{between}");

    let again = save(&server(40), &folder, &clients("1"));
    assert_eq!(levels(&folder.files()[0]), 2);
    assert!(is_measured(&speed(&folder, &clients("1")), again));
    assert!(is_measured(&speed(&folder, &clients("4")), four));

    let other = [&clients("1")[..], &["--fp8"]].concat();
    let fp8 = save(&server(30), &folder, &other);
    assert_eq!(folder.files().len(), 2);
    assert!(is_measured(&speed(&folder, &other), fp8));
    assert!(is_measured(&speed(&folder, &clients("1")), again));
}

/// Prompts of processors are not predicted: the time per token is saved all the same, with the bandwidth.
#[test]
fn a_processor_is_calibrated_as_far_as_it_is_predicted() {
    let folder = Folder::new("processor");
    let unknown = run(
        &server(10).url,
        &[&PROCESSOR[..], &["--save", folder.path()]].concat(),
    );
    let text = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(text.contains("--ram-bandwidth"), "{text}");
    let at = |rate| [&PROCESSOR[..], &["--ram-bandwidth", rate]].concat();
    let first = save(&server(40), &folder, &at("60"));
    for question in [PROCESSOR.to_vec(), at("60"), at("90")] {
        let answer = speed(&folder, &question);
        assert!(is_measured(&answer, first), "{answer}");
        assert_eq!(answer["time_to_first_token_seconds"], Value::Null);
    }
    // Another answer for what was said of the memory changes nothing either.
    let again = save(&server(30), &folder, &at("20"));
    assert_eq!(levels(&folder.files()[0]), 1);
    assert!(is_measured(&speed(&folder, &PROCESSOR), again));
}

/// What cannot be saved is said before minutes go by.
#[test]
fn nothing_is_measured_that_could_not_be_saved() {
    let server = server(1);
    for (question, place, reason, code) in [
        (vec![], "/tmp", "no hardware is named", 1),
        (H200.to_vec(), "/dev/null/x", "cannot make `/dev/null/x", 1),
        (H200.to_vec(), "/dev/null", "--save takes a folder", 1),
        (
            vec!["--gpu", "cpu", "--engine", "vllm"],
            "/tmp",
            "which is not calculated",
            3,
        ),
        (
            vec!["--vram", "24", "--engine", "vllm"],
            "/tmp",
            "is no device of the catalog",
            1,
        ),
    ] {
        let output = run(&server.url, &[&question[..], &["--save", place]].concat());
        assert_eq!(output.status.code(), Some(code));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(reason), "{text}");
    }
    assert!(server.seen.lock().expect("not poisoned").is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_left_as_it_is() {
    let folder = Folder::new("broken");
    save(&server(1), &folder, &H200);
    let file = folder.files().remove(0);
    std::fs::write(&file, "id = 3").expect("a file");
    let output = run(
        &server(1).url,
        &[&H200[..], &["--save", folder.path()]].concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("cannot be added to"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "id = 3");
}
