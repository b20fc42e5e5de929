//! Which session is tied to which connection.
//!
//! The table is bounded and is never allocated after it was built: it has a place for each of so many
//! sessions, sixteen to a *bucket*, and each bucket has a lock of its own. So there is no lock that two
//! sessions are likely to meet at (with 16,384 places there are 1,024), no hash map that grows, and
//! the lock is held for a look at sixteen numbers that lie side by side. The price: a bucket may be
//! full while others are not. With 10,000 sessions in 16,384 places, some three in a thousand
//! are without a place at any time.
//!
//! In a full bucket the hand of a clock goes round: whoever was not used since it came by last makes
//! room, those that are bound to a connection only for somebody who is bound, too. What is lost with
//! an entry is a preference.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pool_core::Candidate;

use crate::number::mix;
use crate::{Reason, SessionStatistics, Strength};

mod bucket;
mod entry;

use bucket::{Bucket, WAYS};
pub(crate) use entry::Tie;

/// All sessions that are tied to a connection.
#[derive(Debug)]
pub(crate) struct Sessions {
    buckets: Box<[Mutex<Bucket>]>,
    /// Cached statements that make a tie Medium.
    many: u32,
}

impl Sessions {
    /// For at least so many.
    pub(crate) fn new(most: u32, many: u32) -> Self {
        let buckets = (most as usize).div_ceil(WAYS).next_power_of_two();
        Self {
            buckets: (0..buckets).map(|_| Mutex::default()).collect(),
            many,
        }
    }

    fn bucket(&self, session: u64) -> MutexGuard<'_, Bucket> {
        let index = mix(session) as usize & (self.buckets.len() - 1);
        // Nothing that may panic is done under the lock.
        self.buckets[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How a session is tied, if it is.
    pub(crate) fn tie(&self, session: u64) -> Option<Tie> {
        if session == 0 {
            return None;
        }
        self.bucket(session).find(session)?.tie()
    }

    /// Ties it. Ties to another connection are undone. False if there is no room.
    pub(crate) fn create(
        &self,
        session: u64,
        at: Candidate,
        strength: Strength,
        why: Reason,
    ) -> bool {
        session != 0 && self.bucket(session).create(session, at, strength, why)
    }

    /// Takes a reason away, or all of them. Returns whether there was one.
    pub(crate) fn release(&self, session: u64, why: Option<Reason>) -> bool {
        session != 0 && self.bucket(session).release(session, why)
    }

    /// Breaks the ties of a session to this connection that are no stronger than this.
    pub(crate) fn break_up_to(&self, session: u64, at: Candidate, most: Strength) {
        self.bucket(session).break_up_to(session, at, most);
    }

    /// It got this connection.
    pub(crate) fn acquired(&self, session: u64, at: Candidate) {
        if session != 0 {
            self.bucket(session).acquired(session, at);
        }
    }

    /// It gives this connection back, having left so many statements there.
    pub(crate) fn released(&self, session: u64, at: Candidate, learned: u32) {
        if session != 0 {
            self.bucket(session)
                .released(session, at, learned, self.many);
        }
    }

    /// Breaks all Weak ties to connections that are `overloaded`. Returns how many.
    pub(crate) fn rebalance(&self, overloaded: impl Fn(Candidate) -> bool, acts: bool) -> u64 {
        let broken = self.buckets.iter().map(|bucket| {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.rebalance(&overloaded, acts)
        });
        broken.sum()
    }

    /// Looks at all buckets, one after another.
    pub(crate) fn statistics(&self) -> SessionStatistics {
        let mut all = SessionStatistics::default();
        for bucket in &self.buckets {
            let bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.count(&mut all);
        }
        all
    }
}
