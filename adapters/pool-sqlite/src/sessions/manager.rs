//! What sessions need from SQLite.

use pool_multiplex::{Done, Label, Prelude, Residue, SessionManager, Settings};

use super::job::{Operation, Reply, Task};
use super::session::SqliteSession;
use crate::connection::SqliteConnection;
use crate::error::Error;
use crate::manager::SqliteManager;

impl SessionManager for SqliteManager {
    type Session = SqliteSession;
    type Operation<'a> = Operation;
    type Reply = Reply;

    fn nothing<'a>() -> Self::Operation<'a> {
        Operation::new(Task::Nothing)
    }

    fn rollback<'a>() -> Self::Operation<'a> {
        Operation::new(Task::Rollback)
    }

    fn identity(&self) -> String {
        self.name_of_database()
    }

    fn label(conn: &mut SqliteConnection) -> &mut Label {
        conn.label()
    }

    /// Nothing to do: the thread accounts for each job when it ends, and calls the connection clean if
    /// nothing but settings is left.
    fn accounted(&self, _conn: &mut SqliteConnection) {}

    async fn run(
        &self,
        conn: &mut SqliteConnection,
        prelude: Prelude,
        operation: Self::Operation<'_>,
    ) -> Done<Reply, Error> {
        conn.perform(prelude, operation).await
    }

    /// The thread's own books say what ought to be there.
    async fn probe(
        &self,
        conn: &mut SqliteConnection,
        _expected: &Settings,
    ) -> Result<Residue, Error> {
        conn.probe().await
    }
}
