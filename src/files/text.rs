//! A stranger's text, made fit for one line of a terminal.

/// Characters of a name that a message shows.
const SHOWN: usize = 80;
/// Characters of another parser's message that ours shows.
const MESSAGE: usize = 300;

/// `text` without control characters and no longer than a message bears.
#[must_use]
pub(super) fn shown(text: &str) -> String {
    cut(text, SHOWN)
}

/// A message of another parser, which may quote the file.
#[must_use]
pub(super) fn one_line(message: &str) -> String {
    cut(message, MESSAGE)
}

fn cut(text: &str, most: usize) -> String {
    let mut out: String = text
        .chars()
        .take(most)
        .map(|character| {
            // Bidirectional overrides could reorder the rest of the line.
            let hidden = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            if character.is_control() || hidden {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if text.chars().nth(most).is_some() {
        out.push_str("...");
    }
    out
}

/// "`a`, `b` and 3 more".
#[must_use]
pub(super) fn few(names: &[String]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(4)
        .map(|name| format!("`{}`", shown(name)))
        .collect();
    match names.len().saturating_sub(4) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_the_line() {
        assert_eq!(shown("a\n\u{1b}[2Jb"), "a\u{fffd}\u{fffd}[2Jb");
        assert_eq!(shown(&"x".repeat(200)).len(), SHOWN + 3);
    }
}
