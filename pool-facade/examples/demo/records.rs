//! What the tasks know of their transfers, to be held against the books.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bank::{Disturbance, Stage};

/// Notes of all tasks.
#[derive(Debug)]
pub(crate) struct Records {
    inner: Mutex<Notes>,
}

/// Notes about transfers, waits and errors.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    /// Ids of the transfers whose commit was confirmed: they must be in the ledger.
    pub(crate) acknowledged: Vec<u64>,
    /// Ids of the transfers given up or failed while their commit was under way: they may be in
    /// the ledger or not.
    pub(crate) in_doubt: Vec<u64>,
    /// How many ended before their commit began: they must not be in the ledger.
    pub(crate) not_committed: u64,
    /// Waits for a connection, in microseconds.
    pub(crate) waits: Histogram<u64>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) disturbances: BTreeMap<Disturbance, u64>,
    /// Tasks that were cancelled and that panicked.
    pub(crate) cancelled: u64,
    pub(crate) panicked: u64,
}

/// The longest wait told apart: far above any acquire timeout.
const LONGEST_WAIT: u64 = 600_000_000;

impl Records {
    pub(crate) fn new() -> Self {
        let waits = Histogram::new_with_max(LONGEST_WAIT, 3).expect("the bounds are constant");
        Self {
            inner: Mutex::new(Notes {
                acknowledged: Vec::new(),
                in_doubt: Vec::new(),
                not_committed: 0,
                waits,
                errors: BTreeMap::new(),
                disturbances: BTreeMap::new(),
                cancelled: 0,
                panicked: 0,
            }),
        }
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        // Every change is whole in itself, so a task that panicked has left nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn waited(&self, wait: Duration) {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(LONGEST_WAIT);
        self.notes().waits.saturating_record(micros);
    }

    pub(crate) fn failed(&self, kind: String) {
        *self.notes().errors.entry(kind).or_default() += 1;
    }

    pub(crate) fn disturbed(&self, disturbance: Disturbance) {
        *self.notes().disturbances.entry(disturbance).or_default() += 1;
    }

    /// A transfer begins. However it ends, it is noted.
    pub(crate) const fn begin(&self, id: u64, stage: Stage) -> Attempt<'_> {
        Attempt {
            records: self,
            id,
            stage,
            acknowledged: false,
        }
    }
}

/// A transfer under way. Dropped without an acknowledgement it is in doubt, or not committed.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    records: &'a Records,
    id: u64,
    stage: Stage,
    acknowledged: bool,
}

impl Attempt<'_> {
    /// The commit was confirmed.
    pub(crate) fn acknowledge(mut self) {
        self.acknowledged = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut notes = self.records.notes();
        if self.acknowledged {
            notes.acknowledged.push(self.id);
        } else if self.stage.has_commit_begun() {
            notes.in_doubt.push(self.id);
        } else {
            notes.not_committed += 1;
        }
    }
}
