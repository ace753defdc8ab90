//! What is asked of a server, and how.

use std::io::Write;
use std::time::Instant;

use super::server::{Pace, Server, answer, document};
use super::{bench, command, level, number, run};

#[test]
fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let server = Server::start(|stream, request| {
        if request.body["prompt"].as_str().unwrap_or("").len() % 2 == 0 {
            return answer(stream, request, Pace::AT_ONCE).map(|_| ());
        }
        stream.write_all(
            b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
        )
    });
    let began = Instant::now();
    let (level, _) = level(&server, &["--requests", "12", "--seed", "3"]);
    let refused = number(&level["failed"]);
    assert!(
        refused >= 2.0 && number(&level["completed"]) >= 1.0,
        "{level}"
    );
    assert_eq!(level["errors"][0]["kind"], "http-429");
    assert!(began.elapsed().as_secs_f64() >= refused - 1.0);
}

#[test]
fn servers_that_know_less_are_asked_for_less() {
    let server = Server::all(|stream, request| {
        if request.body.get("ignore_eos").is_some() {
            return document(
                stream,
                "400 Bad Request",
                r#"{"error": {"message": "Unrecognized: ignore_eos"}}"#,
            );
        }
        if request.path.ends_with("/v1/completions") {
            return document(stream, "404 Not Found", "{}");
        }
        answer(stream, request, Pace::AT_ONCE).map(|_| ())
    });
    let (document, output) = bench(&server.url, &["--requests", "2", "--output-tokens", "4"]);
    assert!(output.status.success());
    assert_eq!(document["run"]["endpoint"], "chat");
    let notes = document["notes"].to_string();
    assert!(
        notes.contains("ignore_eos") && notes.contains("chat"),
        "{notes}"
    );
}

#[test]
fn the_key_goes_to_the_server_and_nowhere_else() {
    let server = Server::paced(Pace::AT_ONCE);
    let output = command(&server.url, &["--requests", "1", "--api-key-env", "MY_KEY"])
        .env("MY_KEY", "sk-hidden")
        .output()
        .expect("dsk runs");
    assert!(output.status.success());
    let printed = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&printed).contains("sk-hidden"));
    let seen = server.seen.lock().expect("not poisoned");
    assert!(seen.len() > 3);
    assert!(
        seen.iter()
            .all(|request| request.headers.contains("Bearer sk-hidden"))
    );
    assert!(
        !run(&server.url, &["--api-key-env", "NOT_SET"])
            .status
            .success()
    );
}

#[test]
fn prompts_never_repeat() {
    let server = Server::paced(Pace::AT_ONCE);
    for _ in 0..2 {
        level(&server, &["--concurrency", "4,2", "--requests", "8"]);
    }
    let seen = server.seen.lock().expect("not poisoned");
    let prompts: Vec<&str> = seen
        .iter()
        .filter_map(|request| request.body["prompt"].as_str())
        .collect();
    let distinct: std::collections::HashSet<&str> = prompts.iter().copied().collect();
    assert!(prompts.len() > 32 && distinct.len() == prompts.len());
}
