//! The rules that every adapter keeps, kept by the scripted backend: a rule that it cannot pass is
//! wrong, or the pool is.

use std::future::pending;

use pool_facade::ErrorClass;
use pool_testkit::conformance::{Killable, Refusing, Subject, Unreachable};
use pool_testkit::conformance_suite;
use pool_testkit::fake::{Action, FakeBackend, FakeConn, FakeError, FakeManager, Step};

struct Fake(FakeBackend);

impl Subject for Fake {
    type Manager = FakeManager;

    async fn start() -> Self {
        Self(FakeBackend::new())
    }

    fn manager(&self) -> FakeManager {
        self.0.manager()
    }

    async fn open_now(&self) -> usize {
        self.0.connections().len()
    }

    fn identity(conn: &FakeConn) -> u64 {
        conn.id()
    }

    async fn ping(conn: &mut FakeConn) -> Result<(), FakeError> {
        let _owned = conn.own();
        conn.work().await
    }

    async fn slow(_conn: &mut FakeConn) -> Result<(), FakeError> {
        pending().await
    }

    async fn begin(conn: &mut FakeConn) {
        conn.begin();
    }

    async fn written(conn: &mut FakeConn) -> usize {
        usize::from(conn.in_transaction())
    }

    async fn leave_residue(conn: &mut FakeConn) -> usize {
        conn.leave("a setting");
        conn.leave("a lock");
        2
    }

    async fn residue(conn: &mut FakeConn) -> Vec<String> {
        conn.residue()
    }
}

impl Killable for Fake {
    async fn kill(&self, identity: u64) {
        // Without a word, so that only a check can tell.
        assert!(self.0.kill_unnoticed(identity));
    }
}

fn failing(class: ErrorClass) -> FakeManager {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, move |_| Action::fail(class));
    backend.manager()
}

impl Refusing for Fake {
    fn refused(&self) -> FakeManager {
        failing(ErrorClass::Permanent)
    }
}

impl Unreachable for Fake {
    fn unreachable(&self) -> FakeManager {
        failing(ErrorClass::Endpoint)
    }
}

conformance_suite! { Fake;
    killed_connection_is_replaced,
    permanent_connect_error_reaches_waiters_at_once,
    transient_connect_error_is_retried_and_told,
}
