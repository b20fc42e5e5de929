//! What a pool of PostgreSQL connections does while its server is hurt: under load, one injury per
//! test, all to the same private server, one after the other.
//!
//! Whatever happens, (1) every acquire ends within its deadline, (2) the first acquire after the
//! server is back succeeds, (3) no slot is lost, (4) no connection is held twice, by the word of
//! the server. Servers live in real time, so these tests do too.
#![cfg(feature = "postgres")]

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pool_facade::postgres::{PostgresConnection, PostgresManager};
use pool_facade::{Pool, PooledConnection};
use pool_testkit::postgres::{PauseScope, PrivateServer, ServerOptions, Signal};
use pool_testkit::proxy::{FaultProxy, Mode};
use tokio::sync::MutexGuard;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Most connections of the pool.
const SIZE: u32 = 4;
/// Tasks that keep it busy.
const TASKS: u64 = 16;
/// How long an acquire may take.
const DEADLINE: Duration = Duration::from_millis(2000);
/// How much later it may be seen to end: it takes a thread to look.
const TOLERANCE: Duration = Duration::from_millis(250);
/// How long a holder waits for an answer before it gives its connection up.
const ANSWER: Duration = Duration::from_millis(500);
/// How long the server is away where it comes back when told: longer than a request waits.
const AWAY: Duration = Duration::from_millis(3000);
/// How long the network is silent: connections live through it, their users do not wait as long.
const SILENT: Duration = Duration::from_millis(1500);
/// How long whatever must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server, for one test at a time. It ends with the process.
async fn server() -> MutexGuard<'static, PrivateServer> {
    static SERVER: OnceLock<tokio::sync::Mutex<PrivateServer>> = OnceLock::new();
    let start = || PrivateServer::start(&ServerOptions::new()).expect("a private server");
    SERVER.get_or_init(|| start().into()).lock().await
}

/// Asks again and again until the answer is there.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let answered = timeout(PATIENCE, asking).await;
    answered.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// A connection outside the pool, as soon as the server gives one that answers.
async fn outside(server: &PrivateServer) -> PostgresConnection {
    let manager = PostgresManager::new(&server.url()).expect("a manager");
    until("the server serves", async || {
        let conn = manager.open().await.ok()?;
        pid(&conn).await.map(|_| conn)
    })
    .await
}

/// The server's own word for a connection, if it answers in time.
async fn pid(conn: &PostgresConnection) -> Option<i32> {
    let asked = conn.query_one("SELECT pg_backend_pid()", &[]);
    let row = timeout(ANSWER, asked).await.ok()?.ok()?;
    Some(row.get(0))
}

/// What the load has seen.
#[derive(Debug, Default)]
struct Seen {
    leases: u64,
    answers: u64,
    longest: Duration,
    /// Connections that are held now.
    held: HashSet<i32>,
    held_twice: Vec<i32>,
}

/// Tasks that acquire, ask and return until they are told to stop.
struct Load {
    pool: Pool<PostgresManager>,
    seen: Arc<Mutex<Seen>>,
    orders: Arc<Orders>,
    tasks: JoinSet<()>,
}

/// What the tasks are told.
#[derive(Debug, Default)]
struct Orders {
    stop: AtomicBool,
    /// Some leases end with their connection, so that connects are under way all the time.
    discard: AtomicBool,
}

impl Load {
    /// Starts and waits until every connection is at work.
    async fn start(url: &str) -> Self {
        let manager = PostgresManager::new(url).expect("a manager");
        let builder = Pool::builder(manager)
            .max_size(SIZE)
            .acquire_timeout(DEADLINE);
        let mut load = Self {
            pool: builder.build().await.expect("a pool"),
            seen: Arc::default(),
            orders: Arc::default(),
            tasks: JoinSet::new(),
        };
        for task in 0..TASKS {
            let (pool, seen) = (load.pool.clone(), Arc::clone(&load.seen));
            let orders = Arc::clone(&load.orders);
            load.tasks.spawn(async move {
                let mut round = task;
                while !orders.stop.load(Ordering::Relaxed) {
                    let discard = round % 50 == 0 && orders.discard.load(Ordering::Relaxed);
                    use_once(&pool, &seen, discard).await;
                    round += 1;
                }
            });
        }
        load.discard(true);
        load.answers(100).await;
        load
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        noted(&self.seen, look)
    }

    /// Whether some leases end with their connection. At first they do.
    fn discard(&self, discard: bool) {
        self.orders.discard.store(discard, Ordering::Relaxed);
    }

    /// Waits until so many more requests were answered.
    async fn answers(&self, more: u64) {
        let wanted = self.seen(|seen| seen.answers) + more;
        until("the pool serves", async || {
            self.seen(|seen| seen.answers >= wanted).then_some(())
        })
        .await;
    }

    /// A connection that somebody holds now.
    async fn victim(&self) -> i32 {
        until("somebody holds a connection", async || {
            self.seen(|seen| seen.held.iter().next().copied())
        })
        .await
    }

    /// Ends the load and judges it, and then the pool: the server is back.
    async fn judge(mut self, first: Duration) {
        self.orders.stop.store(true, Ordering::Relaxed);
        let ended = timeout(PATIENCE, self.tasks.join_next()).await;
        assert!(ended.is_ok(), "no task ends");
        while let Some(ended) = timeout(PATIENCE, self.tasks.join_next())
            .await
            .expect("every task ends")
        {
            ended.expect("no task panics");
        }
        let (longest, twice) = self.seen(|seen| (seen.longest, seen.held_twice.clone()));
        assert!(
            longest <= DEADLINE + TOLERANCE,
            "an acquire took {longest:?}"
        );
        assert!(twice.is_empty(), "held twice: {twice:?}");
        assert!(first <= DEADLINE + TOLERANCE, "the first took {first:?}");
        self.all_slots_are_there().await;
        let report = self.pool.close(PATIENCE).await;
        assert!(report.is_complete(), "{report:?}");
    }

    async fn all_slots_are_there(&self) {
        let mut leases = Vec::new();
        let mut pids = HashSet::new();
        for _ in 0..SIZE {
            let lease = self.pool.acquire().await.expect("every slot serves");
            pids.insert(pid(&lease).await.expect("every connection answers"));
            leases.push(lease);
        }
        assert_eq!(pids.len(), SIZE as usize, "{pids:?}");
        assert_eq!(self.pool.status().size, SIZE as usize);
    }

    /// The first acquire now that the server is back, which must succeed; how long it took.
    async fn first_acquire(&self) -> Duration {
        let begun = Instant::now();
        let lease = self.pool.acquire().await;
        let took = begun.elapsed();
        drop(lease.expect("the first acquire after the recovery"));
        took
    }
}

fn noted<T>(seen: &Mutex<Seen>, look: impl FnOnce(&mut Seen) -> T) -> T {
    look(&mut seen.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One round of the load. Failures are the business of a user; how long the acquire took is the
/// pool's.
async fn use_once(pool: &Pool<PostgresManager>, seen: &Mutex<Seen>, discard: bool) {
    let begun = Instant::now();
    let acquired = pool.acquire().await;
    let took = begun.elapsed();
    noted(seen, |seen| seen.longest = seen.longest.max(took));
    let Ok(lease) = acquired else {
        return;
    };
    let owned = Owned::claim(seen, lease.process_id());
    let answer = pid(&lease).await;
    noted(seen, |seen| {
        seen.answers += u64::from(answer.is_some());
        // An answer by another process than the one that is held would be held by two.
        seen.held_twice
            .extend(answer.filter(|pid| *pid != owned.pid));
    });
    drop(owned);
    if discard {
        PooledConnection::discard(lease);
    }
}

/// A connection held, by its process.
struct Owned<'a> {
    seen: &'a Mutex<Seen>,
    pid: i32,
}

impl<'a> Owned<'a> {
    fn claim(seen: &'a Mutex<Seen>, pid: i32) -> Self {
        noted(seen, |seen| {
            seen.leases += 1;
            if !seen.held.insert(pid) {
                seen.held_twice.push(pid);
            }
        });
        Self { seen, pid }
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        noted(self.seen, |seen| seen.held.remove(&self.pid));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_backend_costs_one_connection_and_nothing_else() {
    let server = server().await;
    let load = Load::start(&server.url()).await;
    let outside = outside(&server).await;
    for _ in 0..3 {
        let victim = load.victim().await;
        let sql = "SELECT pg_terminate_backend($1)";
        outside.query_one(sql, &[&victim]).await.expect("an answer");
        load.answers(50).await;
    }
    let first = load.first_acquire().await;
    load.judge(first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_backend_is_survived_with_the_crash_recovery_that_follows() {
    let server = server().await;
    let load = Load::start(&server.url()).await;
    let victim = load.victim().await;
    server
        .signal(victim.cast_unsigned(), Signal::Kill)
        .expect("the backend is the server's");
    until("the crash is felt by all", async || {
        let alive = server.backends().into_iter();
        let mut pids = alive.map(|backend| backend.pid);
        pids.all(|pid| pid != victim.cast_unsigned()).then_some(())
    })
    .await;
    drop(outside(&server).await);
    let first = load.first_acquire().await;
    load.answers(100).await;
    load.judge(first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_postmaster_holds_up_connects_only() {
    let server = server().await;
    let load = Load::start(&server.url()).await;
    load.discard(false);
    server.pause(PauseScope::Postmaster).expect("it runs");
    load.answers(100).await;
    load.discard(true);
    sleep(AWAY).await;
    server.resume().expect("it runs");
    drop(outside(&server).await);
    let first = load.first_acquire().await;
    load.answers(100).await;
    load.judge(first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_server_is_waited_for_until_the_deadline_and_no_longer() {
    let server = server().await;
    let load = Load::start(&server.url()).await;
    server.pause(PauseScope::All).expect("it runs");
    sleep(AWAY).await;
    server.resume().expect("it runs");
    assert!(
        load.pool.status().timeouts > 0,
        "nobody had to wait that long"
    );
    drop(outside(&server).await);
    let first = load.first_acquire().await;
    load.answers(100).await;
    load.judge(first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_server_is_served_from_again() {
    let mut server = server().await;
    let load = Load::start(&server.url()).await;
    tokio::task::block_in_place(|| server.restart()).expect("a restart");
    drop(outside(&server).await);
    let first = load.first_acquire().await;
    load.answers(100).await;
    load.judge(first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_network_is_waited_for_within_the_deadline() {
    let server = server().await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    let proxy = FaultProxy::start(address).await.expect("a proxy");
    let load = Load::start(&format!("postgres://postgres@{}/postgres", proxy.address())).await;
    proxy.set(Mode::BlackHole);
    sleep(SILENT).await;
    proxy.set(Mode::Pass);
    let first = load.first_acquire().await;
    load.answers(100).await;
    load.judge(first).await;
}
