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
use crate::watch::{Look, Record, Status, WireCounts};

/// A recording of what the server says. Dropping it ends the recording.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    conn: &'a PostgresConnection,
    /// Messages sent before.
    before: WireCounts,
}

impl PostgresConnection {
    /// Begins to record what the server says to each request sent from now on.
    ///
    /// To be called when no request is left in the driver's queue: each one sent before has got its
    /// answer or its error. What of these answers is still to come is not recorded. One exchange at a
    /// time.
    pub(crate) fn exchange(&self) -> Exchange<'_> {
        self.begin_call();
        let before = self.wire_counts();
        self.watch().record();
        Exchange { conn: self, before }
    }

    /// The transaction status, for an owner none of whose calls is pending. Unknown if the connection
    /// is lost, or the end of an answer is still on its way.
    pub(crate) fn status_when_answered(&self) -> Status {
        match self.watch().look_when_answered() {
            Look::Settled(status) => status,
            _ => Status::Unknown,
        }
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

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// [`Look::Settled`] with the status that is now certain, or [`Look::Lost`].
    pub(crate) look: Look,
    /// Of a connection that is lost it holds what was answered to the end before.
    pub(crate) record: Record,
    /// What was sent since the exchange began.
    pub(crate) sent: WireCounts,
}

impl Exchange<'_> {
    /// Waits until nothing is outstanding, and tells what was said. Cancel safe; ends the recording.
    pub(crate) async fn recorded(self) -> Said {
        let look = self.conn.watch().answered().await;
        self.take(look).await
    }

    /// The same for an owner none of whose calls is pending: each request was then written, or came
    /// to nothing before, and it is enough that those written are answered. That spares the wait for
    /// the driver, which may still be finishing the poll that brought the last answer.
    pub(crate) async fn finished(self) -> Said {
        match self.conn.watch().look_when_answered() {
            Look::Working | Look::Uncertain => self.recorded().await,
            look => self.take(look).await,
        }
    }

    async fn take(self, look: Look) -> Said {
        let watch = self.conn.watch();
        if look == Look::Lost {
            // Until the driver's last poll is over it may still send.
            let _ = watch.settled().await;
        } else {
            self.conn.end_call();
        }
        Said {
            look,
            record: watch.take_record(),
            sent: watch.wire_counts().since(&self.before),
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
