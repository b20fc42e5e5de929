//! Where a session's transactions begin and end.

use super::{Begin, Session, SessionError, Transaction};
use crate::error::Error;
use pool_multiplex::{Modes, State, TransactionContext, TransactionStatus};

impl Session {
    /// Begins a transaction. The server learns of it with its first statement.
    ///
    /// # Errors
    ///
    /// [`SessionError::InTransaction`], and what happened to an earlier one.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, SessionError> {
        self.build_transaction().start().await
    }

    /// A transaction with modes of its own.
    pub const fn build_transaction(&mut self) -> Begin<'_> {
        Begin::new(self)
    }

    /// Begins a transaction that is ended by [`commit`](Self::commit) or [`rollback`](Self::rollback),
    /// by whoever has the session then. [`transaction`](Self::transaction) ends with its guard.
    ///
    /// # Errors
    ///
    /// [`SessionError::InTransaction`], and what happened to an earlier one.
    pub async fn begin(&mut self, modes: Modes) -> Result<(), SessionError> {
        self.inner.begin(modes).await
    }

    /// Commits the transaction that the session is in.
    ///
    /// # Errors
    ///
    /// [`SessionError::OutcomeUnknown`] if the connection was lost before the answer came;
    /// [`Error::RolledBack`] if a statement had failed.
    pub async fn commit(&mut self) -> Result<(), SessionError> {
        if self.inner.end_unbegun(true)? {
            return Ok(());
        }
        let had_failed = self.has_failed()?;
        self.batch("COMMIT").await?;
        match had_failed {
            true => Err(SessionError::Operation(Error::RolledBack)),
            false => Ok(()),
        }
    }

    pub(super) fn has_failed(&self) -> Result<bool, SessionError> {
        Ok(self.inner.status()? == TransactionStatus::Failed)
    }

    /// Rolls the transaction back that the session is in.
    ///
    /// # Errors
    ///
    /// What became of the connection; the transaction is over in any case.
    pub async fn rollback(&mut self) -> Result<(), SessionError> {
        if self.inner.end_unbegun(false)? {
            return Ok(());
        }
        self.batch("ROLLBACK").await.map(drop)
    }

    /// Sets a savepoint. Names may be used again; the latest of a name is the one that counts.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoTransaction`], and those of [`query`](Self::query).
    pub async fn savepoint(&mut self, name: &str) -> Result<(), SessionError> {
        self.need_transaction()?;
        self.at_savepoint("SAVEPOINT", name).await
    }

    /// Rolls back what was done since the savepoint, which stays.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoSavepoint`], and those of [`query`](Self::query).
    pub async fn rollback_to(&mut self, name: &str) -> Result<(), SessionError> {
        self.need_savepoint(name)?;
        self.at_savepoint("ROLLBACK TO SAVEPOINT", name).await
    }

    /// Lets a savepoint go, with all that were set after it.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoSavepoint`], and those of [`query`](Self::query).
    pub async fn release(&mut self, name: &str) -> Result<(), SessionError> {
        self.need_savepoint(name)?;
        self.at_savepoint("RELEASE SAVEPOINT", name).await
    }

    async fn at_savepoint(&mut self, verb: &str, name: &str) -> Result<(), SessionError> {
        let quoted = name.replace('"', "\"\"");
        self.batch(&format!("{verb} \"{quoted}\"")).await.map(drop)
    }

    fn need_transaction(&self) -> Result<(), SessionError> {
        match self.inner.transaction_context()? {
            Some(_) => Ok(()),
            None => Err(SessionError::NoTransaction),
        }
    }

    fn need_savepoint(&self, name: &str) -> Result<(), SessionError> {
        self.need_transaction()?;
        let is_set = |state: &State| state.frames().savepoints().any(|other| **other == *name);
        match self.inner.look(is_set)? {
            true => Ok(()),
            false => Err(SessionError::NoSavepoint(name.to_owned())),
        }
    }

    /// The transaction that the session is in.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`].
    pub fn transaction_context(&self) -> Result<Option<TransactionContext>, SessionError> {
        self.inner.transaction_context()
    }
}
