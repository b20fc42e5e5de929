//! The machine and the run in words.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use super::figure;
use crate::record::Record;

/// Pairs of word and fact.
#[must_use]
pub fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let (machine, run) = (&record.machine, &record.run);
    let percent = |share: f64| format!("{} % of processor time", figure::number(share));
    let unknown = || "unknown".to_owned();
    let length = if run.quick {
        "quick: fewer and shorter rounds, good for a look and not for figures"
    } else {
        "full"
    };
    vec![
        (
            "processor",
            format!("{}, {} cores used", machine.cpu, machine.cores),
        ),
        ("memory", figure::text(machine.memory as f64, "B")),
        ("system", format!("{}, {}", machine.system, machine.target)),
        ("compiler", machine.compiler.clone()),
        (
            "taken by the host",
            machine.steal_percent.map_or_else(unknown, percent),
        ),
        (
            "load before",
            machine.load_before.map_or_else(unknown, figure::number),
        ),
        ("what was run", format!("{}, {length}", run.kind)),
        (
            "rounds, seed",
            format!("{} rounds, interleaved; seed {}", run.rounds, run.seed),
        ),
        ("when", date(run.began)),
        (
            "took",
            format!(
                "{} s, without building",
                figure::number(run.seconds.round())
            ),
        ),
    ]
}

/// A moment given in seconds since 1970, as in `2026-11-21T12:04:00Z`.
#[must_use]
pub fn date(seconds: u64) -> String {
    let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    moment.map_or_else(String::new, |moment| {
        // The formatter refuses years beyond 9999, which a damaged record may hold.
        let mut text = String::new();
        match write!(text, "{}", humantime::format_rfc3339_seconds(moment)) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    })
}
