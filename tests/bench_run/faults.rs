//! Servers that do wrong.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::level;
use super::server::{DONE, Request, Server, chunk, document, end, head, token, usage};

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
