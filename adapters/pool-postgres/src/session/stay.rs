//! What a connection remembers of those who use it, beside settings.
//!
//! Two things are on a connection that no label tells, and neither may pass from one session to the
//! next: the values that sequences gave (`currval`, `lastval`), and what names mean when a transaction
//! has set a search path for itself alone, or a session has temporary tables.
//!
//! Values of sequences are forgotten (`DISCARD SEQUENCES`) when a session comes that could ask for
//! them: one that begins a transaction, may be pinned, or calls a function of sequences or one that is
//! not known. It has to be
//! when it comes and not when it asks: by then it may have got values of its own, by an INSERT whose
//! default is a sequence. The statement travels with the opening, and only where others have written
//! something on the connection since it was run last.

use crate::connection::PostgresConnection;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Kept with a connection. Relaxed throughout: one owner at a time.
#[derive(Debug, Default)]
pub(crate) struct Stay {
    /// Requests of the connection when a session used it last. Others since then are not known of.
    seen: AtomicU64,
    /// Somebody has written since the sequences were forgotten; his values are his own.
    wrote: AtomicBool,
    /// Values of sequences may be others'.
    foreign: AtomicBool,
    /// Not 0 in a transaction that may have a search path or role of its own.
    local: AtomicU64,
    /// Not 0 for a session that has temporary objects, which names may mean.
    temporary: AtomicU64,
    /// How many such there were, of both.
    locals: AtomicU64,
}

impl Stay {
    /// A session is about to use the connection.
    pub(crate) fn begin(&self, conn: &PostgresConnection) {
        if conn.requests() != self.seen.load(Ordering::Relaxed) {
            self.foreign.store(true, Ordering::Relaxed);
        }
    }

    /// It has used it, and is in no transaction there, or still is.
    pub(crate) fn end(&self, conn: &PostgresConnection, is_idle: bool) {
        self.seen.store(conn.requests(), Ordering::Relaxed);
        if is_idle {
            self.local.store(0, Ordering::Relaxed);
        }
    }

    /// It has left.
    pub(crate) fn left(&self) {
        if self.wrote.swap(false, Ordering::Relaxed) {
            self.foreign.store(true, Ordering::Relaxed);
        }
    }

    /// It runs something that may write.
    pub(crate) fn writes(&self) {
        self.wrote.store(true, Ordering::Relaxed);
    }

    /// Whether values of sequences may be others'.
    pub(crate) fn has_foreign_sequences(&self) -> bool {
        self.foreign.load(Ordering::Relaxed)
    }

    /// They are forgotten.
    pub(crate) fn forgot_sequences(&self) {
        self.foreign.store(false, Ordering::Relaxed);
    }

    /// Names may mean something else until the transaction ends.
    pub(crate) fn has_local_names(&self) {
        let number = self.locals.fetch_add(1, Ordering::Relaxed) + 1;
        self.local.store(number, Ordering::Relaxed);
    }

    /// There are other temporary objects than before.
    pub(crate) fn changed_temporary_names(&self) {
        self.temporary.store(0, Ordering::Relaxed);
    }

    /// A number for the temporary objects that there are.
    pub(crate) fn temporary_names(&self) -> u64 {
        let known = self.temporary.load(Ordering::Relaxed);
        if known > 0 {
            return known;
        }
        let number = self.locals.fetch_add(1, Ordering::Relaxed) + 1;
        self.temporary.store(number, Ordering::Relaxed);
        number
    }

    /// The number of the transaction in which names may mean something else; 0 if it is none.
    pub(crate) fn local_names(&self) -> u64 {
        self.local.load(Ordering::Relaxed)
    }
}
