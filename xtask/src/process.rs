//! Running a child to its end, its wall limit or an interrupt, with its output in a file.
//!
//! Output goes to a file and not through a pipe: a server started by the child may keep the
//! child's stdout open for ever, and whoever waits for the end of a pipe then waits for the server.
//! Each child leads a process group of its own, so that stopping it stops what it started.

mod parallel;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use process_wrap::std::{ChildWrapper, CommandWrap};

pub(crate) use self::parallel::in_parallel;
use crate::interrupt;

/// How long a child may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How often a running child is looked at.
const LOOK: Duration = Duration::from_millis(25);
/// The most that is read back from a log: its last 4 MiB.
const LOG_LIMIT: u64 = 4 << 20;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    Failed(ExitStatus),
    TimedOut,
    Interrupted,
}

/// How a child ended, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    pub(crate) end: End,
    pub(crate) took: Duration,
}

/// What a child may do and where its output goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The file that stderr, and stdout without a file of its own, are appended to.
    pub(crate) log: &'a Path,
    /// A file for stdout alone, begun anew.
    pub(crate) stdout: Option<&'a Path>,
    /// The wall limit.
    pub(crate) limit: Duration,
    /// False for work that must be done after an interrupt too.
    pub(crate) interruptible: bool,
}

impl<'a> Terms<'a> {
    /// Everything to `log`, with a wall limit.
    pub(crate) fn new(log: &'a Path, limit: Duration) -> Self {
        Self {
            log,
            stdout: None,
            limit,
            interruptible: true,
        }
    }
}

/// The time, for showing durations.
#[expect(
    clippy::disallowed_methods,
    reason = "a build tool measures wall time; there is no pool and no test to own it"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Runs `command` until it ends or has to; calls `look` now and then meanwhile.
pub(crate) fn run(
    mut command: Command,
    terms: Terms<'_>,
    look: impl FnMut(),
) -> anyhow::Result<Finished> {
    let mut log = append_to(terms.log)?;
    writeln!(log, "$ {}", shown(&command)).context("cannot write to the log")?;
    let stdout = match terms.stdout {
        Some(path) => {
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?
        }
        None => log.try_clone().context("cannot share the log")?,
    };
    command.stdin(Stdio::null()).stdout(stdout).stderr(log);
    let text = shown(&command);
    let started = now();
    let mut child = leading_a_group(command)
        .spawn()
        .with_context(|| format!("cannot start `{text}`"))?;
    let end = wait(child.as_mut(), started, terms, look)?;
    Ok(Finished {
        end,
        took: started.elapsed(),
    })
}

fn append_to(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn leading_a_group(command: Command) -> CommandWrap {
    let mut command = CommandWrap::from(command);
    #[cfg(unix)]
    command.wrap(process_wrap::std::ProcessGroup::leader());
    #[cfg(windows)]
    command.wrap(process_wrap::std::JobObject);
    command
}

fn wait(
    child: &mut dyn ChildWrapper,
    started: Instant,
    terms: Terms<'_>,
    mut look: impl FnMut(),
) -> anyhow::Result<End> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            return Ok(if status.success() {
                End::Passed
            } else {
                End::Failed(status)
            });
        }
        let end = if terms.interruptible && interrupt::requested() {
            End::Interrupted
        } else if started.elapsed() >= terms.limit {
            End::TimedOut
        } else {
            look();
            thread::sleep(LOOK);
            continue;
        };
        stop(child)?;
        return Ok(end);
    }
}

/// Asks first: nextest stops its tests, and this program its own children, when asked.
fn stop(child: &mut dyn ChildWrapper) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        const TERMINATE: i32 = 15;
        // An error means that the group has ended already.
        let _ = child.signal(TERMINATE);
        let asked = now();
        while asked.elapsed() < GRACE {
            if child
                .try_wait()
                .context("cannot wait for a child")?
                .is_some()
            {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
    }
    child.kill().context("cannot stop a child")
}

/// The command as one would type it, its extra environment included.
fn shown(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!(
                "{}='{}'",
                name.to_string_lossy(),
                value.to_string_lossy()
            ));
        }
    }
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

/// The end of a log, up to 4 MiB; empty when there is none.
pub(crate) fn read_log(path: &Path) -> String {
    read_end(path, LOG_LIMIT).unwrap_or_default()
}

/// The last `count` lines of a log.
pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    let text = read_log(path);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The line a running child wrote last, for a progress bar.
pub(crate) fn last_line(path: &Path) -> String {
    let text = read_end(path, 2048).unwrap_or_default();
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default().trim().to_owned()
}

fn read_end(path: &Path, limit: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
