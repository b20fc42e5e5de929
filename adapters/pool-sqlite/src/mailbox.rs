//! The place between the tasks and a connection's thread.
//!
//! It holds one job rather than a queue of them. A connection has one user at a time, who waits
//! for each answer, so a second job could only arrive behind one that was given up; and with a
//! single place under a lock, giving up is exact: a job that still lies here is taken back and
//! never runs, one that runs is marked and interrupted while it cannot end, so that the interrupt
//! never hits the job of somebody else.
//!
//! No foreign code runs under the lock: jobs are dropped and wakers woken outside.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use pool_core::Condition;
use rusqlite::InterruptHandle;

use crate::error::Error;

/// What is sent when the connection has been closed.
pub(crate) type Closed = oneshot::Sender<Result<(), Error>>;

/// One place for a job, and what is known of the connection behind it.
pub(crate) struct Mailbox<J> {
    inner: Mutex<Inner<J>>,
    arrived: Condvar,
    /// Written under the lock, read without it. Release and Acquire pair up, so that whoever sees
    /// a job ended also sees what it did.
    state: AtomicU8,
}

struct Inner<J> {
    phase: Phase<J>,
    stop: Stop,
    interrupt: Option<InterruptHandle>,
}

/// Where the only job is.
enum Phase<J> {
    /// There is none; one may be posted.
    Idle,
    /// Waiting for the thread; may be taken back.
    Posted(J),
    /// With the thread; may be interrupted.
    Running,
    /// The thread has ended and takes no more.
    Ended,
}

/// Whether the connection is to be closed.
enum Stop {
    No,
    /// With whom to tell afterwards, if anybody.
    Wanted(Option<Closed>),
    Taken,
}

/// What the thread does next.
pub(crate) enum Next<J> {
    Run(J),
    Close(Option<Closed>),
}

/// A job is posted or runs.
const BUSY: u8 = 1;
/// Nobody waits for the running job.
const ABANDONED: u8 = 2;
/// A transaction is open.
const TRANSACTION: u8 = 4;
/// The session differs from a fresh one.
const CHANGED: u8 = 8;
/// The thread has ended.
const ENDED: u8 = 16;

/// What a job has left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) transaction: bool,
    pub(crate) changed: bool,
}

impl<J> Mailbox<J> {
    pub(crate) const fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                phase: Phase::Idle,
                stop: Stop::No,
                interrupt: None,
            }),
            arrived: Condvar::new(),
            state: AtomicU8::new(0),
        }
    }

    /// Hands a job to the thread, or gives it back with the reason.
    pub(crate) fn post(&self, job: J) -> Result<(), (J, Error)> {
        let mut inner = self.lock();
        match inner.phase {
            Phase::Idle => {
                inner.phase = Phase::Posted(job);
                self.state.fetch_or(BUSY, Ordering::Release);
                drop(inner);
                self.arrived.notify_one();
                Ok(())
            }
            Phase::Posted(_) | Phase::Running => Err((job, Error::Outstanding)),
            Phase::Ended => Err((job, Error::Ended)),
        }
    }

    /// Gives up the job: takes it back when the thread has not begun, else interrupts it.
    pub(crate) fn give_up(&self) -> Option<J> {
        let mut inner = self.lock();
        match std::mem::replace(&mut inner.phase, Phase::Idle) {
            Phase::Posted(job) => {
                self.state.fetch_and(!BUSY, Ordering::Release);
                Some(job)
            }
            phase @ Phase::Running => {
                inner.phase = phase;
                self.abandon(&inner);
                None
            }
            phase => {
                inner.phase = phase;
                None
            }
        }
    }

    /// Asks the thread to close the connection and end. The first ask counts.
    pub(crate) fn stop(&self, closed: Option<Closed>) {
        let mut inner = self.lock();
        if matches!(inner.phase, Phase::Ended) || !matches!(inner.stop, Stop::No) {
            return;
        }
        inner.stop = Stop::Wanted(closed);
        if matches!(inner.phase, Phase::Running) {
            self.abandon(&inner);
        }
        drop(inner);
        self.arrived.notify_one();
    }

    /// Waits for something to do. For the thread only.
    pub(crate) fn next(&self) -> Next<J> {
        let mut inner = self.lock();
        loop {
            match std::mem::replace(&mut inner.stop, Stop::Taken) {
                Stop::Wanted(closed) => return Next::Close(closed),
                stop => inner.stop = stop,
            }
            match std::mem::replace(&mut inner.phase, Phase::Running) {
                Phase::Posted(job) => return Next::Run(job),
                phase => inner.phase = phase,
            }
            inner = self
                .arrived
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The running job has ended and left `session` behind. For the thread only, before it
    /// answers the caller.
    pub(crate) fn settle(&self, session: Session) {
        let mut state = 0;
        if session.transaction {
            state |= TRANSACTION;
        }
        if session.changed {
            state |= CHANGED;
        }
        let mut inner = self.lock();
        inner.phase = Phase::Idle;
        self.state.store(state, Ordering::Release);
    }

    /// The thread takes no more jobs.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        let phase = std::mem::replace(&mut inner.phase, Phase::Ended);
        let stop = std::mem::replace(&mut inner.stop, Stop::Taken);
        let interrupt = inner.interrupt.take();
        self.state.store(ENDED, Ordering::Release);
        drop(inner);
        drop((phase, stop, interrupt));
    }

    /// How to interrupt the connection; anew after each open.
    pub(crate) fn interrupt_by(&self, interrupt: InterruptHandle) {
        self.lock().interrupt = Some(interrupt);
    }

    /// Whether nobody waits for the running job any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.load(Ordering::Acquire) & ABANDONED != 0
    }

    /// The connection's condition: one load.
    pub(crate) fn condition(&self) -> Condition {
        let state = self.state.load(Ordering::Acquire);
        if state & (BUSY | ABANDONED | ENDED) != 0 {
            Condition::Broken
        } else if state != 0 {
            Condition::Dirty
        } else {
            Condition::Clean
        }
    }

    fn abandon(&self, inner: &Inner<J>) {
        self.state.fetch_or(ABANDONED, Ordering::Release);
        if let Some(interrupt) = &inner.interrupt {
            interrupt.interrupt();
        }
    }

    /// A poisoned lock is used as it is: nothing under it can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Inner<J>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
