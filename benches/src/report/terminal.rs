//! The report for a terminal: tables, and the loud parts last, where the eye is when a run ends.

use comfy_table::{
    Attribute, CellAlignment, Color, ContentArrangement, presets::UTF8_BORDERS_ONLY,
};

use super::{
    Report,
    table::{Cell, Column, Row, Table},
};
use crate::record::Group;

/// The width of tables where no terminal tells one, in columns.
const PLAIN_WIDTH: u16 = 160;
/// The narrowest terminal that is believed, in columns.
const NARROWEST: u16 = 40;

/// The whole report.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    for section in &report.sections {
        heading(&mut out, section.title);
        for panel in &section.panels {
            if !panel.heading.is_empty() {
                out.push_str(&format!("{}\n", panel.heading));
            }
            push(&mut out, &panel.table);
        }
    }
    titled(
        &mut out,
        "How this pool stands with its defaults (÷ is its figure divided by the other's, round by round)",
        &report.standing,
    );
    titled(
        &mut out,
        "Where a peer is better by more than noise",
        &report.wins,
    );
    if report.has_peers {
        out.push_str(&format!("{}\n", report.wins_note));
    }
    if let Some(comparison) = &report.comparison {
        heading(&mut out, &format!("Compared with `{}`", comparison.name));
        for caution in &comparison.cautions {
            out.push_str(&format!("CAUTION: {caution}\n"));
        }
        out.push_str(&format!("{}\n", comparison.summary()));
        push(&mut out, &comparison.ours());
        titled(&mut out, "Changed, whoever it is", &comparison.changed());
    }
    titled(&mut out, "FAULTS", &report.faults);
    out
}

fn titled(out: &mut String, title: &str, table: &Table) {
    if !table.rows.is_empty() {
        heading(out, title);
        push(out, table);
    }
}

fn heading(out: &mut String, title: &str) {
    out.push_str(&format!("\n{title}\n"));
}

fn push(out: &mut String, table: &Table) {
    out.push_str(&self::table(table));
}

/// One table, as wide as the terminal allows, with the end of its last line.
#[must_use]
pub fn table(table: &Table) -> String {
    let mut shown = comfy_table::Table::new();
    shown
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(table.columns.iter().map(Column::line));
    // A pseudo-terminal that nobody has sized reports no columns at all.
    if shown.width().is_none_or(|width| width < NARROWEST) {
        shown.set_width(PLAIN_WIDTH);
    }
    let roomy = shown
        .width()
        .is_none_or(|width| natural_width(table) <= usize::from(width));
    for row in &table.rows {
        shown.add_row(cells(row, roomy));
    }
    for (index, column) in table.columns.iter().enumerate() {
        if let (true, Some(shown)) = (column.number, shown.column_mut(index)) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{shown}\n")
}

/// The width of a table with each cell in one line, in columns.
fn natural_width(table: &Table) -> usize {
    let column = |(index, column): (usize, &Column)| {
        let cells = table.rows.iter().filter_map(|row| row.cells.get(index));
        let cells = cells.map(|cell| cell.line().chars().count());
        // A blank on both sides, and a border.
        cells
            .chain([column.line().chars().count()])
            .max()
            .unwrap_or(0)
            + 3
    };
    table.columns.iter().enumerate().map(column).sum()
}

/// The cells of a row; where there is no room, the detail has a line of its own.
fn cells(row: &Row, roomy: bool) -> Vec<comfy_table::Cell> {
    let cell = |one: &Cell| {
        let text = if roomy || one.detail.is_empty() {
            one.line()
        } else {
            format!("{}\n{}", one.main, one.detail)
        };
        let cell = comfy_table::Cell::new(text);
        match (row.alarm, row.group) {
            (true, _) => cell.fg(Color::Red),
            (false, Some(Group::Ours)) => cell.add_attribute(Attribute::Bold),
            (false, Some(Group::Limit)) => cell.add_attribute(Attribute::Dim),
            (false, _) => cell,
        }
    };
    row.cells.iter().map(cell).collect()
}
