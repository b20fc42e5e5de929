//! Background work that can be counted, refused and lost.
//!
//! What a pool starts in the background is where leaks hide: a task that outlives its pool, a
//! connect that nobody wanted, one that the runtime dropped. [`CountingSpawn`] stands between the
//! pool and its runtime and knows about each.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pool_core::{BoxFuture, Spawn};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What becomes of the tasks that are spawned from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// They run.
    #[default]
    Run,
    /// They are given back, as when there is no runtime.
    Refuse,
    /// They are dropped unrun, as by a runtime that is ending.
    Lose,
}

/// How many tasks there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpawnCounts {
    /// Tasks that were handed in.
    pub spawned: u64,
    /// Tasks that were given back.
    pub refused: u64,
    /// Tasks that ran to their end.
    pub finished: u64,
    /// Tasks that were dropped before their end, by a panic too.
    pub dropped: u64,
    /// The most that existed at once.
    pub peak: u64,
}

impl SpawnCounts {
    /// Tasks that exist now.
    #[must_use]
    pub const fn alive(&self) -> u64 {
        self.spawned - self.refused - self.finished - self.dropped
    }
}

/// Passes tasks on to another [`Spawn`] and counts them. Clones count together.
#[derive(Clone)]
pub struct CountingSpawn(Arc<Shared>);

struct Shared {
    inner: Box<dyn Spawn>,
    fate: watch::Sender<Fate>,
    counts: watch::Sender<SpawnCounts>,
}

impl CountingSpawn {
    /// Counts what goes to `inner`.
    #[must_use]
    pub fn new(inner: impl Spawn) -> Self {
        Self(Arc::new(Shared {
            inner: Box::new(inner),
            fate: watch::Sender::new(Fate::default()),
            counts: watch::Sender::new(SpawnCounts::default()),
        }))
    }

    /// Counts what goes to the tokio runtime that is current at each spawn.
    #[must_use]
    pub fn tokio() -> Self {
        Self::new(CurrentTokio)
    }

    /// Decides about the tasks that come from now on.
    pub fn set(&self, fate: Fate) {
        self.0.fate.send_replace(fate);
    }

    /// The counts now.
    #[must_use]
    pub fn counts(&self) -> SpawnCounts {
        *self.0.counts.borrow()
    }

    /// Waits until the counts satisfy `condition`. Cancel safe.
    pub async fn until(&self, condition: impl FnMut(&SpawnCounts) -> bool) -> SpawnCounts {
        let mut counts = self.0.counts.subscribe();
        let found = counts.wait_for(condition).await;
        *found.expect("self keeps the sender")
    }

    fn count(&self, change: impl FnOnce(&mut SpawnCounts)) {
        self.0.counts.send_modify(change);
    }
}

impl Spawn for CountingSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        self.count(|counts| {
            counts.spawned += 1;
            counts.peak = counts.peak.max(counts.alive());
        });
        let fate = *self.0.fate.borrow();
        let mut counted = Box::pin(Counted {
            task: Some(task),
            end: None,
            counts: self.clone(),
        });
        match fate {
            Fate::Run => self.0.inner.spawn(counted),
            Fate::Refuse => {
                counted.end = Some(End::Refused);
                Err(counted.task.take().expect("nobody has taken it"))
            }
            Fate::Lose => Ok(()),
        }
    }
}

impl fmt::Debug for CountingSpawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountingSpawn")
            .field("inner", &self.0.inner)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum End {
    Finished,
    Refused,
}

/// A task that tells how it ended.
struct Counted {
    task: Option<BoxFuture<'static, ()>>,
    end: Option<End>,
    counts: CountingSpawn,
}

impl Future for Counted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(task) = self.task.as_mut() else {
            return Poll::Ready(());
        };
        let ended = task.as_mut().poll(cx);
        if ended.is_ready() {
            self.task = None;
            self.end = Some(End::Finished);
        }
        ended
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // First the task: whoever sees the count must not find anything of it alive.
        self.task = None;
        let end = self.end;
        self.counts.count(|counts| match end {
            Some(End::Finished) => counts.finished += 1,
            Some(End::Refused) => counts.refused += 1,
            None => counts.dropped += 1,
        });
    }
}

/// Spawns on whatever tokio runtime is current.
#[derive(Debug)]
struct CurrentTokio;

impl Spawn for CurrentTokio {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        match Handle::try_current() {
            Ok(runtime) => {
                #[expect(clippy::disallowed_methods, reason = "this is a spawner")]
                drop(runtime.spawn(task));
                Ok(())
            }
            Err(_) => Err(task),
        }
    }
}

#[cfg(test)]
mod tests;
