//! Text that cannot leave its place: a comment stays one line, whatever it quotes.

/// `words` as a command line without any line break, which bash, zsh and POSIX 2024 read back as the same words.
#[must_use]
pub fn one_line(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| one_line_word(word)).collect();
    quoted.join(" ")
}

fn one_line_word(word: &str) -> String {
    if !word.chars().any(breaks) {
        return super::words::quoted(word);
    }
    let mut out = String::from("$'");
    for letter in word.chars() {
        match letter {
            '\'' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if breaks(letter) => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("\\{byte:03o}"));
                }
            }
            letter => out.push(letter),
        }
    }
    out.push('\'');
    out
}

/// Whether a reader may take `letter` for the end of a line, or a terminal for a command.
pub(super) fn breaks(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// `text` as lines of a comment, each begun with `# `; what could end a line is written out.
pub(super) fn comment(text: &str) -> String {
    let mut out = String::from("# ");
    for letter in text.chars() {
        if breaks(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out.push('\n');
    out
}

/// `text` as a literal of Python, in the escapes that JSON has too.
pub(super) fn python(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            // Everything that breaks a line lies in the first plane, so four digits do.
            letter if breaks(letter) => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}
