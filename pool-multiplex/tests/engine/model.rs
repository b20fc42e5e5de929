//! Sessions by chance, each beside a connection that it has to itself: it must not be able to tell.
//!
//! Twenty sessions share three connections, driven by five tasks. Connections are killed, replies cut,
//! settings refused, futures dropped. Beside each session runs a model, which is the server's own end
//! of one connection: what the session reads, what pins it and what it is told must fit to that.

use crate::support::{Backend, Fake, Op, Server, Turn, beside, builder, pass};
use pool_core::Pool;
use pool_multiplex::{
    Error, Modes, Pins, Session, SessionConfig, SessionPool, Sessions, TransactionStatus, Work,
};
use pool_testkit::simulation::Chance;
use std::collections::BTreeSet;
use std::time::Duration;

const CONNECTIONS: u32 = 3;
const TASKS: usize = 5;
const SESSIONS: usize = 4;
const OPERATIONS: usize = 500;

/// A session and the connection that it should seem to have.
struct One {
    session: Session<Fake>,
    model: Backend,
    /// It was in a transaction when a future of its was dropped.
    to_be_told: bool,
    rows: Vec<u64>,
    doubtful: BTreeSet<u64>,
}

fn name(chance: &mut Chance) -> String {
    ["a", "b", "role"][chance.below(3)].to_owned()
}

fn value(chance: &mut Chance) -> String {
    chance.below(4).to_string()
}

fn any_op(chance: &mut Chance, row: u64) -> Op {
    match chance.below(20) {
        0..4 => Op::Set(name(chance), value(chance)),
        4 => Op::Reset(name(chance)),
        5 | 6 => Op::Begin,
        7..10 => Op::Commit,
        10 => Op::Rollback,
        11 => Op::Savepoint("s".to_owned()),
        12 => Op::RollbackTo("s".to_owned()),
        13 => Op::CreateTemporary("t".to_owned()),
        14 => Op::DropTemporary("t".to_owned()),
        15 if chance.happens(0.3) => Op::Lock,
        15 => Op::Unlock,
        16 => Op::Wrong,
        17 if chance.happens(0.2) => Op::Stain,
        17 | 18 => Op::Write(row),
        _ => Op::Show,
    }
}

fn any_turn(chance: &mut Chance) -> Turn {
    match chance.below(100) {
        0 => Turn::LoseBefore,
        1 => Turn::LoseReply,
        2 => Turn::RefusePrelude,
        3 => Turn::After(Duration::from_millis(3)),
        _ => Turn::Run,
    }
}

impl One {
    fn new(sessions: &Sessions<Fake>) -> Self {
        Self {
            session: sessions.create().expect("there is room"),
            model: Backend::default(),
            to_be_told: false,
            rows: Vec::new(),
            doubtful: BTreeSet::new(),
        }
    }

    /// What `op` would make everybody's if it were carried out.
    fn would_write(&self, op: &Op) -> Vec<u64> {
        let mut model = self.model.clone();
        let _ = model.carry_out(op);
        model.written
    }

    async fn step(&mut self, chance: &mut Chance, op: Op) {
        if chance.happens(0.1) && self.model.status() == TransactionStatus::Idle && !self.to_be_told
        {
            self.session
                .begin(Modes::default())
                .await
                .expect("it is in none");
            self.model.begin();
        }
        let limit = match chance.happens(0.05) {
            true => Duration::from_micros(100 + 200 * chance.below(10) as u64),
            false => Duration::from_secs(10),
        };
        let running = self.session.run(op.clone(), Work::default());
        match tokio::time::timeout(limit, running).await {
            Ok(Ok(reply)) => {
                assert!(!self.to_be_told, "it was told nothing");
                assert!(self.model.carry_out(&op).is_some(), "{op:?} is refused");
                self.rows.append(&mut self.model.written);
                let expected = self.model.scope();
                // An end of a transaction reads nothing: what was replayed in it may be gone.
                if !matches!(op, Op::Commit | Op::Rollback) {
                    assert_eq!(reply.settings, expected.settings, "after {op:?}");
                }
                assert!(
                    reply.temporary.iter().eq(&expected.temporary),
                    "after {op:?}"
                );
            }
            Ok(Err(error)) => self.failed(&op, &error),
            Err(_) => self.dropped(&op),
        }
        assert_eq!(
            self.session.pins().ok(),
            Some(self.model.pins()),
            "after {op:?}"
        );
        assert_eq!(self.session.status().ok(), Some(self.model.status()));
    }

    fn failed(&mut self, op: &Op, error: &Error<crate::support::FakeError>) {
        let in_transaction = self.model.status() != TransactionStatus::Idle;
        match error {
            Error::Pool(_) => {}
            Error::Interrupted => assert!(std::mem::take(&mut self.to_be_told)),
            Error::Operation(_) => {
                assert!(self.model.carry_out(op).is_none(), "{op:?} is not refused");
            }
            Error::Prelude(_) => self.model.fail(),
            Error::Lost(_) => {
                assert!(!in_transaction);
                self.model.lose();
            }
            Error::TransactionLost(_) => {
                assert!(in_transaction);
                self.model.lose();
            }
            Error::OutcomeUnknown(_) => {
                self.doubtful.extend(self.would_write(op));
                self.model.lose();
            }
            error => panic!("{op:?} failed with {error:?}"),
        }
    }

    /// Nothing of the operation counts; whether it was at work is seen by what is gone.
    fn dropped(&mut self, op: &Op) {
        self.doubtful.extend(self.would_write(op));
        if self
            .session
            .pins()
            .is_ok_and(|pins| pins != self.model.pins())
        {
            self.to_be_told = self.model.status() != TransactionStatus::Idle;
            self.model.lose();
        }
        assert_eq!(self.session.pins().ok(), Some(self.model.pins()));
    }

    /// Brings it to where nothing pins it.
    async fn end(&mut self, chance: &mut Chance) {
        while self.to_be_told || self.model.pins() != Pins::NONE {
            for op in [Op::Rollback, Op::Unlock, Op::DropTemporary("t".to_owned())] {
                self.step(chance, op).await;
            }
        }
    }
}

async fn drive(number: usize, seed: u64, sessions: Sessions<Fake>, server: Server) -> Vec<One> {
    let mut chance = Chance::new(seed, &format!("task {number}"));
    let mut all: Vec<One> = (0..SESSIONS).map(|_| One::new(&sessions)).collect();
    for operation in 0..OPERATIONS {
        let row = (number * OPERATIONS + operation) as u64;
        let op = any_op(&mut chance, row);
        server.script([any_turn(&mut chance)]);
        if chance.happens(0.01) {
            let connections = server.connections();
            if !connections.is_empty() {
                server.kill(connections[chance.below(connections.len())]);
            }
        }
        all[chance.below(SESSIONS)].step(&mut chance, op).await;
    }
    for one in &mut all {
        one.end(&mut chance).await;
    }
    all
}

async fn assert_all_is_free(sessions: &Sessions<Fake>) {
    pass(Duration::from_secs(1)).await;
    let statistics = sessions.statistics();
    assert_eq!((statistics.attached, statistics.pinned), (0, vec![]));
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let lease = sessions.pool().acquire().await.expect("none was lost");
        assert!(lease.backend.is_new(), "it is clean");
        held.push(lease);
    }
}

fn assert_rows(server: &Server, all: &[One]) {
    let rows = server.rows();
    let there: BTreeSet<u64> = rows.iter().copied().collect();
    assert_eq!(there.len(), rows.len(), "nothing was written twice");
    let confirmed: BTreeSet<u64> = all
        .iter()
        .flat_map(|one| one.rows.iter().copied())
        .collect();
    assert!(there.is_superset(&confirmed), "what was confirmed is there");
    let doubtful: BTreeSet<u64> = all
        .iter()
        .flat_map(|one| one.doubtful.iter().copied())
        .collect();
    let unexplained: Vec<_> = there
        .difference(&confirmed)
        .filter(|row| !doubtful.contains(row))
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:?} were taken back");
}

async fn play(seed: u64) {
    let server = Server::new();
    let config = SessionConfig::new().session_timeout(None);
    let pool: Pool<Fake> = builder(&server, CONNECTIONS)
        .acquire_timeout(Duration::from_millis(50))
        .extension(config)
        .build()
        .await
        .expect("nothing is opened yet");
    let sessions = pool.sessions();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| beside(drive(number, seed, sessions.clone(), server.clone())))
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("the model agrees"));
    }
    assert_rows(&server, &all);
    assert_all_is_free(&sessions).await;
    drop(all);
    let statistics = sessions.statistics();
    assert_eq!(statistics.sessions, 0);
    assert_eq!(statistics.created, statistics.destroyed);
    assert!(
        statistics.transactions_lost > 0,
        "the weather was bad enough"
    );
    assert!(statistics.same_connection < statistics.attaches);
}

#[tokio::test(start_paused = true)]
async fn a_session_cannot_tell_that_its_connection_is_not_its_own() {
    for seed in 1..=5 {
        play(seed).await;
    }
}
