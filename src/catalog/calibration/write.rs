//! A calibration as the text of its file.

use super::{Calibration, Level};

impl Calibration {
    /// The text of its file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let text =
            |key: &str, value: Option<&str>| value.map(|value| format!("{key} = {}", word(value)));
        let lines = [
            text("id", Some(&self.id)),
            text("engine", Some(&self.engine)),
            text("gpu", Some(&self.gpu)),
            text("model", self.model.as_deref()),
            text("format", self.format.as_deref()),
            number("devices", self.devices),
            number(
                "ram_bandwidth_bytes_per_second",
                self.ram_bandwidth_bytes_per_second,
            ),
            scale("output_token_scale", self.output_token_scale),
            scale("first_token_scale", self.first_token_scale),
            range("output_token_range", self.output_token_range),
            range("first_token_range", self.first_token_range),
            number("rows", self.rows),
            text("date", self.date.as_deref()),
            text("source", Some(&self.source)),
        ];
        let levels = self.levels.iter().map(level);
        let head = together(lines);
        std::iter::once(head)
            .chain(levels)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn level(level: &Level) -> String {
    let text =
        |key: &str, value: Option<&str>| value.map(|value| format!("{key} = {}", word(value)));
    together([
        Some("[[level]]".to_owned()),
        number("concurrency", Some(level.concurrency)),
        number("input_tokens", Some(level.input_tokens)),
        number("output_tokens", Some(level.output_tokens)),
        text("model", level.model.as_deref()),
        text("format", level.format.as_deref()),
        scale("output_token_scale", level.output_token_scale),
        scale("first_token_scale", level.first_token_scale),
        number("rows", Some(level.rows)),
        text("date", Some(&level.date)),
        text("source", Some(&level.source)),
    ])
}

fn together(lines: impl IntoIterator<Item = Option<String>>) -> String {
    let lines = lines.into_iter().flatten();
    lines.map(|line| line + "\n").collect()
}

/// A string of TOML; JSON's own escapes are valid in it, but for the delete character.
fn word(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.replace('\u{7f}', "\\u007f")
}

fn number(key: &str, value: Option<u64>) -> Option<String> {
    value.map(|value| format!("{key} = {value}"))
}

fn scale(key: &str, value: Option<f64>) -> Option<String> {
    value.map(|value| format!("{key} = {value:?}"))
}

fn range(key: &str, value: Option<[f64; 2]>) -> Option<String> {
    value.map(|[low, high]| format!("{key} = [{low:?}, {high:?}]"))
}
