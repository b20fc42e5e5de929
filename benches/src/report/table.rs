//! A table before it is text: the terminal, the Markdown file and the page all show the same cells.

use crate::record::Group;

/// Rows under headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Headings, as many as each row has cells.
    pub columns: Vec<Column>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// A heading.
#[derive(Clone, Debug)]
pub struct Column {
    /// What stands below.
    pub head: String,
    /// Its unit; empty if there is none.
    pub unit: String,
    /// Aligned to the right.
    pub number: bool,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Whom it is about, if it is about a contestant.
    pub group: Option<Group>,
    /// Something that must not be missed.
    pub alarm: bool,
    /// From left to right.
    pub cells: Vec<Cell>,
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What counts.
    pub main: String,
    /// Its range, or whatever else may be set in smaller type.
    pub detail: String,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row that is about no contestant.
    pub fn push(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row {
            group: None,
            alarm: false,
            cells,
        });
    }

    /// Takes out every column in which all cells are empty.
    #[must_use]
    pub fn without_empty_columns(mut self) -> Self {
        let empty = |index: usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.cells.get(index));
            cells.all(|cell| cell.main.is_empty() && cell.detail.is_empty())
        };
        let keep: Vec<bool> = (0..self.columns.len()).map(|index| !empty(index)).collect();
        retain(&mut self.columns, &keep);
        for row in &mut self.rows {
            retain(&mut row.cells, &keep);
        }
        self
    }
}

fn retain<T>(items: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    items.retain(|_| keep.next().is_some_and(|keep| *keep));
}

impl Column {
    /// A column of words.
    #[must_use]
    pub fn words(head: &str) -> Self {
        Self {
            head: head.to_owned(),
            unit: String::new(),
            number: false,
        }
    }

    /// A column of figures.
    #[must_use]
    pub fn figures(head: &str, unit: &str) -> Self {
        Self {
            head: head.to_owned(),
            unit: unit.to_owned(),
            number: true,
        }
    }

    /// Head and unit in one line.
    #[must_use]
    pub fn line(&self) -> String {
        if self.unit.is_empty() {
            self.head.clone()
        } else {
            format!("{}, {}", self.head, self.unit)
        }
    }
}

impl Cell {
    /// A cell without detail.
    #[must_use]
    pub fn new(main: impl Into<String>) -> Self {
        Self {
            main: main.into(),
            detail: String::new(),
        }
    }

    /// A cell with detail.
    #[must_use]
    pub fn with(main: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            main: main.into(),
            detail: detail.into(),
        }
    }

    /// Main and detail in one line.
    #[must_use]
    pub fn line(&self) -> String {
        match (self.main.is_empty(), self.detail.is_empty()) {
            (_, true) => self.main.clone(),
            (true, false) => self.detail.clone(),
            (false, false) => format!("{} {}", self.main, self.detail),
        }
    }
}
