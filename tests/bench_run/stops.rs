//! Runs that end before their end.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::{Pace, Server};
use super::{bench, command, number, run};

#[test]
fn a_server_that_is_not_there_is_an_error_that_names_it() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let output = run(&format!("http://{address}"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.starts_with(&format!("error: cannot reach http://{address}/v1")),
        "{text}"
    );
    assert!(output.stdout.is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_measured() {
    let pace = Pace {
        first: Duration::from_millis(100),
        gap: Duration::from_millis(10),
    };
    let server = Server::paced(pace);
    let child = command(
        &server.url,
        &[
            "--concurrency",
            "2,4",
            "--output-tokens",
            "8",
            "--duration",
            "1h",
        ],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("dsk runs");
    let began = Instant::now();
    while server.timed.lock().expect("not poisoned").len() < 4 {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "nothing was answered"
        );
        thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(document["run"]["interrupted"], true);
    let levels = document["run"]["levels"].as_array().expect("levels");
    assert_eq!(levels.len(), 1, "the second level never began");
    assert!(number(&levels[0]["completed"]) >= 3.0);
}

/// What a server that dies after six answers leaves of a run.
fn after_its_death(more: &[&str]) -> (Value, String) {
    let pace = Pace {
        first: Duration::from_millis(20),
        gap: Duration::from_millis(5),
    };
    let server = Server::dying(6, pace);
    let began = Instant::now();
    let (document, output) = bench(&server.url, &[&["--output-tokens", "8"], more].concat());
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (document["run"].clone(), text)
}

#[test]
fn a_server_that_dies_ends_the_run() {
    let (run, text) = after_its_death(&["--concurrency", "2,4", "--requests", "500"]);
    assert!(
        text.contains("error: the server answered no more"),
        "{text}"
    );
    assert!(text.contains("concurrency 2 was given up"), "{text}");
    let levels = run["levels"].as_array().expect("levels");
    assert_eq!(levels.len(), 1, "nobody is there for the second level");
    assert!(number(&levels[0]["completed"]) >= 5.0);
    assert!(number(&levels[0]["failed"]) < 20.0, "it is not hammered");
    assert_eq!(run["given_up"].as_array().map(Vec::len), Some(1));
    assert_eq!(run["interrupted"], false);
}

/// Few requests are over before patience is.
#[test]
fn a_server_that_dies_near_the_end_is_told_too() {
    let (run, text) = after_its_death(&["--requests", "9"]);
    assert!(
        text.contains("error: the server answered no more"),
        "{text}"
    );
    assert_eq!(run["levels"][0]["completed"], 6);
    assert_eq!(run["levels"][0]["failed"], 3);
}
