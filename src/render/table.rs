//! Reports for a terminal or a pipe.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table as Grid, TableStyle};

use super::Layout;
use super::report::{Align, Block, Report, Table};

/// A rule under the titles, nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::new('-', '-', '-', '-'));

pub(super) fn write(report: &Report, layout: Layout) -> String {
    let mut text = String::new();
    for (index, block) in report.blocks.iter().enumerate() {
        let gap = index > 0 && !matches!(block, Block::List(_));
        if gap && !matches!(report.blocks.get(index - 1), Some(Block::Heading(_))) {
            text.push('\n');
        }
        write_block(&mut text, block, layout);
    }
    text
}

fn write_block(text: &mut String, block: &Block, layout: Layout) {
    match block {
        Block::Heading(line) if layout.styled => {
            text.push_str(&format!("\u{1b}[1m{line}\u{1b}[0m\n"));
        }
        Block::Heading(line) => text.push_str(&format!("{line}\n")),
        Block::Text(paragraph) => text.push_str(&wrap(paragraph, layout.width, "", "")),
        Block::List(lines) => {
            for line in lines {
                text.push_str(&wrap(line, layout.width, "- ", "  "));
            }
        }
        Block::Command(command) => text.push_str(&format!("  {command}\n")),
        Block::Table(table) => text.push_str(&grid(table, layout.width)),
    }
}

fn grid(table: &Table, width: u16) -> String {
    let mut grid = Grid::new();
    grid.load_style(STYLE);
    grid.set_content_arrangement(ContentArrangement::Dynamic);
    grid.set_width(width);
    if table.columns.iter().any(|column| !column.title.is_empty()) {
        let titles = table
            .columns
            .iter()
            .map(|column| Cell::new(&column.title).set_alignment(alignment(column.align)));
        grid.set_header(titles);
    }
    for row in &table.rows {
        let cells = row
            .iter()
            .zip(&table.columns)
            .map(|(cell, column)| Cell::new(cell).set_alignment(alignment(column.align)));
        grid.add_row(cells);
    }
    for column in grid.column_iter_mut() {
        column.set_padding((0, 1));
    }
    let mut text = String::new();
    for line in grid.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn alignment(align: Align) -> CellAlignment {
    match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    }
}

/// `text` in lines of at most `width`, the first after `first`, the others after `rest`; words are kept whole.
fn wrap(text: &str, width: u16, first: &str, rest: &str) -> String {
    let width = usize::from(width).max(20);
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push_str(line.trim_end());
            lines.push('\n');
            rest.clone_into(&mut line);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_and_stay_whole() {
        assert_eq!(
            wrap("one two three four five six", 20, "- ", "  "),
            "- one two three four\n  five six\n"
        );
    }
}
