//! Where a session is kept between two operations, and taken out of for one.
//!
//! A session is used by one task at a time, but looked at by others: whoever counts, and whoever ends
//! what was idle for too long. So it lies in a place of its own behind a short lock. An operation
//! takes it out and puts it back; meanwhile the place says that it is busy, and nobody else touches
//! it. An operation that is given up half way puts it back too, without the connection, of which
//! nothing is known any more.

use crate::driver::SessionManager;
use crate::error::Error;
use crate::pins::Pins;
use crate::registry::Registry;
use crate::state::State;
use crate::statistics::count;
use crate::transaction::TransactionStatus;
use pool_core::{Candidate, PooledConnection};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A session's place.
pub(crate) struct Slot<M: SessionManager> {
    pub(crate) id: u64,
    place: Mutex<Place<M>>,
    /// When it was used last, in milliseconds of the registry's time.
    used: AtomicU64,
    /// How many wait for something in its name.
    waits: AtomicU64,
}

/// What is in it.
pub(crate) enum Place<M: SessionManager> {
    /// Between two operations.
    Here(Box<Inside<M>>),
    /// In one.
    Busy,
    /// The session timed out.
    Expired,
}

/// A session.
pub(crate) struct Inside<M: SessionManager> {
    pub(crate) state: State,
    /// The connection that it cannot leave, or is just on.
    pub(crate) lease: Option<PooledConnection<M>>,
    /// The connection that it had last.
    pub(crate) last: Option<Candidate>,
    /// The server knows of the transaction that the session is in.
    pub(crate) begun: bool,
    /// The transaction was given up, and the server is still to be told.
    pub(crate) owes_rollback: bool,
    /// Handed out by `suspend`, and nobody's until it is resumed.
    pub(crate) suspended: bool,
    /// What happened to it behind its user's back.
    pub(crate) notice: Option<Notice>,
    /// The reasons that are counted for it.
    pub(crate) counted: Pins,
    /// It has one of the places for sessions that keep a connection beyond a transaction.
    pub(crate) placed: bool,
}

/// What a user must be told at the next operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    IdleInTransaction(Duration),
    Interrupted,
    CommitInterrupted,
}

impl Notice {
    pub(crate) const fn into_error<E: std::error::Error + 'static>(self) -> Error<E> {
        match self {
            Self::IdleInTransaction(limit) => Error::IdleInTransaction(limit),
            Self::Interrupted => Error::Interrupted,
            Self::CommitInterrupted => Error::CommitInterrupted,
        }
    }
}

impl<M: SessionManager> Slot<M> {
    pub(crate) fn new(id: u64, inside: Box<Inside<M>>, now: u64) -> Self {
        Self {
            id,
            place: Mutex::new(Place::Here(inside)),
            used: AtomicU64::new(now),
            waits: AtomicU64::new(0),
        }
    }

    pub(crate) fn wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody waits any more, since now.
    pub(crate) fn waited(&self, now: u64) {
        self.touch(now);
        // Release: who sees that nobody waits must see since when.
        self.waits.fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.waits.load(Ordering::Acquire) > 0
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Place<M>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in it, if nobody is just at it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Place<M>>> {
        self.place.try_lock().ok()
    }

    /// It is used now, at so many milliseconds of the registry's time.
    pub(crate) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl<M: SessionManager> Inside<M> {
    pub(crate) fn new(state: State) -> Box<Self> {
        Box::new(Self {
            state,
            lease: None,
            last: None,
            begun: false,
            owes_rollback: false,
            suspended: false,
            notice: None,
            counted: Pins::NONE,
            placed: false,
        })
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.state.frames().status() != TransactionStatus::Idle
    }

    /// The connection is gone, and what was on it.
    pub(crate) fn lose(&mut self) -> Option<PooledConnection<M>> {
        self.state.lost();
        (self.begun, self.owes_rollback) = (false, false);
        self.lease.take()
    }
}

/// A session that is taken out for an operation. Puts it back when dropped.
pub(crate) struct Checkout<M: SessionManager> {
    pub(crate) registry: Arc<Registry<M>>,
    slot: Arc<Slot<M>>,
    inside: Option<Box<Inside<M>>>,
    /// The connection is at work: if this is dropped now, nothing is known of it.
    pub(crate) flying: bool,
    /// What it is at may commit the transaction.
    pub(crate) commits: bool,
}

impl<M: SessionManager> Checkout<M> {
    /// Takes a session out, if it is there.
    pub(crate) fn take(
        registry: &Arc<Registry<M>>,
        slot: &Arc<Slot<M>>,
    ) -> Result<Self, Error<M::Error>> {
        let mut place = slot.lock();
        match std::mem::replace(&mut *place, Place::Busy) {
            Place::Here(inside) => {
                drop(place);
                Ok(Self {
                    registry: Arc::clone(registry),
                    slot: Arc::clone(slot),
                    inside: Some(inside),
                    flying: false,
                    commits: false,
                })
            }
            // A handle is used by one task at a time, so this one is only ever looked at.
            Place::Busy => Err(Error::Interrupted),
            Place::Expired => {
                *place = Place::Expired;
                Err(Error::Expired)
            }
        }
    }

    /// As [`take`](Self::take), and tells the user what has happened since the last operation.
    pub(crate) fn begin(
        registry: &Arc<Registry<M>>,
        slot: &Arc<Slot<M>>,
    ) -> Result<Self, Error<M::Error>> {
        let mut out = Self::take(registry, slot)?;
        match out.notice.take() {
            Some(notice) => Err(notice.into_error()),
            None => Ok(out),
        }
    }

    /// Ends the session.
    pub(crate) fn end(mut self) {
        if let Some(inside) = self.inside.take() {
            *self.slot.lock() = Place::Expired;
            self.registry.forget(self.slot.id, inside);
        }
    }

    /// Counts now what pins it, and not only when it is put back.
    pub(crate) fn count_pins(&mut self) {
        let registry = Arc::clone(&self.registry);
        registry.recount(self.inside_mut());
    }

    fn inside_mut(&mut self) -> &mut Inside<M> {
        self.inside
            .as_deref_mut()
            .unwrap_or_else(|| unreachable!("it is there until this is dropped"))
    }
}

impl<M: SessionManager> std::ops::Deref for Checkout<M> {
    type Target = Inside<M>;

    fn deref(&self) -> &Inside<M> {
        self.inside
            .as_deref()
            .unwrap_or_else(|| unreachable!("it is there until this is dropped"))
    }
}

impl<M: SessionManager> std::ops::DerefMut for Checkout<M> {
    fn deref_mut(&mut self) -> &mut Inside<M> {
        self.inside_mut()
    }
}

impl<M: SessionManager> Drop for Checkout<M> {
    fn drop(&mut self) {
        let Some(mut inside) = self.inside.take() else {
            return;
        };
        let mut given_up = None;
        if self.flying {
            if inside.in_transaction() {
                let counters = &self.registry.counters;
                let (notice, counter) = match self.commits {
                    true => (Notice::CommitInterrupted, &counters.outcomes_unknown),
                    false => (Notice::Interrupted, &counters.transactions_lost),
                };
                inside.notice = Some(notice);
                count(counter);
            }
            given_up = inside.lose();
            self.registry.detached(given_up.is_some());
        }
        self.registry.recount(&mut inside);
        self.slot.touch(self.registry.now());
        *self.slot.lock() = Place::Here(inside);
        // It goes back as it is; whoever looks at it next finds it open.
        drop(given_up);
    }
}
