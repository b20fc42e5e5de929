//! Transactions that end with their guard.

use super::{Session, SessionError};
use pool_multiplex::{Access, Isolation, Modes};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A transaction in the making. From [`Session::build_transaction`].
#[must_use = "nothing is begun before `start` is called and awaited"]
pub struct Begin<'a> {
    session: &'a mut Session,
    modes: Modes,
}

impl<'a> Begin<'a> {
    pub(super) const fn new(session: &'a mut Session) -> Self {
        let modes = Modes {
            isolation: None,
            access: None,
            deferrable: None,
        };
        Self { session, modes }
    }

    /// How far it is kept from others. Default: the session's.
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.modes.isolation = Some(isolation);
        self
    }

    /// Whether it only reads. Default: the session's.
    pub const fn read_only(mut self, read_only: bool) -> Self {
        self.modes.access = Some(match read_only {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        });
        self
    }

    /// Whether a serializable, read-only one waits until it can disturb nobody. Default: the
    /// session's.
    pub const fn deferrable(mut self, deferrable: bool) -> Self {
        self.modes.deferrable = Some(deferrable);
        self
    }

    /// Begins it. The server learns of it with its first statement.
    ///
    /// # Errors
    ///
    /// [`SessionError::InTransaction`], and what happened to an earlier one.
    pub async fn start(self) -> Result<Transaction<'a>, SessionError> {
        self.session.begin(self.modes).await?;
        Ok(Transaction {
            session: self.session,
        })
    }
}

/// A transaction. It dereferences to its [`Session`] for whatever runs in it.
///
/// Dropped before [`commit`](Self::commit) it is rolled back: at once, if the connection can be given
/// up for it, else before anything else runs.
#[must_use = "dropping a transaction rolls it back"]
pub struct Transaction<'a> {
    session: &'a mut Session,
}

/// Tables that a transaction has touched, by the server's count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// Those in which rows were inserted, changed or deleted, schema first. Rows of savepoints that
    /// were rolled back count.
    pub modified: Vec<String>,
    /// Those that were scanned.
    pub read: Vec<String>,
}

impl Transaction<'_> {
    /// Commits it. If that was refused, it is rolled back.
    ///
    /// # Errors
    ///
    /// As [`Session::commit`].
    pub async fn commit(self) -> Result<(), SessionError> {
        self.session.commit().await
    }

    /// Rolls it back.
    ///
    /// # Errors
    ///
    /// As [`Session::rollback`].
    pub async fn rollback(self) -> Result<(), SessionError> {
        self.session.rollback().await
    }

    /// The tables that it has touched so far, from the server's own counters.
    ///
    /// # Errors
    ///
    /// Those of [`Session::query`].
    pub async fn tables(&mut self) -> Result<Tables, SessionError> {
        const TOUCHED: &str = "SELECT schemaname || '.' || relname, \
            n_tup_ins + n_tup_upd + n_tup_del > 0, \
            coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0 \
            FROM pg_catalog.pg_stat_xact_user_tables ORDER BY 1";
        let mut tables = Tables::default();
        for row in self.session.ask(TOUCHED).await? {
            let name: String = row.get(0);
            if row.get(1) {
                tables.modified.push(name.clone());
            }
            if row.get(2) {
                tables.read.push(name);
            }
        }
        Ok(tables)
    }
}

impl Deref for Transaction<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        self.session
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // Of one that is over, nothing is left to be given up.
        self.session.inner.abandon_transaction();
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Begin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin")
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}
