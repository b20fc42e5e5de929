//! What SQLite tells while a job runs.
//!
//! Two callbacks write here and the thread that runs the job reads, so nothing is ordered and
//! everything is relaxed; they are atomics because callbacks must be fit for any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;

/// What has happened to the connection, as far as nobody has accounted for it.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    touched: AtomicU64,
    committed: AtomicBool,
}

impl Signals {
    /// Temporary objects, or attached databases. Bits below are pragmas, by their place in the table.
    pub(crate) const OBJECTS: u64 = 1 << 62;
    /// Something that cannot be looked at.
    pub(crate) const OTHER: u64 = 1 << 63;

    /// Has SQLite tell when a transaction that has written is committed.
    ///
    /// Not when one is rolled back: SQLite also tells that while it closes a database, when rusqlite has
    /// freed what would be called. One that has ended and was not committed was rolled back, or has only
    /// read.
    pub(crate) fn listen(self: &Arc<Self>, connection: &mut Connection) -> rusqlite::Result<()> {
        let signals = Arc::clone(self);
        let commits = move || {
            signals.committed.store(true, Ordering::Relaxed);
            false
        };
        connection.commit_hook(Some(commits))
    }

    pub(crate) fn touch(&self, what: u64) {
        if what != 0 {
            self.touched.fetch_or(what, Ordering::Relaxed);
        }
    }

    /// From here on nothing but this has been touched.
    pub(crate) fn touch_only(&self, what: u64) {
        self.touched.store(what, Ordering::Relaxed);
    }

    pub(crate) fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }

    /// A transaction that had written began to commit since the last [`forget`](Self::forget).
    pub(crate) fn committed(&self) -> bool {
        self.committed.load(Ordering::Relaxed)
    }

    /// Forgets that one was.
    pub(crate) fn forget(&self) {
        self.committed.store(false, Ordering::Relaxed);
    }

    /// Forgets everything: the connection is another one.
    pub(crate) fn clear(&self) {
        self.touch_only(0);
        self.forget();
    }
}
