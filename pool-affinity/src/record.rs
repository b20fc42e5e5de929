//! What is remembered of one connection.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pool_core::Candidate;

use crate::homes::Link;
use crate::load::{Load, Loads};
use crate::per_slot::PerSlot;
use crate::sketch::Sketch;

/// Of a slot, and of the connection that is in it. Counts and the home are of the slot and outlive
/// the connection.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Of the connection, and one more; 0 before the first.
    number: AtomicU64,
    pub(crate) load: Load,
    pub(crate) sketch: Sketch,
    /// Statements that the present lease has left in the cache.
    pub(crate) learned: AtomicU32,
    pub(crate) link: Link,
    pub(crate) counts: Counts,
}

/// What was counted at a slot, so that no two leases write the same word.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Choices, by [`Why`].
    pub(crate) chosen: [AtomicU64; Why::COUNT],
    pub(crate) statement_hits: AtomicU64,
    pub(crate) statement_misses: AtomicU64,
    pub(crate) label_hits: AtomicU64,
    pub(crate) label_misses: AtomicU64,
}

/// Why a connection was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Why {
    /// The session is bound to it.
    Bound,
    /// The session has much there.
    Medium,
    /// The session had it last.
    Last,
    /// All that was wanted is there: label and statement.
    Fits,
    /// It is a home of the set of statements.
    Home,
    /// It becomes one.
    Adopted,
    /// It was the best of those that were looked at.
    Best,
    /// It was above the load bound: as all were, or because it had the label and none below had.
    Least,
    /// It had the best score.
    Score,
    /// Nobody had used it for long.
    Explored,
}

impl Why {
    pub(crate) const COUNT: usize = 10;
}

impl Counts {
    pub(crate) fn note(&self, why: Why) {
        self.chosen[why as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Record {
    /// Whether it is about this connection, rather than one before or after it.
    pub(crate) fn is_about(&self, connection: Candidate) -> bool {
        self.number.load(Ordering::Relaxed) == connection.connection.wrapping_add(1)
    }

    /// Whether another connection came after this one.
    pub(crate) fn is_past(&self, connection: Candidate) -> bool {
        self.number.load(Ordering::Relaxed) > connection.connection.wrapping_add(1)
    }
}

impl PerSlot<Record> {
    /// The record of this connection, begun anew if the slot had another; `None` if it is gone.
    pub(crate) fn begin(&self, connection: Candidate, loads: &Loads) -> Option<&Record> {
        let record = self.of(connection.slot)?;
        let number = connection.connection.wrapping_add(1);
        let known = record.number.load(Ordering::Relaxed);
        if known == number {
            return Some(record);
        }
        if known > number {
            return None;
        }
        let order = Ordering::Relaxed;
        let began = record.number.compare_exchange(known, number, order, order);
        if began.is_ok() && known != 0 {
            loads.clear(&record.load);
            record.sketch.clear();
            record.learned.store(0, Ordering::Relaxed);
        }
        Some(record)
    }

    /// The record of this connection, if there is one.
    pub(crate) fn known(&self, connection: Candidate) -> Option<&Record> {
        self.look(connection.slot)
            .filter(|record| record.is_about(connection))
    }
}
