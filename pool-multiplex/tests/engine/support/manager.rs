//! The adapter of the fake server.

use super::backend::{Backend, Op, Values};
use super::pass;
use super::server::{Ran, Server, Turn};
use pool_core::{Condition, ConnectCtx, ErrorClass, Manager};
use pool_multiplex::{
    Done, Effect, Failure, Label, Prelude, Residue, Session, SessionManager, Settings,
    TransactionStatus,
};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct FakeError {
    pub(crate) what: &'static str,
}

/// What an operation gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// On which connection it ran.
    pub(crate) connection: u64,
    /// The settings that were there after it.
    pub(crate) settings: Values,
    /// The temporary objects that were.
    pub(crate) temporary: Vec<String>,
}

/// A connection.
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) backend: Backend,
    label: Label,
    server: Server,
    alive: Arc<AtomicBool>,
    in_flight: bool,
    dirty: bool,
}

impl Conn {
    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    fn lose(&self) {
        self.alive.store(false, Ordering::Relaxed);
        self.server.closed(self.id);
    }

    fn reply(&self) -> Reply {
        let scope = self.backend.scope();
        Reply {
            connection: self.id,
            settings: scope.settings.clone(),
            temporary: scope.temporary.iter().cloned().collect(),
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.server.closed(self.id);
    }
}

/// Leads to a [`Server`].
pub(crate) struct Fake {
    server: Server,
}

impl Fake {
    pub(crate) const fn new(server: Server) -> Self {
        Self { server }
    }

    /// Replays; false if that was refused.
    fn replay(&self, conn: &mut Conn, prelude: &Prelude, turn: Turn) -> bool {
        let has: Values = (prelude.has.iter())
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let there = &conn.backend.scope().settings;
        let failed = conn.backend.status() == TransactionStatus::Failed;
        assert_eq!(&has, there, "the label of a connection is what is on it");
        assert!(
            !failed || prelude.settings.is_empty(),
            "a failed transaction takes no settings"
        );
        if prelude.begin.is_some() {
            conn.backend.begin();
        }
        if turn == Turn::RefusePrelude {
            conn.backend.fail();
            return false;
        }
        for (name, value) in &prelude.settings.set {
            conn.backend.change(name, Some(value));
        }
        for name in &prelude.settings.reset {
            conn.backend.change(name, None);
        }
        true
    }

    /// Replay and operation as one unit.
    fn unit(
        &self,
        conn: &mut Conn,
        prelude: &Prelude,
        op: &Op,
        turn: Turn,
    ) -> Done<Reply, FakeError> {
        let in_transaction = conn.backend.status() != TransactionStatus::Idle;
        let before = conn.backend.clone();
        let refused = |conn: &mut Conn, failure| {
            let stays = conn.backend.status() != TransactionStatus::Idle;
            if !stays {
                conn.backend = before;
            }
            let effects = if stays { vec![Effect::Failed] } else { vec![] };
            Done::failed(self.server.error("refused"), failure)
                .effects(effects)
                .holds(in_transaction)
                .status(Some(conn.backend.status()))
        };
        if !self.replay(conn, prelude, turn) {
            return refused(conn, Failure::Prelude);
        }
        self.server.note(Ran {
            connection: conn.id,
            replayed: prelude.settings.len(),
            began: prelude.begin.is_some(),
            op: op.clone(),
        });
        match conn.backend.carry_out(op) {
            Some(effects) => {
                self.server.write(&mut conn.backend.written);
                Done::ok(conn.reply(), conn.backend.status()).effects(effects)
            }
            None => refused(conn, Failure::Operation),
        }
    }

    /// Whether a lost reply leaves it open what has happened.
    fn may_have_changed(conn: &Conn, op: &Op) -> bool {
        match op {
            Op::Commit => true,
            Op::Write(_) => conn.backend.status() == TransactionStatus::Idle,
            _ => false,
        }
    }
}

impl Manager for Fake {
    type Connection = Conn;
    type Error = FakeError;

    async fn connect(&self, cx: &ConnectCtx) -> Result<Conn, FakeError> {
        pass(self.server.round_trip).await;
        Ok(Conn {
            id: cx.connection_id,
            backend: Backend::default(),
            label: Label::new(),
            server: self.server.clone(),
            alive: self.server.open(cx.connection_id),
            in_flight: false,
            dirty: false,
        })
    }

    async fn validate(&self, conn: &mut Conn) -> Result<(), FakeError> {
        pass(self.server.round_trip).await;
        self.server.count_validation();
        match conn.is_alive() {
            true => Ok(()),
            false => Err(self.server.error("a check of a connection that is gone")),
        }
    }

    async fn reset(&self, conn: &mut Conn) -> Result<(), FakeError> {
        pass(self.server.round_trip).await;
        if !conn.is_alive() {
            return Err(self.server.error("reset of a connection that is gone"));
        }
        conn.backend = Backend::default();
        conn.label.clear();
        conn.dirty = false;
        self.server.count_reset();
        Ok(())
    }

    fn condition(&self, conn: &mut Conn) -> Condition {
        if !conn.is_alive() || conn.in_flight {
            Condition::Broken
        } else if conn.label.is_open() || conn.dirty {
            Condition::Dirty
        } else {
            Condition::Clean
        }
    }

    fn classify(&self, _: &FakeError) -> ErrorClass {
        ErrorClass::Connection
    }
}

impl SessionManager for Fake {
    type Session = Session<Self>;
    type Operation<'a> = Op;
    type Reply = Reply;

    fn nothing<'a>() -> Self::Operation<'a> {
        Op::Nothing
    }

    fn rollback<'a>() -> Self::Operation<'a> {
        Op::Rollback
    }

    fn identity(&self) -> String {
        "user@fake".to_owned()
    }

    fn label(conn: &mut Conn) -> &mut Label {
        &mut conn.label
    }

    fn accounted(&self, conn: &mut Conn) {
        conn.dirty = false;
    }

    async fn run(
        &self,
        conn: &mut Conn,
        prelude: Prelude,
        op: Self::Operation<'_>,
    ) -> Done<Reply, FakeError> {
        let turn = self.server.next_turn();
        conn.in_flight = true;
        conn.dirty = true;
        pass(self.server.round_trip).await;
        match turn {
            Turn::After(time) => pass(time).await,
            Turn::Hang => pending().await,
            Turn::LoseBefore => conn.lose(),
            _ => {}
        }
        if !conn.is_alive() {
            return Done::failed(self.server.error("lost before"), Failure::Lost);
        }
        let may_have_changed = Self::may_have_changed(conn, &op);
        let done = self.unit(conn, &prelude, &op, turn);
        if turn == Turn::LoseReply {
            conn.lose();
            let failure = match may_have_changed {
                true => Failure::Unknown,
                false => Failure::Lost,
            };
            return Done::failed(self.server.error("the reply is lost"), failure);
        }
        conn.in_flight = false;
        match turn {
            Turn::NoStatus => done.status(None),
            _ => done,
        }
    }

    async fn probe(&self, conn: &mut Conn, _: &Settings) -> Result<Residue, FakeError> {
        conn.in_flight = true;
        pass(self.server.round_trip).await;
        if !conn.is_alive() {
            return Err(self.server.error("lost before"));
        }
        conn.in_flight = false;
        self.server.count_probe();
        Ok(Residue::new(conn.backend.hidden.iter().cloned().collect()))
    }
}
