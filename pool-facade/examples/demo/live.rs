//! What is going on, in one line.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::bank::Bank;
use crate::clock;
use crate::records::Notes;
use crate::workload::Workload;

/// Shows the pool until dropped: a line that changes on a terminal, else a line a second.
pub(crate) async fn show<B: Bank>(load: &Workload<B>) {
    let bar = stderr().is_terminal().then(bar);
    let every = Duration::from_millis(if bar.is_some() { 200 } else { 1000 });
    let mut before = (clock::now(), 0);
    loop {
        clock::sleep(every).await;
        let seen = (clock::now(), load.begun());
        let rate = per_second(seen.1 - before.1, seen.0 - before.0);
        before = seen;
        let line = line(load, rate);
        match &bar {
            Some(bar) => bar.set_message(line),
            None => eprintln!("{line}"),
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is constant");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn line<B: Bank>(load: &Workload<B>, rate: f64) -> String {
    let status = load.pool.status();
    let waits = waits(&load.records.notes());
    format!(
        "leases {:>3}  idle {:>3}  waiting {:>6}  {rate:>7.0} transfers/s  wait {waits}",
        status.leased, status.idle, status.waiting
    )
}

/// Median and 99th percentile of the waits.
pub(crate) fn waits(notes: &Notes) -> String {
    let at = |quantile| milliseconds(notes.waits.value_at_quantile(quantile));
    format!("p50 {} ms, p99 {} ms", at(0.5), at(0.99))
}

/// Microseconds as milliseconds with one decimal.
pub(crate) fn milliseconds(micros: u64) -> String {
    format!("{}.{}", micros / 1000, micros % 1000 / 100)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub(crate) fn per_second(count: u64, length: Duration) -> f64 {
    count as f64 / length.as_secs_f64()
}
