//! Facts about the machine that a figure cannot be read without, as far as the system tells them.

use std::fs;
use std::process::Command;

use super::workers::cores;
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
        let (compiler, target) = compiler();
        let machine = Machine {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: cores(),
            memory: memory().unwrap_or(0),
            system: system(),
            compiler,
            target,
            steal_percent: None,
            load_before: load(),
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

/// The value of the first line `name: value` of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, value) = line.split_once(':')?;
    Some(value.trim().to_owned())
}

fn memory() -> Option<u64> {
    let text = field("/proc/meminfo", "MemTotal")?;
    let kilobytes: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim())
        .trim()
        .to_owned()
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

/// Version and target of the compiler that is at hand, which is the one that a run through `cargo`
/// was built with.
fn compiler() -> (String, String) {
    let unknown = || "unknown".to_owned();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    let version = value("release:").map(|release| format!("rustc {release}"));
    (
        version.unwrap_or_else(unknown),
        value("host:").unwrap_or_else(unknown),
    )
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
