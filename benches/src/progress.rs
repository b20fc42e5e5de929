//! How far a run is: a bar on stderr for people at a terminal, a line for each round elsewhere.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A run under way.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of so many samples. Live at a terminal, unless the variable `CI` is set.
    #[must_use]
    pub fn of(samples: usize) -> Self {
        let live = io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        let bar = live.then(|| {
            let style = ProgressStyle::with_template(
                "{spinner} [{elapsed_precise}, {eta} left] {bar:24} {pos}/{len} {wide_msg}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(samples as u64).with_style(style)
        });
        Self { bar }
    }

    /// What is done right now. Redraws between samples alone: a thread that did it meanwhile would
    /// take time from them.
    pub fn doing(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            bar.tick();
        }
    }

    /// One sample less to go.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A part of the run is over.
    pub fn part(&self, what: &str, took: Duration) {
        if self.bar.is_none() {
            eprintln!("{what}: {:.1} s", took.as_secs_f64());
        }
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
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
