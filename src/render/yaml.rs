//! Documents as YAML.

use serde_json::Value;

use crate::error::Result;

pub(super) fn write(document: &Value) -> Result<String> {
    let mut text =
        serde_saphyr::to_string(document).map_err(|error| super::unwritable("YAML", &error))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
