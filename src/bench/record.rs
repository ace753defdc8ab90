//! One request, from the bytes of its answer and the times at which they came.

use super::chunk::{Usage, chunk};
use super::events::{Decoder, Event, TooLong};
use super::failure::{Failure, message};
use crate::units::{count, float};

/// Chunks that may come for each token that was asked for, before the stream is taken for endless.
const CHUNKS_PER_TOKEN: u64 = 8;
/// Chunks that may always come.
const SPARE_CHUNKS: u64 = 64;
/// Bytes that may come for each chunk that may.
const BYTES_PER_CHUNK: u64 = 1 << 14;

/// A request that was answered in full; times in seconds since the run began.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was sent.
    pub sent: f64,
    /// When each chunk with a token came.
    pub tokens: Vec<f64>,
    /// Tokens of the prompt, as the server counted them.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Who counted them.
    pub counted: Counted,
}

/// Who counted the tokens of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// The server, in `usage`.
    Usage,
    /// Nobody: chunks were counted, which may hold more or less than a token.
    Chunks,
}

impl Sample {
    /// Seconds from sending to the first token.
    #[must_use]
    pub fn time_to_first_token(&self) -> f64 {
        self.tokens.first().map_or(0.0, |first| first - self.sent)
    }

    /// Seconds from sending to the last token, as vLLM's `vllm bench serve` 0.33.0 counts it.
    #[must_use]
    pub fn end_to_end(&self) -> f64 {
        self.ended() - self.sent
    }

    /// When the last token came.
    #[must_use]
    pub fn ended(&self) -> f64 {
        self.tokens.last().copied().unwrap_or(self.sent)
    }

    /// Seconds for each token after the first: (end-to-end - first) / (tokens - 1), as `vllm bench serve` counts it.
    ///
    /// None for an answer of one token.
    #[must_use]
    pub fn time_per_output_token(&self) -> Option<f64> {
        let others = self
            .output_tokens
            .checked_sub(1)
            .filter(|others| *others > 0)?;
        Some((self.end_to_end() - self.time_to_first_token()) / float(others))
    }

    /// Seconds between chunks that follow one another.
    pub fn gaps(&self) -> impl Iterator<Item = f64> + '_ {
        self.tokens.windows(2).filter_map(|pair| match pair {
            [one, next] => Some(next - one),
            _ => None,
        })
    }
}

/// Follows one answer.
#[derive(Debug)]
pub struct Recorder {
    sent: f64,
    tokens: Vec<f64>,
    usage: Option<Usage>,
    finished: bool,
    decoder: Decoder,
    bytes_left: u64,
    most_chunks: u64,
}

impl Recorder {
    /// A request sent at `sent` that asks for `output_tokens`.
    #[must_use]
    pub fn new(sent: f64, output_tokens: u64) -> Self {
        let most_chunks = output_tokens
            .saturating_mul(CHUNKS_PER_TOKEN)
            .saturating_add(SPARE_CHUNKS);
        Self {
            sent,
            tokens: Vec::new(),
            usage: None,
            finished: false,
            decoder: Decoder::default(),
            bytes_left: most_chunks.saturating_mul(BYTES_PER_CHUNK),
            most_chunks,
        }
    }

    /// Takes the bytes of one read, which returned at `now`; how many tokens they held.
    ///
    /// # Errors
    /// When the stream is broken, reports an error or does not end.
    pub fn push(&mut self, bytes: &[u8], now: f64) -> Result<u64, Failure> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(count(bytes.len()))
            .ok_or(Failure::Endless)?;
        let events = self.decoder.push(bytes).map_err(too_long)?;
        self.take(&events, now)
    }

    /// The request, when the stream ended as it should.
    ///
    /// # Errors
    /// When it ended too early, or held no token.
    pub fn finish(mut self, now: f64) -> Result<Sample, Failure> {
        let last = self.decoder.finish().map_err(too_long)?;
        self.take(&last, now)?;
        if self.tokens.is_empty() {
            return Err(match self.decoder.stray() {
                Some(line) => Failure::Malformed(format!("`{}` is no event", message(line))),
                None if self.finished => Failure::NoToken,
                None => Failure::CutOff,
            });
        }
        self.sample().ok_or(Failure::CutOff)
    }

    /// The request, when the connection was lost: in full if the answer had ended.
    ///
    /// # Errors
    /// `failure` when it had not.
    pub fn lost(self, failure: Failure) -> Result<Sample, Failure> {
        self.sample().ok_or(failure)
    }

    /// The request, once its answer ended.
    fn sample(self) -> Option<Sample> {
        if !self.finished || self.tokens.is_empty() {
            return None;
        }
        let counted = self.usage.and_then(|usage| usage.completion_tokens);
        Some(Sample {
            sent: self.sent,
            output_tokens: counted.unwrap_or(count(self.tokens.len())),
            counted: counted.map_or(Counted::Chunks, |_| Counted::Usage),
            tokens: self.tokens,
            input_tokens: self.usage.and_then(|usage| usage.prompt_tokens),
        })
    }

    fn take(&mut self, events: &[Event], now: f64) -> Result<u64, Failure> {
        let mut tokens = 0;
        for event in events {
            let chunk = chunk(event)?;
            self.finished |= chunk.finished;
            self.usage = chunk.usage.or(self.usage);
            if chunk.token {
                self.tokens.push(now);
                tokens += 1;
            }
        }
        if count(self.tokens.len()) > self.most_chunks {
            return Err(Failure::Endless);
        }
        Ok(tokens)
    }
}

fn too_long(_: TooLong) -> Failure {
    Failure::Malformed("a line of more than a mebibyte".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "data: {\"choices\": [{\"text\": \"a\", \"finish_reason\": null}]}\n\n";
    const LAST: &str = "data: {\"choices\": [{\"text\": \"\", \"finish_reason\": \"length\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 9, \"completion_tokens\": 5}}\n\ndata: [DONE]\n\n";

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    /// Three chunks that hold five tokens: TPOT counts tokens, gaps count chunks.
    #[test]
    fn times_follow_vllm() {
        let mut recorder = Recorder::new(1.0, 5);
        for now in [1.5, 1.75, 2.5] {
            assert_eq!(recorder.push(TOKEN.as_bytes(), now), Ok(1));
        }
        assert_eq!(
            recorder.push((LAST.to_owned() + USAGE).as_bytes(), 2.6),
            Ok(0)
        );
        let sample = recorder.finish(9.0).expect("a sample");
        assert!(close(sample.time_to_first_token(), 0.5));
        assert!(close(sample.end_to_end(), 1.5));
        assert!(close(
            sample.time_per_output_token().expect("five tokens"),
            0.25
        ));
        let gaps: Vec<f64> = sample.gaps().collect();
        assert!(gaps.len() == 2 && close(gaps[0], 0.25) && close(gaps[1], 0.75));
        assert_eq!(
            (sample.input_tokens, sample.counted),
            (Some(9), Counted::Usage)
        );
    }

    #[test]
    fn without_usage_chunks_are_counted_and_one_token_has_no_tpot() {
        let mut recorder = Recorder::new(0.0, 1);
        recorder
            .push((TOKEN.to_owned() + LAST).as_bytes(), 0.5)
            .expect("tokens");
        let sample = recorder.finish(1.0).expect("a sample");
        assert_eq!((sample.output_tokens, sample.counted), (1, Counted::Chunks));
        assert_eq!(sample.time_per_output_token(), None);
    }

    #[test]
    fn an_end_before_the_end_is_a_cut() {
        let mut recorder = Recorder::new(0.0, 5);
        recorder.push(TOKEN.as_bytes(), 0.5).expect("a token");
        assert_eq!(recorder.finish(1.0), Err(Failure::CutOff));
        assert_eq!(Recorder::new(0.0, 5).finish(1.0), Err(Failure::CutOff));
        let mut recorder = Recorder::new(0.0, 5);
        recorder.push(b"data: [DONE]\n\n", 0.5).expect("an end");
        assert_eq!(recorder.finish(1.0), Err(Failure::NoToken));
    }

    #[test]
    fn a_lost_connection_after_the_end_loses_nothing() {
        let mut recorder = Recorder::new(0.0, 1);
        recorder
            .push((TOKEN.to_owned() + LAST).as_bytes(), 0.5)
            .expect("tokens");
        assert!(recorder.lost(Failure::Timeout).is_ok());
        let mut recorder = Recorder::new(0.0, 1);
        recorder.push(TOKEN.as_bytes(), 0.5).expect("a token");
        assert_eq!(recorder.lost(Failure::Timeout), Err(Failure::Timeout));
    }

    #[test]
    fn an_endless_stream_ends_here() {
        let mut recorder = Recorder::new(0.0, 2);
        let failed = (0..1000).find_map(|_| recorder.push(TOKEN.as_bytes(), 0.1).err());
        assert_eq!(failed, Some(Failure::Endless));
        let mut recorder = Recorder::new(0.0, 2);
        let comment = format!(":{}\n", "x".repeat(65_536));
        let failed = (0..100).find_map(|_| recorder.push(comment.as_bytes(), 0.1).err());
        assert_eq!(failed, Some(Failure::Endless));
    }
}
