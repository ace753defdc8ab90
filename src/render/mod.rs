//! From answers to text: documents for scripts, reports for people.

mod csv;
pub mod document;
mod flat;
mod json;
mod manifest;
mod markdown;
pub mod report;
mod table;
pub mod view;
mod yaml;

pub use manifest::manifest;
use report::Report;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// Tables for people.
    #[default]
    Table,
    /// The document, as JSON.
    Json,
    /// The document, as YAML.
    Yaml,
    /// The document's rows, as comma-separated values.
    Csv,
    /// The report, as Markdown.
    Markdown,
}

/// An answer in both shapes.
#[derive(Debug, Clone)]
pub struct Reply {
    /// For scripts.
    pub document: serde_json::Value,
    /// For people.
    pub report: Report,
}

/// How a report is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns of the terminal.
    pub width: u16,
    /// Whether bold and colours may be used.
    pub styled: bool,
}

/// The text of an answer, ending in a line break.
///
/// # Errors
/// When the document cannot be written in that format.
pub fn render(reply: &Reply, output: Output, layout: Layout) -> crate::error::Result<String> {
    match output {
        Output::Table => Ok(table::write(&reply.report, layout)),
        Output::Json => json::write(&reply.document),
        Output::Yaml => yaml::write(&reply.document),
        Output::Csv => csv::write(&reply.document),
        Output::Markdown => Ok(markdown::write(&reply.report)),
    }
}

/// The library's error for a document that a writer refuses.
fn unwritable(format: &str, error: &dyn std::fmt::Display) -> crate::error::Error {
    crate::error::Error::Unanswerable(format!("the answer cannot be written as {format}: {error}"))
}
