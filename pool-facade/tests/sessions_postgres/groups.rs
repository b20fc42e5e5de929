//! Sessions in groups that share their settings: how many settings are sent.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use pool_facade::affinity::Affinity;
use pool_facade::postgres::{PostgresManager, Session};
use pool_facade::sessions::Sessions;
use pool_facade::{SessionPool as _, Status};
use tokio::task::JoinSet;

use crate::support::{Log, PostgresPool, builder, server, wired};

const GROUPS: usize = 8;
const CONNECTIONS: u32 = 8;
/// Settings of a group.
const SETTINGS: [&str; 3] = ["app.tenant", "search_path", "work_mem"];
/// Sessions of a group that one client has.
const SESSIONS: usize = 4;

/// Statements, any of which a transaction may run.
const STATEMENTS: usize = 20;

/// Transactions that are not counted, and that are.
const WARM_UP: usize = 800;
const COUNTED: usize = if cfg!(debug_assertions) {
    2_000
} else {
    10_000
};

const LOOK: &str = "SELECT current_setting('app.tenant'), current_setting('search_path'), \
    current_setting('work_mem')";

/// How the groups are spread over the clients.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// One client for each.
    OneEach,
    /// So many clients, each of which chooses anew each time.
    Random(usize),
}

/// What a load came to.
#[derive(Debug)]
struct Figures {
    /// Settings sent per transaction, by the pool's own account and by the server's log.
    known: f64,
    seen: f64,
    status: Status,
}

fn values(group: usize) -> [String; SETTINGS.len()] {
    let memory = format!("{}MB", group + 5);
    [format!("tenant-{group}"), format!("group_{group}"), memory]
}

async fn member(sessions: &Sessions<PostgresManager>, group: usize) -> Session {
    let mut session = sessions.create().unwrap();
    for (name, value) in SETTINGS.into_iter().zip(values(group)) {
        session.set(name, &value).await.unwrap();
    }
    session
}

/// One transaction, in which the session sees what its group has set.
async fn transact(session: &mut Session, group: usize, statement: usize) {
    let look = format!("{LOOK} WHERE {statement} = {statement}");
    let mut transaction = session.transaction().await.unwrap();
    let row = transaction.query_one(&look, &[]).await.unwrap();
    let seen = [0, 1, 2].map(|at| row.get::<_, String>(at));
    transaction.commit().await.unwrap();
    assert_eq!(seen, values(group));
}

/// Somebody who runs one transaction after another.
struct Client {
    /// By group; those that are not its own are empty.
    groups: Vec<Vec<Session>>,
    own: Vec<usize>,
    chance: fastrand::Rng,
}

impl Client {
    async fn new(sessions: &Sessions<PostgresManager>, number: usize, load: Load) -> Self {
        let (own, each): (Vec<_>, _) = match load {
            Load::OneEach => (vec![number], SESSIONS),
            Load::Random(_) => ((0..GROUPS).collect(), 1),
        };
        let mut groups: Vec<Vec<_>> = (0..GROUPS).map(|_| Vec::new()).collect();
        for &group in &own {
            for _ in 0..each {
                groups[group].push(member(sessions, group).await);
            }
        }
        Self {
            groups,
            own,
            chance: fastrand::Rng::with_seed(number as u64),
        }
    }

    /// Lets others go first, the longer the higher its number: otherwise each would take the connection
    /// again that it has just left, and all would do as much.
    async fn pause(&mut self) {
        for _ in 0..self.chance.usize(..4 + 4 * self.own[0]) {
            tokio::task::yield_now().await;
        }
    }

    /// Goes on until all clients together have done what is to be done, so that none is ever alone.
    async fn run(&mut self, left: &AtomicUsize) {
        let one = |left: usize| left.checked_sub(1);
        while left.fetch_update(Relaxed, Relaxed, one).is_ok() {
            let group = self.own[self.chance.usize(..self.own.len())];
            let members = &mut self.groups[group];
            let member = self.chance.usize(..members.len());
            let statement = self.chance.usize(..STATEMENTS);
            transact(&mut members[member], group, statement).await;
            if self.own.len() == 1 {
                self.pause().await;
            }
        }
    }
}

/// All clients at once.
async fn all(clients: Vec<Client>, transactions: usize) -> Vec<Client> {
    let left = Arc::new(AtomicUsize::new(transactions));
    let mut running = JoinSet::new();
    for mut client in clients {
        let left = Arc::clone(&left);
        running.spawn(async move {
            client.run(&left).await;
            client
        });
    }
    running.join_all().await
}

async fn measure(name: &str, pool: &PostgresPool, load: Load) -> Figures {
    // All that there may be: how fast a pool grows is not the question.
    assert_eq!(pool.status().size, CONNECTIONS as usize);
    let sessions = pool.sessions();
    let count = match load {
        Load::OneEach => GROUPS,
        Load::Random(clients) => clients,
    };
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(Client::new(&sessions, number, load).await);
    }
    let clients = all(clients, WARM_UP).await;
    let (log, before) = (Log::mark(), sessions.statistics().replayed_settings);
    all(clients, COUNTED).await;
    let after = sessions.statistics().replayed_settings;
    let transactions = COUNTED as f64;
    let figures = Figures {
        known: (after - before) as f64 / transactions,
        seen: log.settings_of(name) as f64 / transactions,
        status: pool.status(),
    };
    println!(
        "{name}: {:.4} settings sent per transaction, {:.4} by the server's log; longest skip {}",
        figures.known, figures.seen, figures.status.longest_skip
    );
    figures
}

/// With affinity.
async fn chosen(name: &str, load: Load, matching: bool) -> Figures {
    let builder = builder(&server().url(), name, CONNECTIONS).match_waiters(matching);
    let builder = builder.initial_size(CONNECTIONS);
    let (pool, _affinity) = wired(builder, Affinity::builder()).await;
    measure(name, &pool, load).await
}

/// Without.
async fn any(name: &str, load: Load) -> Figures {
    let builder = builder(&server().url(), name, CONNECTIONS);
    let pool = builder.initial_size(CONNECTIONS).build().await.unwrap();
    measure(name, &pool, load).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_groups_on_eight_connections_send_next_to_no_settings_and_without_affinity_many() {
    let chosen = chosen("groups-chosen", Load::OneEach, false).await;
    assert!(chosen.known <= 0.02, "{chosen:#?}");
    assert!(chosen.seen <= 0.02, "{chosen:#?}");
    let any = any("groups-any", Load::OneEach).await;
    for (with, without) in [(chosen.known, any.known), (chosen.seen, any.seen)] {
        assert!(without > 0.2 && without > 10.0 * with, "{any:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_of_random_groups_send_fewer_settings_if_waiters_are_matched() {
    const NOTICEABLY: f64 = 0.75;
    let load = Load::Random(16);
    let in_order = chosen("groups-in-order", load, false).await;
    let matched = chosen("groups-matched", load, true).await;
    assert!(matched.known < NOTICEABLY * in_order.known, "{matched:#?}");
    assert!(matched.seen < NOTICEABLY * in_order.seen, "{matched:#?}");
    assert_eq!(in_order.status.longest_skip, 0);
    assert!((1..=8).contains(&matched.status.longest_skip));
}
