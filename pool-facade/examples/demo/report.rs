//! The tables at the end.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Color, Table};
use pool_facade::health::HealthStatistics;
use pool_facade::sessions::SessionStatistics;
use pool_facade::{CloseReason, Status};

use crate::checks::Check;
use crate::live;
use crate::records::Notes;

/// The run in numbers.
pub(crate) fn numbers(notes: &Notes, status: &Status, took: Duration) -> Table {
    let mut table = table(["what", "count"]);
    let mut row = |name: &str, value: String| {
        table.add_row([
            Cell::new(name),
            Cell::new(value).set_alignment(CellAlignment::Right),
        ]);
    };
    let acknowledged = notes.acknowledged.len() as u64;
    row("transfers acknowledged", acknowledged.to_string());
    let rate = live::per_second(acknowledged, took);
    row("  per second", format!("{rate:.0}"));
    row("transfers in doubt", notes.in_doubt.len().to_string());
    row("transfers not committed", notes.not_committed.to_string());
    row("leases", notes.waits.len().to_string());
    row("  wait", live::waits(notes));
    row(
        "  longest wait",
        format!("{} ms", live::milliseconds(notes.waits.max())),
    );
    row("connections opened", status.opened.to_string());
    row("connections closed", status.closed.to_string());
    for reason in CloseReason::ALL {
        let closed = status.closed_by(reason);
        if closed > 0 {
            row(&format!("  {}", reason.as_str()), closed.to_string());
        }
    }
    row("connects that failed", status.connect_failures.to_string());
    row("acquires that timed out", status.timeouts.to_string());
    for (disturbance, count) in &notes.disturbances {
        row(&format!("disturbance: {disturbance:?}"), count.to_string());
    }
    row("tasks cancelled", notes.cancelled.to_string());
    row("tasks panicked", notes.panicked.to_string());
    for (kind, count) in &notes.errors {
        row(&format!("error: {kind}"), count.to_string());
    }
    table
}

/// What the policy of health made of it.
pub(crate) fn health(seen: &HealthStatistics) -> Table {
    let mut table = table(["health", "count"]);
    for (name, count) in [
        ("checks", seen.checks_performed),
        ("  failed", seen.checks_failed),
        ("suspected for their silence", seen.suspected),
        ("  heard of again", seen.released),
        ("  given up", seen.condemned),
        ("the others asked", seen.sweeps),
        ("all closed", seen.flushes),
    ] {
        let count = Cell::new(count).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(name), count]);
    }
    table
}

/// What the sessions have done.
pub(crate) fn sessions(
    seen: &SessionStatistics,
    connections: u32,
    looks: u64,
    took: Duration,
) -> Table {
    let mut table = table(["sessions", "count"]);
    let mut row = |name: &str, value: String| {
        let value = Cell::new(value).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(name), value]);
    };
    row("sessions", seen.sessions.to_string());
    row("connections", connections.to_string());
    row("sessions per connection", format!("{:.0}", seen.ratio));
    row("looks at its own", looks.to_string());
    row(
        "  per second",
        format!("{:.0}", live::per_second(looks, took)),
    );
    row("came to a connection", seen.attaches.to_string());
    let same = percent(seen.same_connection, seen.attaches);
    row("  to the one it had last", same);
    row("settings replayed", seen.replayed_settings.to_string());
    table
}

#[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

/// The checks.
pub(crate) fn verdict(checks: &[Check]) -> Table {
    let mut table = table(["check", "seen", ""]);
    for check in checks {
        let mark = if check.holds {
            Cell::new("holds").fg(Color::Green)
        } else {
            Cell::new("FAILS").fg(Color::Red)
        };
        table.add_row([Cell::new(check.rule), Cell::new(&check.seen), mark]);
    }
    table
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}
