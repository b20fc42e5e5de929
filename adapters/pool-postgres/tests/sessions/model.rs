//! Sessions against a model of the server's rules, by chance.
//!
//! The model knows what a user of a connection of his own would see: settings and role that a
//! rollback takes back to the savepoint, `SET LOCAL` until the end, statements that fail in a failed
//! transaction. It knows nothing of pools. Many sessions share few connections meanwhile, and some of
//! those are killed.

use crate::support::{code, kill, observer, sessions, until};
use pool_multiplex::{SessionOptions, Sessions};
use pool_postgres::{PostgresManager, Session, SessionError};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

const SESSIONS: usize = 30;
const CONNECTIONS: u32 = 4;
const OPERATIONS: usize = 4_000;

/// Settings with the values that they may get.
const SETTINGS: [(&str, [&str; 3]); 5] = [
    ("work_mem", ["5MB", "6MB", "7MB"]),
    ("app.id", ["one", "two", "it's three"]),
    ("search_path", ["public", "pg_catalog", "\"A b\", public"]),
    ("DateStyle", ["ISO, DMY", "German, DMY", "SQL, YMD"]),
    ("role", ["pg_monitor", "pg_read_all_data", "none"]),
];

const SEEDS: [u64; 4] = [0x5eed_0001, 0x5eed_0002, 0x5eed_0003, 0x5eed_0004];

/// Numbers that follow from a seed.
struct Chance(u64);

impl Chance {
    /// One below `end`.
    fn below(&mut self, end: usize) -> usize {
        // xorshift64*: good enough to mix operations.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % end
    }
}

/// What is set, and what covers it until the transaction ends.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Values {
    session: BTreeMap<usize, usize>,
    local: BTreeMap<usize, usize>,
}

/// A transaction as its user sees it.
#[derive(Clone, Debug)]
struct Open {
    now: Values,
    savepoints: Vec<(usize, Values)>,
    failed: bool,
}

#[derive(Clone, Default, Debug)]
struct Model {
    committed: BTreeMap<usize, usize>,
    open: Option<Open>,
}

const NAMES: [&str; 2] = ["a", "b"];

impl Model {
    fn failed(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.failed)
    }

    fn change(&mut self, change: impl FnOnce(&mut Values)) {
        match &mut self.open {
            Some(open) => change(&mut open.now),
            None => {
                let mut values = Values {
                    session: std::mem::take(&mut self.committed),
                    ..Values::default()
                };
                change(&mut values);
                // What is local ends with its statement.
                self.committed = values.session;
            }
        }
    }

    fn set(&mut self, setting: usize, value: usize) {
        self.change(|values| {
            values.session.insert(setting, value);
            values.local.remove(&setting);
        });
    }

    fn reset(&mut self, setting: usize) {
        self.change(|values| {
            values.session.remove(&setting);
            values.local.remove(&setting);
        });
    }

    fn reset_all(&mut self) {
        self.change(|values| {
            // RESET ALL leaves the role alone.
            values.session.retain(|setting, _| *setting == 4);
            values.local.retain(|setting, _| *setting == 4);
        });
    }

    fn set_local(&mut self, setting: usize, value: usize) {
        if let Some(open) = &mut self.open {
            open.now.local.insert(setting, value);
        }
    }

    fn begin(&mut self) {
        self.open = Some(Open {
            now: Values {
                session: self.committed.clone(),
                ..Values::default()
            },
            savepoints: Vec::new(),
            failed: false,
        });
    }

    fn commit(&mut self) {
        if let Some(open) = self.open.take()
            && !open.failed
        {
            self.committed = open.now.session;
        }
    }

    fn savepoint(&mut self, name: usize) {
        if let Some(open) = &mut self.open {
            open.savepoints.push((name, open.now.clone()));
        }
    }

    fn innermost(&self, name: usize) -> Option<usize> {
        let open = self.open.as_ref()?;
        open.savepoints
            .iter()
            .rposition(|(other, _)| *other == name)
    }

    fn roll_back_to(&mut self, at: usize) {
        if let Some(open) = &mut self.open {
            open.now = open.savepoints[at].1.clone();
            open.savepoints.truncate(at + 1);
            open.failed = false;
        }
    }

    fn release(&mut self, at: usize) {
        if let Some(open) = &mut self.open {
            open.savepoints.truncate(at);
        }
    }

    fn fail(&mut self) {
        if let Some(open) = &mut self.open {
            open.failed = true;
        }
    }

    /// The value of a setting, as the server would tell.
    fn shows(&self, setting: usize) -> &'static str {
        let (session, local) = match &self.open {
            Some(open) => (&open.now.session, open.now.local.get(&setting)),
            None => (&self.committed, None),
        };
        match local.or_else(|| session.get(&setting)) {
            Some(value) => SETTINGS[setting].1[*value],
            None => ["4MB", "", "\"$user\", public", "ISO, MDY", "none"][setting],
        }
    }
}

struct Player {
    session: Session,
    model: Model,
}

impl Player {
    async fn set(&mut self, chance: &mut Chance) {
        let (setting, value) = (chance.below(SETTINGS.len()), chance.below(3));
        let (name, values) = SETTINGS[setting];
        let text = values[value];
        let quoted = text.replace('\'', "''");
        let is_list = name == "search_path";
        let sql = match is_list || name == "DateStyle" {
            true => format!("SET {name} = {text}"),
            false => format!("SET {name} = '{quoted}'"),
        };
        let done = match chance.below(4) {
            0 => self.session.set(name, text).await.map(drop),
            1 => self.session.batch(&sql).await.map(drop),
            2 => {
                let sql = "SELECT set_config($1, $2, false)";
                self.session.query(sql, &[&name, &text]).await.map(drop)
            }
            _ => {
                let local = sql.replacen("SET", "SET LOCAL", 1);
                let done = self.session.batch(&local).await.map(drop);
                return self.after(done, |model| model.set_local(setting, value));
            }
        };
        self.after(done, |model| model.set(setting, value));
    }

    /// A statement that succeeds where one can.
    fn after(&mut self, done: Result<(), SessionError>, change: impl FnOnce(&mut Model)) {
        match (done, self.model.failed()) {
            (Ok(()), false) => change(&mut self.model),
            (Err(error), true) => assert_eq!(code(&error), "25P02", "{error:?}"),
            (done, failed) => panic!("{done:?}, failed: {failed}, {:?}", self.model),
        }
    }

    async fn reset(&mut self, chance: &mut Chance) {
        let setting = chance.below(SETTINGS.len());
        let (name, _) = SETTINGS[setting];
        match chance.below(3) {
            0 => {
                let done = self.session.batch("RESET ALL").await.map(drop);
                self.after(done, Model::reset_all);
            }
            1 => {
                let sql = format!("RESET {name}");
                let done = self.session.batch(&sql).await.map(drop);
                self.after(done, |model| model.reset(setting));
            }
            _ if !self.model.failed() => {
                let covered = self.model.open.as_ref();
                if covered.is_some_and(|open| open.now.local.contains_key(&setting)) {
                    // Whether it is covered then depends on whether it had been set before.
                    return;
                }
                self.session.reset(name).await.unwrap();
                self.model.reset(setting);
            }
            _ => {}
        }
    }

    async fn transaction(&mut self, chance: &mut Chance) {
        let by_text = chance.below(2) == 0;
        let session = &mut self.session;
        if self.model.open.is_none() {
            match by_text {
                true => session.batch("BEGIN").await.map(drop).unwrap(),
                false => session.begin(Default::default()).await.unwrap(),
            }
            return self.model.begin();
        }
        let failed = self.model.failed();
        match (chance.below(3), by_text) {
            (0, true) => session.batch("ROLLBACK").await.map(drop).unwrap(),
            (0, false) => session.rollback().await.unwrap(),
            (_, true) => {
                session.batch("COMMIT").await.map(drop).unwrap();
                return self.model.commit();
            }
            (_, false) => {
                assert_eq!(session.commit().await.is_err(), failed);
                return self.model.commit();
            }
        }
        self.model.open = None;
    }

    async fn savepoint(&mut self, chance: &mut Chance) {
        if self.model.open.is_none() {
            return;
        }
        let (which, name) = (chance.below(4), chance.below(2));
        let at = self.model.innermost(name);
        match (which, at) {
            (0 | 1, _) => {
                let done = self.session.savepoint(NAMES[name]).await;
                self.after(done, |model| model.savepoint(name));
            }
            (2, Some(at)) => {
                let done = self.session.release(NAMES[name]).await;
                self.after(done, |model| model.release(at));
            }
            (_, Some(at)) => {
                self.session.rollback_to(NAMES[name]).await.unwrap();
                self.model.roll_back_to(at);
            }
            (_, None) => {
                let error = self.session.rollback_to(NAMES[name]).await.unwrap_err();
                assert!(matches!(error, SessionError::NoSavepoint(_)), "{error:?}");
            }
        }
    }

    async fn error(&mut self, chance: &mut Chance) {
        let sql = [
            "SELECT 1/0",
            "SET work_mem = '5MB'; SELECT 1/0",
            "SET work_mem = 'much'",
        ][chance.below(3)];
        self.session.batch(sql).await.unwrap_err();
        self.model.fail();
    }

    /// The session has exactly what the model says.
    async fn check(&mut self) {
        const ALL: &str = "SELECT current_setting('work_mem'), \
            coalesce(current_setting('app.id', true), ''), current_setting('search_path'), \
            current_setting('DateStyle'), current_setting('role')";
        let said = self.session.query(ALL, &[]).await;
        if self.model.failed() {
            return assert_eq!(code(&said.unwrap_err()), "25P02");
        }
        let row = said.unwrap().pop().unwrap();
        for (setting, (name, _)) in SETTINGS.iter().enumerate() {
            let shown: &str = row.get(setting);
            assert_eq!(shown, self.model.shows(setting), "{name}, {:?}", self.model);
        }
    }

    /// The session goes to another connection, and has all that it had.
    async fn move_on(&mut self) {
        match self.model.open {
            None => self.session.migrate().await.unwrap(),
            Some(_) => {
                let error = self.session.migrate().await.unwrap_err();
                assert!(matches!(error, SessionError::Pinned { .. }), "{error:?}");
            }
        }
        self.check().await;
    }

    /// The connection is killed. A transaction is lost, and nothing else.
    async fn lose(&mut self, observer: &pool_postgres::PostgresConnection) {
        if self.model.failed() {
            return;
        }
        let victim = crate::support::pid(&mut self.session).await;
        kill(observer, victim).await;
        if self.model.open.take().is_some() {
            let error = self.session.query("SELECT 1", &[]).await.unwrap_err();
            assert!(
                matches!(error, SessionError::TransactionLost(_)),
                "{error:?}"
            );
        }
    }

    async fn step(&mut self, chance: &mut Chance) {
        match chance.below(100) {
            0..30 => self.set(chance).await,
            30..42 => self.reset(chance).await,
            42..58 => self.transaction(chance).await,
            58..76 => self.savepoint(chance).await,
            76..82 => self.error(chance).await,
            _ => {}
        }
        self.check().await;
    }
}

/// No more sessions are in a transaction than leave two connections free, to move between.
async fn make_room(players: &mut [Player], but: usize) {
    let open = |player: &Player| player.model.open.is_some();
    let in_transactions = players.iter().filter(|player| open(player)).count();
    if in_transactions < CONNECTIONS as usize - 2 || open(&players[but]) {
        return;
    }
    let first = players
        .iter_mut()
        .find(|player| player.model.open.is_some());
    if let Some(player) = first {
        player.session.rollback().await.unwrap();
        player.model.open = None;
    }
}

/// Plays alone, while others do the same.
async fn play_along(mut player: Player, mut chance: Chance) {
    for _ in 0..50 {
        player.step(&mut chance).await;
    }
    if player.model.open.take().is_some() {
        player.session.rollback().await.unwrap();
    }
    player.check().await;
}

async fn play(sessions: &Sessions<PostgresManager>, seed: u64) {
    let mut chance = Chance(seed);
    let observer = observer().await;
    let mut players: Vec<_> = (0..SESSIONS)
        .map(|_| Player {
            session: sessions.create_with(SessionOptions::new()).unwrap(),
            model: Model::default(),
        })
        .collect();
    for _ in 0..OPERATIONS / SEEDS.len() {
        let who = chance.below(SESSIONS);
        make_room(&mut players, who).await;
        match chance.below(100) {
            0 => players[who].lose(&observer).await,
            1..50 => players[who].move_on().await,
            _ => players[who].step(&mut chance).await,
        }
    }
    for player in &mut players {
        if player.model.open.take().is_some() {
            player.session.rollback().await.unwrap();
        }
    }
    for player in &mut players {
        player.check().await;
    }
}

#[tokio::test]
async fn thirty_sessions_on_four_connections_are_as_thirty_connections() {
    let sessions = sessions(CONNECTIONS).await;
    for seed in SEEDS {
        play(&sessions, seed).await;
    }
    let pool = sessions.pool().clone();
    until("all sessions are gone", async || pool.status().leased == 0).await;
    assert_eq!(sessions.statistics().sessions, 0);
    let mut fresh = Player {
        session: sessions.create().unwrap(),
        model: Model::default(),
    };
    fresh.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_so_too_when_all_are_at_work_at_once() {
    let sessions = sessions(CONNECTIONS).await;
    let mut tasks = JoinSet::new();
    for at in 1..=SESSIONS {
        let player = Player {
            session: sessions.create().unwrap(),
            model: Model::default(),
        };
        let seed = SEEDS[0] * u64::try_from(at).unwrap();
        tasks.spawn(play_along(player, Chance(seed)));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let pool = sessions.pool().clone();
    until("all sessions are gone", async || pool.status().leased == 0).await;
    assert_eq!(sessions.statistics().tainted, 0);
}
