//! Streams that are odd but right.

use std::io::Write;
use std::net::TcpStream;

use serde_json::Value;

use super::level;
use super::server::{DONE, LAST, Request, Server, chunk, end, head, token, usage};

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
