//! The manager that leads to the fake, and what its calls fail with.

use pool_core::{Condition, ConnectCtx, ErrorClass, Manager, Vitals, WarmUp};

use super::backend::{FakeBackend, failure};
use super::conn::FakeConn;
use super::script::{Step, Then};

/// A call failed because the script said so or the server had ended the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of fake connection {connection} failed as {class:?}: see the test's script")]
#[non_exhaustive]
pub struct FakeError {
    /// What was asked.
    pub what: &'static str,
    /// What the script says the error means.
    pub class: ErrorClass,
    /// The back end's number of the connection.
    pub connection: u64,
}

impl FakeError {
    /// An error of a request that says nothing about its connection.
    #[must_use]
    pub const fn harmless() -> Self {
        Self {
            what: "request",
            class: ErrorClass::Harmless,
            connection: 0,
        }
    }
}

/// Opens and tends connections to a [`FakeBackend`].
#[derive(Clone, Debug)]
pub struct FakeManager {
    backend: FakeBackend,
}

impl FakeManager {
    pub(super) const fn new(backend: FakeBackend) -> Self {
        Self { backend }
    }

    /// The server it leads to.
    #[must_use]
    pub const fn backend(&self) -> &FakeBackend {
        &self.backend
    }

    /// Opens a connection outside of any pool: its number and epoch there are zero.
    ///
    /// # Errors
    ///
    /// When the script says so.
    pub async fn open(&self) -> Result<FakeConn, FakeError> {
        self.dial(0, 0, Vitals::deaf()).await
    }

    async fn dial(&self, pool_id: u64, epoch: u64, vitals: Vitals) -> Result<FakeConn, FakeError> {
        let (connecting, id) = Connecting::start(&self.backend);
        let then = self.backend.perform(Step::Connect, id).await;
        if let Then::Fail(class) = then {
            return Err(error(Step::Connect, class, id));
        }
        connecting.opened();
        let conn = FakeConn::open(&self.backend, id, (pool_id, epoch), vitals);
        if then == Then::Break {
            conn.side.kill();
        }
        Ok(conn)
    }

    /// Plays a check or a reset of `conn`.
    async fn tend(&self, conn: &FakeConn, step: Step) -> Result<(), FakeError> {
        let tended = conn.side.tend(step);
        let then = self.backend.perform(step, conn.id()).await;
        if then == Then::Break {
            conn.side.kill();
        }
        let lost = (!conn.is_alive()).then_some(ErrorClass::Connection);
        if let Some(class) = failure(then).or(lost) {
            return Err(error(step, class, conn.id()));
        }
        if matches!(step, Step::Reset | Step::ResetFully) {
            conn.side.clean();
        }
        tended.finish();
        Ok(())
    }
}

impl Manager for FakeManager {
    type Connection = FakeConn;
    type Error = FakeError;

    async fn connect(&self, cx: &ConnectCtx) -> Result<FakeConn, FakeError> {
        let vitals = cx.vitals.clone();
        self.dial(cx.connection_id, cx.epoch, vitals).await
    }

    async fn warm_up(&self, conn: &mut FakeConn, _: &WarmUp) -> Result<(), FakeError> {
        self.tend(conn, Step::WarmUp).await?;
        self.backend.count(|counts| counts.warmed_up += 1);
        Ok(())
    }

    async fn validate(&self, conn: &mut FakeConn) -> Result<(), FakeError> {
        self.tend(conn, Step::Validate).await?;
        self.backend.count(|counts| counts.validated += 1);
        Ok(())
    }

    async fn reset(&self, conn: &mut FakeConn) -> Result<(), FakeError> {
        self.tend(conn, Step::Reset).await?;
        self.backend.count(|counts| counts.reset += 1);
        Ok(())
    }

    async fn reset_fully(&self, conn: &mut FakeConn) -> Result<(), FakeError> {
        self.tend(conn, Step::ResetFully).await?;
        self.backend.count(|counts| counts.reset_fully += 1);
        Ok(())
    }

    async fn close(&self, conn: FakeConn) {
        conn.side.assert_unclaimed(Step::Close);
        let then = self.backend.perform(Step::Close, conn.id()).await;
        if then == Then::Succeed {
            self.backend.count(|counts| counts.closed_orderly += 1);
        }
    }

    fn condition(&self, conn: &mut FakeConn) -> Condition {
        let action = self.backend.next(Step::Condition, conn.id());
        assert!(!action.waits(), "the script lets a condition wait");
        match action.then {
            Then::Panic => panic!("the script of condition says so"),
            Then::Fail(_) => Condition::Broken,
            Then::Break => {
                conn.side.kill();
                Condition::Broken
            }
            Then::Succeed | Then::Hang => conn.side.condition(),
        }
    }

    fn classify(&self, error: &FakeError) -> ErrorClass {
        error.class
    }
}

const fn error(step: Step, class: ErrorClass, connection: u64) -> FakeError {
    FakeError {
        what: step.as_str(),
        class,
        connection,
    }
}

/// A connect under way; counts until it is dropped or opened.
struct Connecting<'a> {
    backend: &'a FakeBackend,
    is_open: bool,
}

impl<'a> Connecting<'a> {
    fn start(backend: &'a FakeBackend) -> (Self, u64) {
        let mut id = 0;
        backend.count(|counts| {
            counts.connects += 1;
            counts.connecting += 1;
            counts.peak_connecting = counts.peak_connecting.max(counts.connecting);
            counts.peak_total = counts.peak_total.max(counts.open + counts.connecting);
            id = counts.connects;
        });
        let is_open = false;
        (Self { backend, is_open }, id)
    }

    fn opened(mut self) {
        self.is_open = true;
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.backend.count(|counts| {
            counts.connecting -= 1;
            if self.is_open {
                counts.opened += 1;
                counts.open += 1;
                counts.peak_open = counts.peak_open.max(counts.open);
            }
        });
    }
}
