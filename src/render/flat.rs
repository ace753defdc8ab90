//! A document as a list of its leaves.

use serde_json::Value;

/// Every leaf with its dotted path; a list of words is one leaf, a list of tables is numbered from 1.
pub(super) fn flat(value: &Value) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    collect(value, "", &mut leaves);
    leaves
}

fn collect(value: &Value, path: &str, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                collect(field, &path, leaves);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (item, number) in items.iter().zip(1..) {
                collect(item, &format!("{path}.{number}"), leaves);
            }
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(word).collect();
            leaves.push((path.to_owned(), words.join("; ")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            leaves.push((path.to_owned(), word(value)));
        }
    }
}

/// A leaf as text; nothing for what is not known.
fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
