//! What else the machine did during a run, as far as the system tells.

use std::fs;

use super::here;
use crate::record::Machine;

/// Watches the machine over a run.
#[derive(Debug)]
pub struct Watch {
    machine: Machine,
    before: Option<Ticks>,
}

/// Processor time since the machine started, in its own unit.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Watch {
    /// From now on.
    #[must_use]
    pub fn start() -> Self {
        let machine = Machine {
            load_before: load(),
            ..here()
        };
        Self {
            machine,
            before: ticks(),
        }
    }

    /// The facts, with what the host took away meanwhile.
    #[must_use]
    pub fn end(self) -> Machine {
        let steal = ticks().zip(self.before).map(|(now, before)| {
            let all = now.all.saturating_sub(before.all).max(1);
            100.0 * now.stolen.saturating_sub(before.stolen) as f64 / all as f64
        });
        Machine {
            steal_percent: steal,
            ..self.machine
        }
    }
}

fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn ticks() -> Option<Ticks> {
    ticks_of(&fs::read_to_string("/proc/stat").ok()?)
}

/// From the text of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; what follows
/// is part of the first two.
fn ticks_of(text: &str) -> Option<Ticks> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    let counts: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map_while(|count| count.parse().ok())
        .collect();
    Some(Ticks {
        all: counts.iter().sum(),
        stolen: *counts.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_guests_is_not_counted_twice() {
        let ticks = ticks_of("cpu  10 0 5 80 1 0 1 3 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
        let ticks = ticks.expect("this is what Linux writes");
        assert_eq!((ticks.all, ticks.stolen), (100, 3));
    }

    #[test]
    fn a_kernel_that_knows_no_steal_says_nothing() {
        assert!(ticks_of("cpu 1 2 3 4\n").is_none());
    }
}
