//! What sessions have done, in numbers.

use crate::pins::{PinReason, Pins};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The sessions of a pool in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionStatistics {
    /// Sessions there are, suspended ones included.
    pub sessions: u64,
    /// Of these, suspended.
    pub suspended: u64,
    /// Of these, on a connection.
    pub attached: u64,
    /// Sessions per connection that the pool has now; per one, if it has none.
    pub ratio: f64,
    /// Sessions created so far, imported ones included.
    pub created: u64,
    /// Ended by their users so far, those left out that were exported.
    pub destroyed: u64,
    /// Ended by the session timeout so far.
    pub expired: u64,
    /// How often a session came to a connection.
    pub attaches: u64,
    /// Of these, to the connection that it had last.
    pub same_connection: u64,
    /// Of these, to one that had its settings already.
    pub same_settings: u64,
    /// Settings set or reset in preludes, because a connection did not have what a session wanted.
    pub replayed_settings: u64,
    /// Statements prepared on connections that did not have them.
    pub replayed_statements: u64,
    /// Sessions moved by [`migrate`](crate::Session::migrate).
    pub migrated: u64,
    /// Sessions exported, and so ended here.
    pub exported: u64,
    /// Sessions imported.
    pub imported: u64,
    /// Transactions lost with their connection.
    pub transactions_lost: u64,
    /// Operations of which it is not known whether they took effect.
    pub outcomes_unknown: u64,
    /// Transactions rolled back because they were idle for too long.
    pub idle_in_transaction: u64,
    /// Connections closed because something was on them that could not be accounted for.
    pub tainted: u64,
    /// Sessions that are pinned now, by reason. One may be pinned for several.
    pub pinned: Vec<(PinReason, u64)>,
    /// What audits have found on connections and in nobody's books, by name, and how often. At most
    /// 64 names; others than the first count as one.
    pub residue: Vec<(String, u64)>,
    /// Statements that all sessions share.
    pub statements: u64,
    /// Different lists of settings that sessions and connections share.
    pub settings: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) created: AtomicU64,
    pub(crate) destroyed: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) attached: AtomicI64,
    pub(crate) suspended: AtomicI64,
    pub(crate) attaches: AtomicU64,
    pub(crate) same_connection: AtomicU64,
    pub(crate) same_settings: AtomicU64,
    pub(crate) replayed_settings: AtomicU64,
    pub(crate) replayed_statements: AtomicU64,
    pub(crate) migrated: AtomicU64,
    pub(crate) exported: AtomicU64,
    pub(crate) imported: AtomicU64,
    pub(crate) transactions_lost: AtomicU64,
    pub(crate) outcomes_unknown: AtomicU64,
    pub(crate) idle_in_transaction: AtomicU64,
    pub(crate) tainted: AtomicU64,
    pinned: [AtomicI64; PinReason::ALL.len()],
    residue: Mutex<Vec<(String, u64)>>,
}

/// Most names of what audits have found.
const RESIDUE: usize = 64;

/// Counts one more. Relaxed: the numbers order nothing.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// A session is pinned for other reasons than before.
    pub(crate) fn repin(&self, before: Pins, after: Pins) {
        if before == after {
            return;
        }
        for reason in PinReason::ALL {
            let change = i64::from(after.contains(reason)) - i64::from(before.contains(reason));
            self.pinned[reason as usize].fetch_add(change, Ordering::Relaxed);
        }
    }

    /// An audit has found these.
    pub(crate) fn found(&self, names: &[String]) {
        let mut residue = self.residue.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            let name = match residue.len() < RESIDUE - 1 {
                true => name.as_str(),
                false => "others",
            };
            match residue.iter_mut().find(|(known, _)| known == name) {
                Some((_, times)) => *times += 1,
                None => residue.push((name.to_owned(), 1)),
            }
        }
    }

    /// What pins sessions now.
    pub(crate) fn reasons(&self) -> Pins {
        let pinned = self.pinned().into_iter();
        pinned.map(|(reason, _)| reason).collect()
    }

    fn pinned(&self) -> Vec<(PinReason, u64)> {
        let number = |reason: PinReason| {
            let number = self.pinned[reason as usize].load(Ordering::Relaxed);
            (reason, u64::try_from(number).unwrap_or(0))
        };
        let all = PinReason::ALL.into_iter().map(number);
        all.filter(|(_, number)| *number > 0).collect()
    }

    pub(crate) fn read(&self) -> SessionStatistics {
        let total = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let gauge = |gauge: &AtomicI64| u64::try_from(gauge.load(Ordering::Relaxed)).unwrap_or(0);
        SessionStatistics {
            suspended: gauge(&self.suspended),
            attached: gauge(&self.attached),
            created: total(&self.created),
            destroyed: total(&self.destroyed),
            expired: total(&self.expired),
            attaches: total(&self.attaches),
            same_connection: total(&self.same_connection),
            same_settings: total(&self.same_settings),
            replayed_settings: total(&self.replayed_settings),
            replayed_statements: total(&self.replayed_statements),
            migrated: total(&self.migrated),
            exported: total(&self.exported),
            imported: total(&self.imported),
            transactions_lost: total(&self.transactions_lost),
            outcomes_unknown: total(&self.outcomes_unknown),
            idle_in_transaction: total(&self.idle_in_transaction),
            tainted: total(&self.tainted),
            pinned: self.pinned(),
            residue: self
                .residue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            ..SessionStatistics::default()
        }
    }
}
