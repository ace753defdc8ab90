//! `dsk bench --url` against servers of every kind.
#![cfg(feature = "bench")]

mod bench_server;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bench_server::{
    DONE, LAST, Pace, Request, Server, Timed, answer, chunk, document, end, head, token, usage,
};
use dsk::render::document::Document;
use serde_json::Value;

/// How far a measured time may lie from the server's own, in seconds: the machine of the test may be busy.
const NOISE: f64 = 0.06;

fn command(url: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsk"));
    command
        .env_clear()
        .args(["bench", "6.7b", "--url", url, "--warmup", "0", "--json"])
        .args(more);
    command
}

fn run(url: &str, more: &[&str]) -> Output {
    command(url, more).output().expect("dsk runs")
}

fn bench(url: &str, more: &[&str]) -> (Value, Output) {
    let output = run(url, more);
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let validator = jsonschema::validator_for(&Document::Bench.schema()).expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    (document, output)
}

/// One level of few requests for eight tokens each.
fn level(server: &Server, more: &[&str]) -> (Value, Output) {
    let mut arguments = vec!["--input", "101", "--output-tokens", "8"];
    if !more.contains(&"--requests") {
        arguments.extend(["--requests", "4"]);
    }
    arguments.extend(more);
    let (document, output) = bench(&server.url, &arguments);
    (document["run"]["levels"][0].clone(), output)
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

fn mean(times: &[Timed], figure: fn(&Timed) -> f64) -> f64 {
    let count = u32::try_from(times.len()).expect("few");
    times.iter().map(figure).sum::<f64>() / f64::from(count)
}

#[test]
fn an_exact_server_is_measured_exactly() {
    let pace = Pace {
        first: Duration::from_millis(80),
        gap: Duration::from_millis(20),
    };
    let server = Server::paced(pace);
    let (level, output) = level(&server, &["--concurrency", "2", "--max-ttft", "10s"]);
    assert!(output.status.success());
    assert_eq!(
        (&level["completed"], &level["failed"]),
        (&Value::from(4), &Value::from(0))
    );
    assert_eq!(level["output_tokens"], 32);
    assert_eq!(
        level["input_tokens"],
        4 * 101,
        "50 words of two tokens and one"
    );
    assert_eq!(level["counted_by"], "usage");
    assert_eq!(level["inter_token_latency_seconds"]["count"], 28);
    let own = server.timed.lock().expect("not poisoned");
    for (key, theirs) in [
        ("time_to_first_token_seconds", mean(&own, |time| time.first)),
        ("end_to_end_seconds", mean(&own, |time| time.last)),
        (
            "time_per_output_token_seconds",
            mean(&own, |time| (time.last - time.first) / 7.0),
        ),
        (
            "inter_token_latency_seconds",
            mean(&own, |time| (time.last - time.first) / 7.0),
        ),
    ] {
        let ours = number(&level[key]["mean"]);
        assert!(
            (ours - theirs).abs() < NOISE,
            "{key}: {ours} against {theirs}"
        );
    }
    assert!(number(&level["time_to_first_token_seconds"]["min"]) >= 0.08);
    assert!(number(&level["time_per_output_token_seconds"]["min"]) >= 0.02);
    let seconds = number(&level["duration_seconds"]);
    assert!((number(&level["throughput_tokens_per_second"]) - 32.0 / seconds).abs() < 1e-6);
    assert!((number(&level["goodput_requests_per_second"]) - 4.0 / seconds).abs() < 1e-6);
}

#[test]
fn many_streams_keep_their_times() {
    let pace = Pace {
        first: Duration::from_millis(300),
        gap: Duration::from_millis(50),
    };
    let server = Server::paced(pace);
    let (level, _) = level(&server, &["--concurrency", "256", "--requests", "256"]);
    assert_eq!(level["completed"], 256, "{}", level["errors"]);
    let own = server.timed.lock().expect("not poisoned");
    let ours = number(&level["time_per_output_token_seconds"]["mean"]);
    let theirs = mean(&own, |time| (time.last - time.first) / 7.0);
    assert!((ours - theirs).abs() < NOISE, "{ours} against {theirs}");
}

/// Every request of a level fails in one way, and is named for it.
fn fails(kind: &str, behaviour: fn(&mut TcpStream, &Request) -> std::io::Result<()>) {
    let server = Server::start(behaviour);
    let (level, output) = level(&server, &["--timeout", "600ms"]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{kind}: nothing was answered"
    );
    assert_eq!(level["completed"], 0, "{kind}");
    assert_eq!(level["errors"][0]["kind"], kind, "{}", level["errors"]);
    assert_eq!(level["errors"][0]["count"], 4, "{}", level["errors"]);
    assert_eq!(level["time_to_first_token_seconds"], Value::Null, "{kind}");
}

#[test]
fn wrong_servers_are_named_for_what_they_do() {
    fails("http-500", |stream, _| {
        document(stream, "500 Internal Server Error", "oh no")
    });
    fails("cut-off", |stream, _| {
        head(stream)?;
        chunk(stream, token("a").as_bytes())
    });
    fails("cut-off", |stream, _| {
        head(stream)?;
        chunk(stream, token("a").as_bytes())?;
        end(stream)
    });
    fails("cut-off", |_, _| Ok(()));
    fails("malformed", |stream, _| {
        head(stream)?;
        chunk(stream, b"data: {\"choices\": [{\"text\n\n")?;
        end(stream)
    });
    fails("malformed", |stream, _| {
        document(stream, "200 OK", "<html>busy</html>")
    });
    fails("reported", |stream, _| {
        head(stream)?;
        chunk(stream, token("a").as_bytes())?;
        chunk(
            stream,
            b"data: {\"error\": {\"message\": \"out of memory\"}}\n\n",
        )?;
        end(stream)
    });
    fails("no-token", |stream, request| {
        head(stream)?;
        let empty = "data: {\"choices\": []}\n\n".to_owned() + &usage(request) + DONE;
        chunk(stream, empty.as_bytes())?;
        end(stream)
    });
    fails("endless", |stream, _| {
        head(stream)?;
        loop {
            chunk(stream, token("a").as_bytes())?;
        }
    });
}

#[test]
fn a_server_that_never_answers_is_left() {
    let began = Instant::now();
    fails("timeout", |_, _| {
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    fails("timeout", |stream, _| {
        head(stream)?;
        chunk(stream, token("a").as_bytes())?;
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// Every request is answered, whatever the form.
fn answers(behaviour: fn(&mut TcpStream, &Request) -> std::io::Result<()>) -> Value {
    let server = Server::start(behaviour);
    let (level, output) = level(&server, &[]);
    assert!(output.status.success(), "{}", level["errors"]);
    assert_eq!(
        (&level["completed"], &level["failed"]),
        (&Value::from(4), &Value::from(0))
    );
    level
}

fn tokens(text: &str) -> String {
    (0..8).map(|_| token(text)).collect()
}

#[test]
fn odd_but_right_streams_are_understood() {
    let level = answers(|stream, request| {
        head(stream)?;
        chunk(stream, (tokens("a") + LAST + &usage(request)).as_bytes())?;
        end(stream)
    });
    assert_eq!(level["output_tokens"], 32, "without [DONE]");
    let level = answers(|stream, _| {
        head(stream)?;
        chunk(stream, (tokens("a") + LAST + DONE).as_bytes())?;
        end(stream)
    });
    assert_eq!(
        (&level["output_tokens"], &level["counted_by"]),
        (&Value::from(32), &Value::from("chunks"))
    );
    assert_eq!(level["input_tokens"], Value::Null);
    let level = answers(|stream, request| {
        head(stream)?;
        let text = ": keep-alive\n\n".to_owned()
            + &tokens("\u{e9}\u{1f600}")
            + LAST
            + &usage(request)
            + DONE;
        for byte in text.replace('\n', "\r\n").as_bytes() {
            chunk(stream, &[*byte])?;
        }
        end(stream)
    });
    assert_eq!(level["output_tokens"], 32, "byte by byte, CR LF, comments");
    let level = answers(|stream, request| {
        head(stream)?;
        let text = tokens("a") + LAST + &usage(request) + DONE;
        let length = text.len();
        write!(
            stream,
            "{length:X};name=value\r\n{text}\r\n000\r\nx-trailer: 1\r\n\r\n"
        )
    });
    assert_eq!(level["output_tokens"], 32, "chunk extensions and a trailer");
    let level = answers(|stream, request| {
        let text = tokens("a") + LAST + &usage(request) + DONE;
        write!(
            stream,
            "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{text}"
        )
    });
    assert_eq!(level["output_tokens"], 32, "ended by the connection");
}

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

/// What was saved is what later predictions rest on.
#[test]
fn a_saved_run_calibrates_the_next() {
    let folder = std::env::temp_dir().join(format!("dsk-bench-{}", std::process::id()));
    let server = Server::paced(Pace {
        first: Duration::from_millis(200),
        gap: Duration::from_millis(40),
    });
    let path = folder.to_string_lossy().into_owned();
    let machine = ["--gpu", "h200", "--engine", "vllm", "--concurrency", "2"];
    let (first, output) = level(&server, &[&machine[..], &["--save", &path]].concat());
    assert!(output.status.success());
    assert_eq!(first["prediction"]["basis"], "modelled");
    let (again, output) = level(&server, &[&machine[..], &["--catalog", &path]].concat());
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
    for (catalog, basis) in [(None, "modelled"), (Some(path.as_str()), "measured")] {
        let output = Command::new(env!("CARGO_BIN_EXE_dsk"))
            .env_clear()
            .args([
                "speed", "6.7b", "--gpu", "h200", "--engine", "vllm", "--json",
            ])
            .args(catalog.map(|path| format!("--catalog={path}")))
            .output()
            .expect("dsk runs");
        let speed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(speed["basis"], basis, "{speed}");
    }
    std::fs::remove_dir_all(&folder).expect("a folder of this test");
}

/// Without a prediction there is nothing to scale; what was measured is printed all the same.
#[test]
fn what_cannot_be_saved_is_still_printed() {
    let server = Server::paced(Pace::AT_ONCE);
    let (level, output) = level(&server, &["--save", "/nonexistent/folder"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(level["completed"], 4);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("error: no calibration can be saved: no engine is named"),
        "{text}"
    );
}

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
