//! What the operating system knows about processes, and the one place that signals them.

use nix::sys::signal::{Signal as NixSignal, kill};
use nix::unistd::Pid;

use super::error::ServerError;

/// A process as the operating system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// `Z` for one that has ended and was not collected, `T` for a stopped one.
    pub(crate) state: char,
    /// Its command line; a PostgreSQL back end says here what it does.
    pub(crate) title: String,
}

impl Process {
    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Sends `signal` to `pid`, which the caller knows to be its own.
pub(crate) fn signal(pid: u32, signal: NixSignal) -> Result<(), ServerError> {
    let number = i32::try_from(pid).map_err(|_| ServerError::NotOurs { pid })?;
    // Zero and one would mean a whole group and the system's first process.
    if number <= 1 {
        return Err(ServerError::NotOurs { pid });
    }
    kill(Pid::from_raw(number), signal).map_err(|source| ServerError::Signal { pid, source })
}

/// The process with that number, running or not collected yet.
pub(crate) fn find(pid: u32) -> Option<Process> {
    list::one(pid)
}

/// The processes started by `parent` that have not ended.
pub(crate) fn children(parent: u32) -> Vec<Process> {
    let mut found = list::all();
    found.retain(|process| process.parent == parent && !process.has_ended());
    found.sort_by_key(|process| process.pid);
    found
}

/// Signals every child of `server`; one that has ended meanwhile needs none.
pub(crate) fn signal_children(server: u32, number: NixSignal) {
    for child in children(server) {
        let _ = signal(child.pid, number);
    }
}

#[cfg(target_os = "linux")]
mod list {
    use std::fs;

    use super::Process;

    pub(super) fn one(pid: u32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything, brackets included.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let title = String::from_utf8_lossy(&title).replace('\0', " ");
        Some(Process {
            pid,
            parent,
            state,
            title: title.trim().to_owned(),
        })
    }

    pub(super) fn all() -> Vec<Process> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| one(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod list {
    use std::process::Command;

    use super::Process;

    pub(super) fn one(pid: u32) -> Option<Process> {
        all().into_iter().find(|process| process.pid == pid)
    }

    pub(super) fn all() -> Vec<Process> {
        let listed = Command::new("ps")
            .args(["-A", "-o", "pid=,ppid=,stat=,args="])
            .output();
        let text = listed.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(parse)
            .collect()
    }

    fn parse(line: &str) -> Option<Process> {
        let mut fields = line.split_whitespace();
        Some(Process {
            pid: fields.next()?.parse().ok()?,
            parent: fields.next()?.parse().ok()?,
            state: fields.next()?.chars().next()?,
            title: fields.collect::<Vec<_>>().join(" "),
        })
    }
}
