//! A vendor's tool, run with a limit on its time and on what it may print.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a tool may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it is waited for after it was killed.
const GRACE: Duration = Duration::from_millis(200);
/// How often a child is asked whether it has ended.
const STEP: Duration = Duration::from_millis(5);
/// The most that is read of its answer, in bytes.
const LONGEST: u64 = 1 << 20;

/// How a tool ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ran {
    /// It is not installed.
    Missing,
    /// It said this.
    Said(String),
    /// It failed, and why.
    Failed(String),
}

/// Runs `tool`; a child that takes too long is killed and reaped.
pub(super) fn run(tool: &str, arguments: &[&str]) -> Ran {
    let spawned = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ran::Missing,
        Err(error) => return Ran::Failed(format!("{tool} cannot be run: {error}")),
    };
    let (sender, receiver) = mpsc::channel();
    let pipe = child.stdout.take();
    // The reader is not joined: a grandchild may hold the pipe open for ever.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map(|pipe| pipe.take(LONGEST).read_to_end(&mut bytes));
        // Nobody listens any more when it took too long.
        let _ = sender.send(read.map(|_| bytes));
    });
    let end = Instant::now() + PATIENCE;
    let answer = receiver.recv_timeout(PATIENCE);
    let ended = wait(&mut child, end);
    match (answer, ended) {
        (Ok(Some(bytes)), Some(true)) => Ran::Said(String::from_utf8_lossy(&bytes).into_owned()),
        (_, Some(false)) => Ran::Failed(format!("{tool} failed")),
        (_, None) => Ran::Failed(format!(
            "{tool} did not answer within {} seconds",
            PATIENCE.as_secs()
        )),
        (_, Some(true)) => Ran::Failed(format!("{tool} gave no answer")),
    }
}

/// Whether it succeeded; none where it had to be killed.
fn wait(child: &mut Child, end: Instant) -> Option<bool> {
    if let Some(success) = poll(child, end) {
        return Some(success);
    }
    // A child that is already gone cannot be killed, which is as good.
    let _ = child.kill();
    // One that the kernel does not let go is left to the kernel.
    let _ = poll(child, Instant::now() + GRACE);
    None
}

fn poll(child: &mut Child, end: Instant) -> Option<bool> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(STEP);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_tool_answers_fails_or_is_missing() {
        assert_eq!(run("echo", &["one"]), Ran::Said("one\n".to_owned()));
        assert_eq!(run("false", &[]), Ran::Failed("false failed".to_owned()));
        assert_eq!(run("no-such-tool-anywhere", &[]), Ran::Missing);
    }

    #[test]
    fn a_tool_that_hangs_is_killed() {
        let begun = Instant::now();
        let ran = run("sleep", &["60"]);
        assert!(matches!(ran, Ran::Failed(why) if why.contains("did not answer")));
        assert!(begun.elapsed() < PATIENCE + Duration::from_secs(2));
    }
}
