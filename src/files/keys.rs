//! Looking up the keys of a configuration, with a message for each that cannot be used.

use serde_json::{Map, Value};

use super::text::shown;

/// What a lookup says when it fails.
pub(super) type Found<T> = Result<T, String>;

/// An object of a configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'a> {
    object: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    /// The keys of `value`.
    ///
    /// # Errors
    /// When it is no object.
    pub(super) fn of(value: &'a Value) -> Found<Self> {
        match value {
            Value::Object(object) => Ok(Self { object }),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err("is no configuration: it is no JSON object".to_owned()),
        }
    }

    /// The value of `key`; none where it is absent or null.
    pub(super) fn get(self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Whether `key` is there, even as null.
    pub(super) fn names(self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// The object under `key`.
    pub(super) fn object(self, key: &str) -> Found<Option<Self>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self { object })),
            Some(other) => Err(wrong(key, "an object", other)),
        }
    }

    /// The text under `key`.
    pub(super) fn text(self, key: &str) -> Found<Option<&'a str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(key, "a text", other)),
        }
    }

    /// The flag under `key`, `default` where it is absent.
    pub(super) fn flag(self, key: &str, default: bool) -> Found<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong(key, "true or false", other)),
        }
    }

    /// The number under `key`.
    pub(super) fn number(self, key: &str) -> Found<Option<f64>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .map(Some)
                .ok_or_else(|| wrong(key, "a number", value)),
        }
    }

    /// The whole number under `key`, zero allowed.
    pub(super) fn optional(self, key: &str) -> Found<Option<u64>> {
        self.get(key).map(|value| whole(key, value)).transpose()
    }

    /// The whole number under `key`, which must be there and above zero.
    pub(super) fn positive(self, key: &str) -> Found<u64> {
        match self.optional(key)? {
            Some(0) => Err(format!("`{key}` must be above 0")),
            Some(number) => Ok(number),
            None => Err(format!("`{key}` is missing")),
        }
    }

    /// The same as a count of layers.
    pub(super) fn layers(self, key: &str) -> Found<u32> {
        small(key, self.positive(key)?)
    }

    /// The whole numbers under `key`.
    pub(super) fn list(self, key: &str) -> Found<Option<Vec<u64>>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                let numbers: Found<Vec<u64>> =
                    values.iter().map(|value| whole(key, value)).collect();
                numbers.map(Some)
            }
            Some(other) => Err(wrong(key, "a list", other)),
        }
    }

    /// Numbers of layers under `key`.
    pub(super) fn layer_list(self, key: &str) -> Found<Vec<u32>> {
        let numbers = self
            .list(key)?
            .ok_or_else(|| format!("`{key}` is missing"))?;
        numbers
            .into_iter()
            .map(|number| small(key, number))
            .collect()
    }
}

/// `number` as a layer's number or a count of layers.
pub(super) fn small(key: &str, number: u64) -> Found<u32> {
    u32::try_from(number).map_err(|_| format!("`{key}` is {number}, which no model has"))
}

fn whole(key: &str, value: &Value) -> Found<u64> {
    value
        .as_u64()
        .ok_or_else(|| wrong(key, "a whole number", value))
}

fn wrong(key: &str, expected: &str, found: &Value) -> String {
    let found = match found {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            format!("`{}`", shown(&found.to_string()))
        }
    };
    format!("`{key}` must be {expected}, not {found}")
}
