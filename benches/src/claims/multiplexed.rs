//! Sessions on a pool in model time, on a server that only takes time.
//!
//! Pool and sessions are the real ones. The server is reckoned: a round trip takes 1 ms; what is sent
//! together takes one together, and the server's own work: 10 µs for a setting, 50 µs for a statement
//! that has to be prepared. Those who replay one by one take a round trip for each.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pool_core::{Condition, ConnectCtx, Manager};
use pool_facade::Clock;
use pool_multiplex::{
    Done, Label, Prelude, Residue, Session, SessionManager, SessionOptions, Settings,
    TransactionStatus,
};
use pool_testkit::clock::ManualClock;

/// A round trip without work.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(1);
/// The server's work for one setting.
pub(crate) const SETTING: Duration = Duration::from_micros(10);
/// The server's work to prepare one statement.
pub(crate) const STATEMENT: Duration = Duration::from_micros(50);

/// Leads to the server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    clock: ManualClock,
    round_trip: Duration,
    /// Nothing takes time.
    timeless: bool,
    /// Whose queries it works on.
    at_work: Arc<Mutex<HashSet<u64>>>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    label: Label,
    prepared: HashSet<u32>,
    /// The session that was on it last.
    user: u64,
}

/// A query of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    /// Who asks.
    pub(crate) user: u64,
    /// What is asked; 0 for something that is not prepared.
    pub(crate) statement: u32,
    /// How long the server works on it.
    pub(crate) work: Duration,
}

/// What there is to know of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// When its session had a connection.
    pub(crate) began: Instant,
    /// Which one.
    pub(crate) connection: u64,
    /// The session that was on it before.
    pub(crate) after: u64,
    /// Settings that were replayed.
    pub(crate) replayed: usize,
}

impl Server {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self {
            clock,
            round_trip: ROUND_TRIP,
            timeless: false,
            at_work: Arc::default(),
        }
    }

    /// One that is so near that a round trip counts as work.
    pub(crate) fn near(clock: ManualClock) -> Self {
        Self {
            round_trip: Duration::ZERO,
            ..Self::new(clock)
        }
    }

    /// One on which nothing takes any time: its clock need not move.
    pub(crate) fn timeless(clock: ManualClock) -> Self {
        Self {
            timeless: true,
            ..Self::new(clock)
        }
    }

    /// Whether it works for this session.
    pub(crate) fn is_at_work(&self, user: u64) -> bool {
        self.at_work().contains(&user)
    }

    fn at_work(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.show()
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        if time.is_zero() || self.timeless {
            return;
        }
        let mut timer = self.clock.timer();
        timer.reset(self.clock.show() + time);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
    }
}

impl Manager for Server {
    type Connection = Connection;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<Connection, Infallible> {
        Ok(Connection {
            id: cx.connection_id,
            label: Label::new(),
            prepared: HashSet::new(),
            user: 0,
        })
    }

    async fn reset(&self, conn: &mut Connection) -> Result<(), Infallible> {
        self.sleep(self.round_trip).await;
        conn.label.clear();
        Ok(())
    }

    fn condition(&self, conn: &mut Connection) -> Condition {
        match conn.label.is_open() {
            true => Condition::Dirty,
            false => Condition::Clean,
        }
    }
}

impl SessionManager for Server {
    type Session = Session<Self>;
    type Operation<'a> = Query;
    type Reply = Ran;

    fn nothing<'a>() -> Self::Operation<'a> {
        Query {
            user: 0,
            statement: 0,
            work: Duration::ZERO,
        }
    }

    /// No transaction is ever begun here.
    fn rollback<'a>() -> Self::Operation<'a> {
        Self::nothing()
    }

    fn identity(&self) -> String {
        "model".to_owned()
    }

    fn label(conn: &mut Connection) -> &mut Label {
        &mut conn.label
    }

    fn accounted(&self, _: &mut Connection) {}

    /// Settings, statement and query at once.
    async fn run(
        &self,
        conn: &mut Connection,
        prelude: Prelude,
        query: Self::Operation<'_>,
    ) -> Done<Ran, Infallible> {
        let ran = Ran {
            began: self.now(),
            connection: conn.id,
            after: std::mem::replace(&mut conn.user, query.user),
            replayed: prelude.settings.len(),
        };
        let mut takes = self.round_trip + query.work;
        takes += SETTING * u32::try_from(ran.replayed).unwrap_or(u32::MAX);
        let is_new = query.statement != 0 && conn.prepared.insert(query.statement);
        if is_new {
            takes += STATEMENT;
        }
        self.at_work().insert(query.user);
        self.sleep(takes).await;
        self.at_work().remove(&query.user);
        let mut done = Done::ok(ran, TransactionStatus::Idle);
        if is_new {
            done.cached.push(query.statement);
        }
        done
    }

    async fn probe(&self, _: &mut Connection, _: &Settings) -> Result<Residue, Infallible> {
        Ok(Residue::default())
    }
}

/// What a session begins with: so many settings, all of them its own.
pub(crate) fn own_settings(session: u64, settings: usize) -> SessionOptions {
    (0..settings).fold(SessionOptions::new(), |options, number| {
        options.setting(format!("app.setting{number}"), format!("{session}"))
    })
}
