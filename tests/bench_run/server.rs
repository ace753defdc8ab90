//! A server with OpenAI's API that behaves as a test wants: an exact one, and many wrong ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request as it came.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: serde_json::Value,
    pub(crate) at: Instant,
}

impl Request {
    /// Tokens that are wanted.
    pub(crate) fn max_tokens(&self) -> u64 {
        self.body["max_tokens"].as_u64().unwrap_or(0)
    }

    /// Tokens of its prompt here: two a word and one before.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        let words = self.body["prompt"]
            .as_str()
            .unwrap_or("")
            .split(' ')
            .count();
        2 * u64::try_from(words).expect("few") + 1
    }
}

/// What the server itself timed of one answer, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) first: f64,
    pub(crate) last: f64,
}

type Behaviour = dyn Fn(&mut TcpStream, &Request) -> std::io::Result<()> + Send + Sync;

/// A running server; it ends with the process.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) timed: Arc<Mutex<Vec<Timed>>>,
    pub(crate) seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts one that answers requests for more than one token with `behaviour`, and short ones as it should.
    pub(crate) fn start(
        behaviour: impl Fn(&mut TcpStream, &Request) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::all(move |stream, request| {
            if request.max_tokens() == 1 {
                answer(stream, request, Pace::AT_ONCE).map(|_| ())
            } else {
                behaviour(stream, request)
            }
        })
    }

    /// Starts one that answers `answers` requests at `pace` and is gone then: nobody listens any more.
    pub(crate) fn dying(answers: u64, pace: Pace) -> Self {
        let left = Arc::new(AtomicU64::new(answers));
        let gone = Arc::clone(&left);
        Self::listening(
            move |stream, request| {
                if request.max_tokens() > 1 {
                    left.fetch_sub(1, Ordering::SeqCst);
                }
                answer(stream, request, pace).map(|_| ())
            },
            move || gone.load(Ordering::SeqCst) == 0,
        )
    }

    /// Starts one that answers every request but the list of models with `behaviour`.
    pub(crate) fn all(
        behaviour: impl Fn(&mut TcpStream, &Request) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::listening(behaviour, || false)
    }

    /// Starts one that closes its door to who comes after `is_gone`.
    fn listening(
        behaviour: impl Fn(&mut TcpStream, &Request) -> std::io::Result<()> + Send + Sync + 'static,
        is_gone: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_gone() {
                    return;
                }
                let (behaviour, kept) = (Arc::clone(&behaviour), Arc::clone(&kept));
                thread::Builder::new()
                    .stack_size(1 << 17)
                    .spawn(move || serve(stream, behaviour.as_ref(), &kept))
                    .expect("a thread");
            }
        });
        Self {
            url,
            timed: Arc::default(),
            seen,
        }
    }

    /// Starts one that answers at `pace` and times itself.
    pub(crate) fn paced(pace: Pace) -> Self {
        let timed: Arc<Mutex<Vec<Timed>>> = Arc::default();
        let kept = Arc::clone(&timed);
        let mut server = Self::start(move |stream, request| {
            let own = answer(stream, request, pace)?;
            kept.lock().expect("not poisoned").push(own);
            Ok(())
        });
        server.timed = timed;
        server
    }
}

fn serve(mut stream: TcpStream, behaviour: &Behaviour, seen: &Mutex<Vec<Request>>) {
    stream.set_nodelay(true).expect("a socket");
    let Some(request) = read(&stream) else { return };
    if request.path.ends_with("/models") {
        let _ = document(&mut stream, "200 OK", r#"{"data": [{"id": "fake"}]}"#);
    } else {
        // The client may have gone away: that is its right.
        let _ = behaviour(&mut stream, &request);
    }
    seen.lock().expect("not poisoned").push(request);
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") {
        if reader.read_line(&mut headers).ok()? == 0 {
            return None;
        }
    }
    let length = headers
        .lines()
        .find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        path: headers.split(' ').nth(1)?.to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        headers,
        at: Instant::now(),
    })
}

/// A whole answer that is no stream.
pub(crate) fn document(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The head of a chunked stream of events.
pub(crate) fn head(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )
}

/// One chunk of HTTP's chunked coding.
pub(crate) fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    stream.write_all(&framed)
}

/// The end of a chunked stream.
pub(crate) fn end(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"0\r\n\r\n")
}

/// The event of one token.
pub(crate) fn token(text: &str) -> String {
    let text = serde_json::to_string(text).expect("a string");
    format!("data: {{\"choices\": [{{\"text\": {text}, \"finish_reason\": null}}]}}\n\n")
}

/// The event that ends an answer.
pub(crate) const LAST: &str =
    "data: {\"choices\": [{\"text\": \"\", \"finish_reason\": \"length\"}]}\n\n";
/// The event after the last.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// The event with the count of tokens.
pub(crate) fn usage(request: &Request) -> String {
    let (prompt, answer) = (request.prompt_tokens(), request.max_tokens());
    format!(
        "data: {{\"choices\": [], \"usage\": {{\"prompt_tokens\": {prompt}, \"completion_tokens\": {answer}}}}}\n\n"
    )
}

/// How fast tokens come.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) first: Duration,
    pub(crate) gap: Duration,
}

impl Pace {
    pub(crate) const AT_ONCE: Self = Self {
        first: Duration::ZERO,
        gap: Duration::ZERO,
    };
}

/// A right answer at `pace`, with the server's own times.
pub(crate) fn answer(
    stream: &mut TcpStream,
    request: &Request,
    pace: Pace,
) -> std::io::Result<Timed> {
    let seconds = || request.at.elapsed().as_secs_f64();
    let mut times = Timed {
        first: 0.0,
        last: 0.0,
    };
    head(stream)?;
    for position in 0..request.max_tokens() {
        thread::sleep(if position == 0 { pace.first } else { pace.gap });
        chunk(stream, token("a").as_bytes())?;
        times.last = seconds();
        if position == 0 {
            times.first = times.last;
        }
    }
    chunk(
        stream,
        (LAST.to_owned() + &usage(request) + DONE).as_bytes(),
    )?;
    end(stream)?;
    Ok(times)
}
