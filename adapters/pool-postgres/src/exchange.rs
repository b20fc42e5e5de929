//! What the server said to a few requests, beside what the driver makes of it.
//!
//! ```text
//! begin an exchange ─ send ─ await the driver's answers ─ take the record
//! ```
//!
//! The driver's answers say whether a call failed. The record says what happened: which statements
//! of a script were done, whether a COMMIT committed, what the status is. See
//! [the watch](crate::watch) for why it can be trusted, and when.

use crate::connection::PostgresConnection;
use crate::error::Error;
use crate::watch::{Look, Record, Status};

/// A recording of what the server says. Dropping it ends the recording.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    conn: &'a PostgresConnection,
}

impl PostgresConnection {
    /// Begins to record what the server says to each request sent from now on.
    ///
    /// To be called when no request is left in the driver's queue: each one sent before has got its
    /// answer or its error. What of these answers is still to come is not recorded. One exchange at a
    /// time.
    pub(crate) fn exchange(&self) -> Exchange<'_> {
        self.watch().record();
        Exchange { conn: self }
    }

    /// Waits until nothing is outstanding, without asking the server for anything; the transaction
    /// status is then certain. Nobody may hold a stream of rows that he does not read. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection is lost.
    pub(crate) async fn answered(&self) -> Result<Status, Error> {
        match self.watch().answered().await {
            Look::Settled(status) => Ok(status),
            _ => Err(Error::Closed),
        }
    }
}

impl Exchange<'_> {
    /// Waits until nothing is outstanding, and tells what was said. Of a connection that is lost
    /// ([`Look::Lost`]) the record holds what was answered to the end before. Otherwise the look is
    /// [`Look::Settled`]. Cancel safe, and ends the recording.
    pub(crate) async fn recorded(self) -> (Look, Record) {
        let look = self.conn.watch().answered().await;
        (look, self.conn.watch().take_record())
    }

    /// The same without waiting, for an owner who saw every request of his answered to its end: each
    /// call that he made has succeeded, and none was a mere preparation. None if that is not so.
    pub(crate) fn recorded_now(&self) -> Option<(Look, Record)> {
        match self.conn.watch().look_when_answered() {
            Look::Working | Look::Uncertain => None,
            look => Some((look, self.conn.watch().take_record())),
        }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        self.conn.watch().end_record();
    }
}

#[cfg(test)]
mod tests;
