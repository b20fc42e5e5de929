//! A transaction of a session.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use pool_multiplex::TransactionStatus;

use super::job::{Operation, Task};
use super::session::{SessionError, SqliteSession};

/// A transaction of a session, from [`SqliteSession::transaction`]. It is the session meanwhile.
///
/// Dropped without a commit it is rolled back, without waiting: in the background where nothing else
/// keeps the session on its connection, else before the session's next call.
#[derive(Debug)]
pub struct SessionTransaction<'a> {
    session: &'a mut SqliteSession,
    ended: bool,
}

impl<'a> SessionTransaction<'a> {
    pub(super) const fn new(session: &'a mut SqliteSession) -> Self {
        Self {
            session,
            ended: false,
        }
    }

    /// Makes all of it so.
    ///
    /// # Errors
    ///
    /// As [`SqliteSession::call`]; then it is rolled back, unless its
    /// [outcome is unknown](pool_multiplex::Error::OutcomeUnknown).
    pub async fn commit(mut self) -> Result<(), SessionError> {
        self.end(true).await
    }

    /// Takes all of it back, but for settings.
    ///
    /// # Errors
    ///
    /// As [`SqliteSession::call`]. One that SQLite has rolled back already is no error.
    pub async fn rollback(mut self) -> Result<(), SessionError> {
        match self.end(false).await {
            Err(SessionError::NoTransaction) => Ok(()),
            outcome => outcome,
        }
    }

    async fn end(&mut self, commit: bool) -> Result<(), SessionError> {
        if !self.session.base_mut().end_unbegun(commit)? {
            let task = match commit {
                true => Task::Commit,
                false => Task::Rollback,
            };
            self.session.run(Operation::new(task)).await?;
        }
        self.ended = true;
        Ok(())
    }

    /// Sets a savepoint. Names may be used again: the later hides the earlier. Case does not matter.
    ///
    /// # Errors
    ///
    /// As [`SqliteSession::call`].
    pub async fn savepoint(&mut self, name: &str) -> Result<(), SessionError> {
        let task = Task::Savepoint(folded(name));
        self.run_in_it(task).await
    }

    /// Lets go of a savepoint and of all that were set after it; what was done since stays.
    ///
    /// # Errors
    ///
    /// [`NoSavepoint`](pool_multiplex::Error::NoSavepoint); else as [`SqliteSession::call`].
    pub async fn release(&mut self, name: &str) -> Result<(), SessionError> {
        let name = self.known(name)?;
        self.run_in_it(Task::Release(name)).await
    }

    /// Takes back what was done since a savepoint, but for settings. The savepoint is still there.
    ///
    /// # Errors
    ///
    /// [`NoSavepoint`](pool_multiplex::Error::NoSavepoint); else as [`SqliteSession::call`].
    pub async fn rollback_to(&mut self, name: &str) -> Result<(), SessionError> {
        let name = self.known(name)?;
        self.run_in_it(Task::RollbackTo(name)).await
    }

    async fn run_in_it(&mut self, task: Task) -> Result<(), SessionError> {
        if self.session.base().status()? == TransactionStatus::Idle {
            return Err(SessionError::NoTransaction);
        }
        self.session.run(Operation::new(task)).await.map(drop)
    }

    fn known(&self, name: &str) -> Result<Arc<str>, SessionError> {
        let folded = folded(name);
        let is_known = self.session.base().look(|state| {
            let mut names = state.frames().savepoints();
            names.any(|known| *known == folded)
        })?;
        match is_known {
            true => Ok(folded),
            false => Err(SessionError::NoSavepoint(name.to_owned())),
        }
    }
}

/// SQLite knows savepoints without regard to case.
fn folded(name: &str) -> Arc<str> {
    name.to_ascii_lowercase().into()
}

impl Deref for SessionTransaction<'_> {
    type Target = SqliteSession;

    fn deref(&self) -> &SqliteSession {
        self.session
    }
}

impl DerefMut for SessionTransaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteSession {
        self.session
    }
}

impl Drop for SessionTransaction<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // What fails here has no transaction any more, and says so at the next call.
            let _ = self.session.roll_back_later();
        }
    }
}
