//! Manifests as a stream of YAML documents with comments.

use super::yaml;
use crate::deploy::cluster::Manifest;
use crate::error::Result;

/// The text of `manifest`: what it says first, its documents, what it says last.
///
/// # Errors
/// When a document cannot be written.
pub fn manifest(manifest: &Manifest) -> Result<String> {
    let mut text = String::new();
    comments(&mut text, &manifest.heading);
    for (number, document) in manifest.documents.iter().enumerate() {
        if number > 0 || !manifest.heading.is_empty() {
            text.push_str("---\n");
        }
        comments(&mut text, &document.comments);
        text.push_str(&yaml::write_unfolded(&document.content)?);
    }
    comments(&mut text, &manifest.closing);
    Ok(text)
}

/// Each line as a comment that ends where it ends: a character that some reader takes for the end of a
/// line, or shows as something else, is written by its code.
fn comments(text: &mut String, lines: &[String]) {
    for line in lines {
        text.push_str("# ");
        for letter in line.chars() {
            let breaks = letter.is_control()
                || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if breaks {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_line() {
        let mut text = String::new();
        comments(&mut text, &["a\nkind: Pod\u{85}b\u{2028}c\r".to_owned()]);
        assert_eq!(text, "# a\\nkind: Pod\\u{85}b\\u{2028}c\\r\n");
    }
}
