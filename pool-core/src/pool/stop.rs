//! How background tasks are told to end.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// How much of the background work is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Level {
    /// Connects, checks, resets: nobody will use what they work on.
    Openings = 1,
    /// Closes as well: connections are dropped as they are.
    Everything = 2,
}

/// A stop signal that many tasks wait for.
#[derive(Debug)]
pub(crate) struct Stop {
    level: AtomicU8,
    sleepers: Mutex<Sleepers>,
}

#[derive(Debug, Default)]
struct Sleepers {
    /// A waker for each running task; as many as tasks ran at once, at most one per slot.
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Stop {
    pub(crate) fn new() -> Self {
        Self {
            level: AtomicU8::new(0),
            sleepers: Mutex::default(),
        }
    }

    pub(crate) fn is(&self, level: Level) -> bool {
        // Acquire and Release around the level, and the lock around the wakers: a task that misses
        // the level has registered its waker before `raise` looks for it.
        self.level.load(Ordering::Acquire) >= level as u8
    }

    /// Tells all tasks up to `level` to end. Never goes back.
    pub(crate) fn raise(&self, level: Level) {
        self.level.fetch_max(level as u8, Ordering::AcqRel);
        let wakers: Vec<Waker> = {
            let mut sleepers = self.lock();
            sleepers
                .wakers
                .iter_mut()
                .filter_map(Option::take)
                .collect()
        };
        for waker in wakers {
            crate::queue::wake(waker);
        }
    }

    /// Runs `task` until it ends, or until the signal reaches `level`: then it is to be dropped.
    pub(crate) async fn unless<T>(
        &self,
        level: Level,
        mut task: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut entry = Entry {
            stop: self,
            at: None,
        };
        std::future::poll_fn(|cx| entry.poll(cx, level, task.as_mut())).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task's place among the sleepers.
struct Entry<'a> {
    stop: &'a Stop,
    at: Option<usize>,
}

impl Entry<'_> {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        level: Level,
        task: Pin<&mut impl Future<Output = T>>,
    ) -> Poll<Option<T>> {
        if self.stop.is(level) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(value) = task.poll(cx) {
            // Work that did not wait, such as a hook without I/O, has taken no lock.
            return Poll::Ready(Some(value));
        }
        self.register(cx.waker());
        if self.stop.is(level) {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn register(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let mut sleepers = self.stop.lock();
        let at = *self.at.get_or_insert_with(|| {
            sleepers.free.pop().unwrap_or_else(|| {
                sleepers.wakers.push(None);
                sleepers.wakers.len() - 1
            })
        });
        let old = sleepers.wakers[at].replace(waker);
        drop(sleepers);
        drop(old);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            let mut sleepers = self.stop.lock();
            let old = sleepers.wakers[at].take();
            sleepers.free.push(at);
            drop(sleepers);
            drop(old);
        }
    }
}
