//! Progress on stderr, tables on stdout.
//!
//! A bar that redraws itself is for people at a terminal. In a pipe, a file or CI the same
//! information comes as one plain line per finished piece of work.

use std::{
    env,
    io::{self, IsTerminal},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use indicatif::{ProgressBar, ProgressStyle};

/// The width of tables where no terminal tells one.
const PLAIN_WIDTH: u16 = 140;

/// The narrowest terminal that is believed.
const NARROWEST: u16 = 40;

/// Whether somebody watches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    live: bool,
}

impl Screen {
    /// Live at a terminal, unless the variable `CI` is set.
    pub(crate) fn detect() -> Self {
        let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self {
            live: terminal && env::var_os("CI").is_none(),
        }
    }

    /// Plain lines.
    pub(crate) const fn plain() -> Self {
        Self { live: false }
    }

    /// A bar of `total` pieces of work.
    pub(crate) fn progress(self, total: usize) -> Progress {
        let bar = self.live.then(|| {
            let style = ProgressStyle::with_template(
                "{spinner} [{elapsed_precise}] {bar:24} {pos}/{len} {wide_msg}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total as u64).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress {
            bar,
            total,
            done: AtomicUsize::new(0),
        }
    }
}

/// Work under way.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    done: AtomicUsize,
}

impl Progress {
    /// Says what is being done right now; shown by a live bar alone.
    pub(crate) fn doing(&self, what: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.into());
        }
    }

    /// Says that a piece of work begins; one line where nobody watches.
    pub(crate) fn begin(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("{what} ..."),
        }
    }

    /// One piece of work is done: one line about it.
    pub(crate) fn done(&self, line: &str) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.say(&format!("[{done}/{}] {line}", self.total));
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A line above the bar.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// An empty table with these headings.
pub(crate) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings);
    // A pseudo-terminal that nobody has sized reports no columns at all.
    if table.width().is_none_or(|width| width < NARROWEST) {
        table.set_width(PLAIN_WIDTH);
    }
    table
}

/// Seconds for a table.
pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.1}", took.as_secs_f64())
}
