//! Processor time that processes have used, as Linux keeps it.
//!
//! It is counted in ticks of mostly 10 ms, which the kernel divides from an exact account, so a
//! difference is off by less than a tick for each process.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// Whose time is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processes {
    /// The server's first process, with all its children.
    pub(super) server: Option<u32>,
    /// The process between clients and server.
    pub(super) pooler: Option<u32>,
}

/// Processor time so far, none where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) server: Option<Duration>,
    pub(super) pooler: Option<Duration>,
    /// This process alone.
    pub(super) client: Option<Duration>,
}

impl Processes {
    /// What they have used until now.
    pub(super) fn usage(self) -> Usage {
        let Some(tick) = tick() else {
            return Usage::default();
        };
        let all = processes();
        let time = |ticks: u64| tick * u32::try_from(ticks).unwrap_or(u32::MAX);
        let own = |pid: &u32| all.get(pid).map(|one| time(one.used));
        Usage {
            server: self.server.map(|root| time(tree(&all, root))),
            pooler: self.pooler.as_ref().and_then(own),
            client: own(&std::process::id()),
        }
    }
}

impl Usage {
    /// What was used since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        let less =
            |now: Option<Duration>, before: Option<Duration>| Some(now?.saturating_sub(before?));
        Self {
            server: less(self.server, before.server),
            pooler: less(self.pooler, before.pooler),
            client: less(self.client, before.client),
        }
    }

    /// Of all of them; without a pooler, of the others.
    pub(super) fn in_all(self) -> Option<Duration> {
        Some(self.server? + self.client? + self.pooler.unwrap_or_default())
    }
}

/// A process, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    used: u64,
    /// What children used that have ended.
    ended: u64,
}

/// The time of a process and all that come from it: a child that ends leaves its time to its parent, so
/// that this never falls.
fn tree(all: &HashMap<u32, Process>, root: u32) -> u64 {
    let own = all.get(&root).map_or(0, |one| one.used + one.ended);
    let children = all.iter().filter(|(_, one)| one.parent == root);
    own + children.map(|(pid, _)| tree(all, *pid)).sum::<u64>()
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, parse(&text)?))
        })
        .collect()
}

/// A line of `/proc/<pid>/stat`.
fn parse(text: &str) -> Option<Process> {
    // The name stands in brackets and may hold anything, brackets included.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        used: number(11)? + number(12)?,
        ended: number(13)? + number(14)?,
    })
}

/// How long a tick is.
fn tick() -> Option<Duration> {
    let a_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    Some(Duration::from_secs(1) / u32::try_from(a_second).ok().filter(|ticks| *ticks > 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_brackets_and_blanks() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3000 400 20 0 1 0 9 9 9";
        let expected = Process {
            parent: 7,
            used: 120,
            ended: 3400,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse("42 (short) S 7"), None);
    }

    #[test]
    fn a_tree_has_the_time_of_all_that_come_from_its_root_and_of_nobody_else() {
        let process = |parent, used, ended| Process {
            parent,
            used,
            ended,
        };
        let all = HashMap::from([
            (10, process(1, 1, 10)),
            (11, process(10, 100, 0)),
            (12, process(11, 1_000, 10_000)),
            (13, process(1, 100_000, 0)),
        ]);
        assert_eq!(tree(&all, 10), 11_111);
        assert_eq!(tree(&all, 99), 0);
    }

    #[test]
    fn time_in_all_is_known_without_a_pooler_but_not_without_a_server() {
        let second = Some(Duration::from_secs(1));
        let mut usage = Usage {
            server: second,
            pooler: None,
            client: second,
        };
        assert_eq!(usage.in_all(), Some(Duration::from_secs(2)));
        usage.pooler = second;
        assert_eq!(usage.in_all(), Some(Duration::from_secs(3)));
        usage.server = None;
        assert_eq!(usage.in_all(), None);
    }

    #[test]
    fn work_of_this_process_shows() {
        let processes = Processes {
            server: None,
            pooler: None,
        };
        let before = processes.usage();
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(before);
        }
        let used = processes.usage().since(before).client;
        assert!(used.is_none_or(|used| used > Duration::ZERO), "{used:?}");
    }
}
