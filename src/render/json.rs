//! Documents as JSON.

use serde_json::Value;

use crate::error::Result;

pub(super) fn write(document: &Value) -> Result<String> {
    let mut text = serde_json::to_string_pretty(document)
        .map_err(|error| super::unwritable("JSON", &error))?;
    text.push('\n');
    Ok(text)
}
