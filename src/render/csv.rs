//! The rows of a document as comma-separated values: one column a path, raw numbers.

use serde_json::Value;

use super::flat::flat;
use crate::error::Result;

/// Arrays of a document that are its rows, in the order of preference.
const ROWS: [&str; 8] = [
    "recommendations",
    "plans",
    "offers",
    "entries",
    "formats",
    "models",
    "changes",
    "failures",
];

pub(super) fn write(document: &Value) -> Result<String> {
    let rows: Vec<Vec<(String, String)>> = match rows(document) {
        Some(rows) => rows.iter().map(flat).collect(),
        None => vec![flat(document)],
    };
    let mut columns: Vec<&str> = Vec::new();
    for (column, _) in rows.iter().flatten() {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    let failed = |error: &dyn std::fmt::Display| super::unwritable("CSV", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(&columns)
        .map_err(|error| failed(&error))?;
    for row in &rows {
        let cells = columns.iter().map(|column| {
            let cell = row.iter().find(|(name, _)| name == column);
            cell.map_or("", |(_, value)| value.as_str())
        });
        writer.write_record(cells).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn rows(document: &Value) -> Option<&Vec<Value>> {
    ROWS.iter().find_map(|name| document.get(name)?.as_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_with_a_comma_is_quoted() {
        let document =
            serde_json::json!({"entries": [{"id": "a", "size": {"bytes": 1}}, {"id": "b,c"}]});
        assert_eq!(
            write(&document).ok().as_deref(),
            Some("id,size.bytes\na,1\n\"b,c\",\n")
        );
    }
}
