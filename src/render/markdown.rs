//! Reports as Markdown.

use super::report::{Align, Block, Report, Table};

pub(super) fn write(report: &Report) -> String {
    let mut text = String::new();
    for (index, block) in report.blocks.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        match block {
            Block::Heading(line) => text.push_str(&format!("## {line}\n")),
            Block::Text(paragraph) => text.push_str(&format!("{paragraph}\n")),
            Block::List(lines) => lines
                .iter()
                .for_each(|line| text.push_str(&format!("- {line}\n"))),
            Block::Command(command) => text.push_str(&format!("```sh\n{command}\n```\n")),
            Block::Table(table) => write_table(&mut text, table),
        }
    }
    text
}

fn write_table(text: &mut String, table: &Table) {
    let titles: Vec<String> = table
        .columns
        .iter()
        .map(|column| escaped(&column.title))
        .collect();
    let rules: Vec<&str> = table
        .columns
        .iter()
        .map(|column| match column.align {
            Align::Left => "---",
            Align::Right => "---:",
        })
        .collect();
    text.push_str(&format!(
        "| {} |\n| {} |\n",
        titles.join(" | "),
        rules.join(" | ")
    ));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}
