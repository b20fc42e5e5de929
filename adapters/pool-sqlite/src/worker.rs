//! The thread of a connection.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use futures_channel::oneshot;
use pool_core::{Vitals, WarmUp};
use pool_multiplex::{Done, Prelude};

use crate::database::{OpenDatabase, Shared};
use crate::error::Error;
use crate::mailbox::{Mailbox, Next, Session};
use crate::sessions::{self, Operation, Reply};
use crate::signals::Signals;
use crate::vitals::watched;
use crate::warm_up;

/// Something to do on the thread. It answers its caller itself.
pub(crate) type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// What the thread owns.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox<Job>>,
    /// Kept beside the database, because it says what became of a job that ended it.
    signals: Arc<Signals>,
    /// Missing once a job has panicked or the database could not be opened anew.
    database: Option<OpenDatabase>,
    /// What was done with the session when it was new, as far as that succeeded.
    warmth: WarmUp,
}

/// Starts a thread that opens the database, tells `opened`, and then serves `mailbox` until it is
/// told to stop.
pub(crate) fn start(
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox<Job>>,
    name: String,
    opened: oneshot::Sender<Result<(), Error>>,
) -> Result<(), Error> {
    let thread = thread::Builder::new().name(name).spawn(move || {
        let mut worker = Worker {
            shared,
            mailbox,
            signals: Arc::default(),
            database: None,
            warmth: WarmUp::new(),
        };
        let outcome = worker.open();
        let is_open = outcome.is_ok();
        // Nobody listening means that the connection has been dropped, which is a stop as well.
        drop(opened.send(outcome));
        if is_open {
            worker.serve();
        }
    });
    match thread {
        // The thread ends by itself; nobody joins it, because joining blocks.
        Ok(_detached) => Ok(()),
        Err(source) => Err(Error::Thread { source }),
    }
}

impl Worker {
    fn serve(&mut self) {
        while self.database.is_some() {
            match self.mailbox.next() {
                Next::Run(job) => job(self),
                Next::Close(closed) => {
                    let outcome = self.close();
                    self.mailbox.end();
                    if let Some(closed) = closed {
                        drop(closed.send(outcome));
                    }
                }
            }
        }
    }

    /// Does `work`, notes what it left behind, and gives its outcome. A panic closes the
    /// database, because a statement or a half-made change may have been unwound through.
    pub(crate) fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(outcome) => {
                self.settle();
                outcome
            }
            Err(payload) => {
                self.database = None;
                self.settle();
                Err(Error::Panicked {
                    message: message(payload.as_ref()),
                })
            }
        }
    }

    /// The open database.
    pub(crate) fn database(&mut self) -> Result<&mut OpenDatabase, Error> {
        self.database.as_mut().ok_or(Error::Ended)
    }

    /// Runs an operation of a session.
    pub(crate) fn perform(
        &mut self,
        vitals: &Vitals,
        prelude: &Prelude,
        operation: Operation,
    ) -> Done<Reply, Error> {
        let kind = operation.kind;
        let class = |outcome: &Result<Done<Reply, Error>, Error>| match outcome {
            Ok(done) => done
                .result
                .as_ref()
                .err()
                .map(|failed| failed.error.class()),
            Err(error) => Some(error.class()),
        };
        let done = self.attempt(|worker| {
            let work = || Ok(sessions::perform(worker.database()?, prelude, operation));
            watched(vitals, kind, work, class)
        });
        done.unwrap_or_else(|error| Done::failed(error, sessions::failure(&self.signals)))
    }

    /// Makes the session ready for its first user, and keeps in mind how.
    pub(crate) fn warm_up(&mut self, plan: &WarmUp) -> Result<(), Error> {
        let (done, outcome) = warm_up::perform(self.database()?, plan);
        self.warmth = done;
        outcome
    }

    /// Makes the session as good as new: by opening the file anew if it was changed or `renew` says
    /// so. Settings of sessions are put back.
    pub(crate) fn reset(&mut self, renew: bool) -> Result<(), Error> {
        let database = self.database()?;
        if !renew && !database.has_changed() && database.put_back()? {
            return Ok(());
        }
        self.close()?;
        self.open()?;
        let plan = std::mem::take(&mut self.warmth);
        self.warm_up(&plan)
    }

    fn open(&mut self) -> Result<(), Error> {
        self.database = Some(OpenDatabase::new(
            &self.shared,
            &self.mailbox,
            Arc::clone(&self.signals),
        )?);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.database.take().map_or(Ok(()), OpenDatabase::close)
    }

    fn settle(&self) {
        match &self.database {
            Some(database) => self.mailbox.settle(Session {
                transaction: database.in_transaction(),
                changed: database.has_changed(),
            }),
            None => self.mailbox.end(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // First the file, so that whoever sees the end may rely on it.
        self.database = None;
        self.mailbox.end();
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the panic carried no text".to_owned())
}
