//! Connections that sessions share.

use super::Session;
use super::operation::{Ask, Operation, Reply};
use super::residue::find;
use super::run::run;
use crate::connection::PostgresConnection;
use crate::error::Error;
use crate::manager::PostgresManager;
use crate::watch::Taint;
use pool_multiplex::{Done, Label, Prelude, Residue, SessionManager, Settings};

impl SessionManager for PostgresManager {
    type Session = Session;
    type Operation<'a> = Operation<'a>;
    type Reply = Reply;

    fn nothing<'a>() -> Operation<'a> {
        Operation(Ask::Nothing)
    }

    fn rollback<'a>() -> Operation<'a> {
        Operation(Ask::Rollback)
    }

    /// `user@database`.
    fn identity(&self) -> String {
        let user = self.config.get_user().unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or(user);
        format!("{user}@{database}")
    }

    fn label(conn: &mut PostgresConnection) -> &mut Label {
        conn.label_mut()
    }

    fn accounted(&self, conn: &mut PostgresConnection) {
        // What no command takes back is never accounted for: the connection is closed.
        conn.stay().left();
        if !conn.watch().taint().has(Taint::LASTING) {
            conn.mark_clean();
        }
    }

    /// In one round trip, unless types are not known yet, or a value has to be read back.
    async fn run(
        &self,
        conn: &mut PostgresConnection,
        prelude: Prelude,
        operation: Self::Operation<'_>,
    ) -> Done<Reply, Error> {
        run(conn, &prelude, operation.0).await
    }

    /// Settings, cursors, temporary objects, prepared statements and locks that are on the connection
    /// and not in its label, by one query. It cannot see settings of made-up names (`app.id`), the
    /// seed of `random()`, values of sequences, and what libraries keep.
    async fn probe(
        &self,
        conn: &mut PostgresConnection,
        expected: &Settings,
    ) -> Result<Residue, Error> {
        find(conn, expected).await
    }
}
