//! Server-sent events: bytes as they come, events as they are complete.
//!
//! WHATWG HTML, "Server-sent events", parsing an event stream: lines end with LF, CR LF or CR; a line that
//! begins with a colon is a comment; `data` lines are joined; an empty line ends the event.

/// Bytes that a line or an event may have: beyond it the stream is taken for broken.
const LONGEST: usize = 1 << 20;

/// An event that a server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its `data`.
    Data(String),
    /// A field `error`, as old llama.cpp servers name one.
    Error(String),
}

/// The stream is no event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Collects bytes into events.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    data: Option<String>,
    after_return: bool,
    /// A line that is no field, which tells of a server that answers in another form.
    stray: Option<String>,
}

impl Decoder {
    /// Takes the bytes of one read and hands over the events that they complete.
    ///
    /// # Errors
    /// When a line or an event grows beyond every sensible size.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            let continued = std::mem::take(&mut self.after_return) && *byte == b'\n';
            match *byte {
                b'\n' if continued => {}
                b'\n' => events.extend(self.end_line()?),
                b'\r' => {
                    self.after_return = true;
                    events.extend(self.end_line()?);
                }
                other => self.line.push(other),
            }
        }
        if self.line.len() > LONGEST {
            return Err(TooLong);
        }
        Ok(events)
    }

    /// What is left when the stream ends: servers that forget the last empty line still meant the event.
    ///
    /// # Errors
    /// When the last event is longer than sensible.
    pub fn finish(&mut self) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::from_iter(self.end_line()?);
        events.extend(self.data.take().map(Event::Data));
        Ok(events)
    }

    /// The first line that was no field of an event, such as an error document sent without framing.
    #[must_use]
    pub fn stray(&self) -> Option<&str> {
        self.stray.as_deref()
    }

    fn end_line(&mut self) -> Result<Option<Event>, TooLong> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        if line.is_empty() {
            return Ok(self.data.take().map(Event::Data));
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) if data.len() + value.len() > LONGEST => return Err(TooLong),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "error" => return Ok(Some(Event::Error(value.to_owned()))),
            "" | "event" | "id" | "retry" => {}
            _ => {
                self.stray
                    .get_or_insert_with(|| line.chars().take(300).collect());
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<Event> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(decoder.push(piece).expect("short"));
        }
        events.extend(decoder.finish().expect("short"));
        events
    }

    #[test]
    fn every_cut_gives_the_same_events() {
        let stream = ": ping\r\ndata: {\"a\": \"\u{e9}\u{1f600}\"}\r\n\r\ndata: one\ndata:two\n\n\rdata: [DONE]";
        let bytes = stream.as_bytes();
        let whole = decode(&[bytes]);
        let expected = ["{\"a\": \"\u{e9}\u{1f600}\"}", "one\ntwo", "[DONE]"];
        assert_eq!(whole, expected.map(|data| Event::Data(data.to_owned())));
        for cut in 0..bytes.len() {
            assert_eq!(
                decode(&[&bytes[..cut], &bytes[cut..]]),
                whole,
                "cut at {cut}"
            );
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&single), whole);
    }

    #[test]
    fn what_is_no_field_is_kept_for_the_error() {
        let mut decoder = Decoder::default();
        let events = decoder.push(b"<html>busy</html>\n\n").expect("short");
        assert!(events.is_empty());
        assert_eq!(decoder.stray(), Some("<html>busy</html>"));
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut decoder = Decoder::default();
        let piece = vec![b'x'; LONGEST + 1];
        assert_eq!(decoder.push(&piece), Err(TooLong));
    }
}
