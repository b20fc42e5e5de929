//! Makes a session ready before its first use, and again when its file is opened anew.
//!
//! Statements run in their order and others are compiled into the statement cache, all in one job on
//! the connection's thread. The session that is left counts as a fresh one from then on; a reset
//! that opens the file anew does the same again.
//!
//! A statement to prepare that changes the session when it runs is compiled and not kept: a change
//! is seen when a statement is compiled, so that one out of the cache would change the session
//! unseen.

use pool_core::WarmUp;

use crate::database::OpenDatabase;
use crate::error::Error;

/// Does what `plan` says, and says what of it succeeded. A failure stops nothing that is behind it.
pub(crate) fn perform(database: &mut OpenDatabase, plan: &WarmUp) -> (WarmUp, Result<(), Error>) {
    let mut done = WarmUp::new();
    let mut failed = None;
    for (at, text) in plan.statements().iter().enumerate() {
        match database.connection().execute_batch(text) {
            Ok(()) => done = done.execute(text),
            Err(error) => {
                failed.get_or_insert_with(|| Error::warm_up("execute", at + 1, &error));
            }
        }
    }
    database.take_as_fresh();
    for (at, text) in plan.prepared().iter().enumerate() {
        match database.prepare_for_later(text) {
            Ok(()) => done = done.prepare(text),
            Err(error) => {
                failed.get_or_insert_with(|| Error::warm_up("prepare", at + 1, &error));
            }
        }
    }
    (done, failed.map_or(Ok(()), Err))
}
