//! Documents as YAML.

use serde_json::Value;

use crate::error::Result;

pub(super) fn write(document: &Value) -> Result<String> {
    finished(serde_saphyr::to_string(document))
}

/// As `write`, but no long string is folded: expressions and commands stay on one line.
pub(super) fn write_unfolded(document: &Value) -> Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    finished(serde_saphyr::to_string_with_options(document, options))
}

fn finished(written: std::result::Result<String, serde_saphyr::ser::Error>) -> Result<String> {
    let mut text = written.map_err(|error| super::unwritable("YAML", &error))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
