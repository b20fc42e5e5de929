//! Health on a real server: what a pool with a policy of health makes of backends that are killed,
//! stopped or silent, timed from the moment at which the fault is in force.
//!
//! Servers live in real time, so these tests do too. What a time is held against leaves room for a
//! busy machine; the figures are printed.
#![cfg(feature = "postgres")]

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pool_facade::health::AdaptiveHealth;
use pool_facade::postgres::PostgresManager;
use pool_facade::{CloseReason, Event, Observer, Pool, PooledConnection};
use pool_testkit::postgres::{PrivateServer, ServerOptions, Signal};
use pool_testkit::proxy::{FaultProxy, Mode, Passage};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections of the pool.
const SIZE: u32 = 8;
/// How long a holder waits for an answer before it gives its connection up.
const ANSWER: Duration = Duration::from_millis(1500);
/// How long a quarantine may take in the mean.
const MEAN: Duration = Duration::from_millis(200);
/// By how much a busy machine may miss it.
const TOLERANCE: Duration = Duration::from_millis(150);
/// What hot connections are asked: a unit of work of some milliseconds.
const WORK: &str = "SELECT pg_sleep(0.005)";

/// The server, for one test at a time. It ends with the process.
async fn server() -> tokio::sync::MutexGuard<'static, PrivateServer> {
    static SERVER: OnceLock<tokio::sync::Mutex<PrivateServer>> = OnceLock::new();
    let start = || PrivateServer::start(&ServerOptions::new()).expect("a private server");
    SERVER.get_or_init(|| start().into()).lock().await
}

/// What the observer heard, and when.
#[derive(Debug, Default)]
struct Diary {
    quarantined: Mutex<Vec<(u64, Instant)>>,
    closed: Mutex<HashMap<CloseReason, u32>>,
    flushed: Mutex<u32>,
}

fn open<T>(page: &Mutex<T>) -> MutexGuard<'_, T> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Diary {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Quarantined { connection } => {
                open(&self.quarantined).push((*connection, Instant::now()));
            }
            Event::Closed { reason, .. } => *open(&self.closed).entry(*reason).or_default() += 1,
            Event::Flushed { .. } => *open(&self.flushed) += 1,
            _ => {}
        }
    }
}

impl Diary {
    /// When this connection was put into quarantine after `since`.
    fn quarantine_of(&self, connection: u64, since: Instant) -> Option<Instant> {
        let entries = open(&self.quarantined);
        let mut later = entries.iter().filter(|(_, at)| *at >= since);
        later.find(|(of, _)| *of == connection).map(|(_, at)| *at)
    }

    fn closed(&self, reason: CloseReason) -> u32 {
        open(&self.closed).get(&reason).copied().unwrap_or_default()
    }
}

/// A pool of a policy's, its server behind a proxy.
struct Ward {
    pool: Pool<PostgresManager>,
    proxy: FaultProxy,
    diary: Arc<Diary>,
    health: Arc<AdaptiveHealth>,
}

impl Ward {
    async fn open(server: &PrivateServer, size: u32) -> Self {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        let proxy = FaultProxy::start(target).await.expect("a proxy");
        let url = format!("postgres://postgres@{}/postgres", proxy.address());
        let health = Arc::new(AdaptiveHealth::builder().build().expect("the defaults"));
        let diary = Arc::new(Diary::default());
        let manager = PostgresManager::new(&url).expect("a manager");
        let builder = Pool::builder(manager)
            .max_size(size)
            .initial_size(size)
            .max_connecting(size)
            .acquire_timeout(Duration::from_secs(5))
            .observer(Arc::clone(&diary) as _);
        let pool = health.attach(builder).build().await.expect("a pool");
        Self {
            pool,
            proxy,
            diary,
            health,
        }
    }
}

/// How the server and the proxy know a connection.
#[derive(Clone, Copy, Debug)]
struct Known {
    pid: u32,
    port: u16,
}

/// A caller whose query was not answered.
#[derive(Clone, Copy, Debug)]
struct Hurt {
    connection: u64,
}

impl Ward {
    /// All connections of the pool, which must all be free.
    async fn known(&self) -> HashMap<u64, Known> {
        let mut leases = Vec::new();
        for _ in 0..self.pool.config().max_size() {
            leases.push(self.pool.acquire().await.expect("nothing is wrong yet"));
        }
        let mut known = HashMap::new();
        for lease in &leases {
            let row = lease
                .query_one("SELECT pg_backend_pid(), inet_client_port()", &[])
                .await
                .expect("nothing is wrong yet");
            let (pid, port): (i32, i32) = (row.get(0), row.get(1));
            let pid = u32::try_from(pid).expect("a process number");
            let port = u16::try_from(port).expect("a port");
            known.insert(PooledConnection::info(lease).id, Known { pid, port });
        }
        known
    }

    fn passage(&self, known: Known) -> Passage {
        let passage = self.proxy.passage_from(known.port);
        passage.expect("the connection goes through the proxy")
    }

    /// Waits until this connection is in quarantine.
    async fn quarantine(&self, connection: u64, since: Instant) -> Duration {
        let asking = async {
            loop {
                if let Some(at) = self.diary.quarantine_of(connection, since) {
                    return at - since;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        let found = timeout(Duration::from_secs(5), asking).await;
        found.unwrap_or_else(|_| panic!("connection {connection} is trusted still"))
    }
}

/// One use of a connection, by somebody who does not wait for ever.
async fn use_once(pool: &Pool<PostgresManager>, sql: &str, answer: Duration) -> Result<(), Hurt> {
    let Ok(lease) = pool.acquire().await else {
        return Ok(());
    };
    let connection = PooledConnection::info(&lease).id;
    match timeout(answer, lease.query(sql, &[])).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Hurt { connection }),
    }
}

/// Tasks that keep connections at work until dropped or told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    hurt: Arc<Mutex<Vec<Hurt>>>,
    tasks: JoinSet<()>,
}

impl Load {
    fn start(pool: &Pool<PostgresManager>, tasks: u32) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            hurt: Arc::default(),
            tasks: JoinSet::new(),
        };
        for _ in 0..tasks {
            let (pool, stop, hurt) = (pool.clone(), Arc::clone(&load.stop), Arc::clone(&load.hurt));
            load.tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if let Err(found) = use_once(&pool, WORK, ANSWER).await {
                        open(&hurt).push(found);
                    }
                }
            });
        }
        load
    }

    /// Stops, and tells who was hurt.
    async fn end(mut self) -> Vec<Hurt> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no task panics");
        }
        open(&self.hurt).clone()
    }
}

/// Enough traffic to know how long a reply takes.
async fn learn(pool: &Pool<PostgresManager>) {
    for _ in 0..150 {
        let used = use_once(pool, WORK, ANSWER).await;
        used.expect("nothing is wrong yet");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connection_whose_backend_was_ended_is_given_to_nobody_fifty_milliseconds_later() {
    let server = server().await;
    let ward = Ward::open(&server, SIZE).await;
    for round in 0..5 {
        let known = ward.known().await;
        let (number, victim) = known.iter().next().expect("there are some");
        server
            .signal(victim.pid, Signal::Terminate)
            .expect("it is ours");
        sleep(Duration::from_millis(50)).await;
        let after = ward.known().await;
        assert!(
            !after.contains_key(number),
            "round {round}: {number} was given out"
        );
        assert_eq!(after.len(), SIZE as usize);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_connection_that_goes_silent_is_in_quarantine_within_200_ms_in_the_mean() {
    let server = server().await;
    let ward = Ward::open(&server, SIZE).await;
    let known = ward.known().await;
    learn(&ward.pool).await;
    let load = Load::start(&ward.pool, SIZE);
    sleep(Duration::from_secs(1)).await;
    let mut times = Vec::new();
    for (at, (number, victim)) in known.iter().enumerate() {
        let stopped = at % 2 == 0;
        let since = match stopped {
            true => {
                server.signal(victim.pid, Signal::Stop).expect("it is ours");
                Instant::now()
            }
            false => {
                let passage = ward.passage(*victim);
                let switched = ward.proxy.set_one(passage.number, Mode::BlackHole);
                switched.expect("the connection is open")
            }
        };
        times.push(ward.quarantine(*number, since).await);
        // Those that were hurt give up, and the pool is whole again.
        sleep(ANSWER).await;
        if stopped {
            server
                .signal(victim.pid, Signal::Continue)
                .expect("it is ours");
        }
    }
    let hurt = load.end().await;
    let mean = times.iter().sum::<Duration>() / SIZE;
    println!("quarantined after {mean:?} in the mean, each: {times:?}");
    assert!(
        mean <= MEAN + TOLERANCE,
        "{mean:?} in the mean of {times:?}"
    );
    let mut connections = HashSet::new();
    for Hurt { connection } in &hurt {
        assert!(known.contains_key(connection), "{connection} was well");
        assert!(
            connections.insert(*connection),
            "{connection} hurt two callers"
        );
    }
}

/// How many are hurt when nothing passes any more, and what became of the connections.
async fn black_hole(server: &PrivateServer, at_work: u32) -> (usize, Ward) {
    let ward = Ward::open(server, 2 * SIZE).await;
    learn(&ward.pool).await;
    let load = Load::start(&ward.pool, at_work);
    sleep(Duration::from_millis(500)).await;
    ward.proxy.set(Mode::BlackHole);
    sleep(Duration::from_secs(8)).await;
    ward.proxy.set(Mode::Pass);
    let hurt = load.end().await.len();
    (hurt, ward)
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_goes_silent_hurts_those_in_flight_and_three_more_and_is_flushed_as_a_whole()
{
    let server = server().await;
    for at_work in [1, 4] {
        let (hurt, ward) = black_hole(&server, at_work).await;
        let one_by_one = ward.diary.closed(CloseReason::Unhealthy);
        let stale = ward.diary.closed(CloseReason::Stale);
        println!("{at_work} at work: {hurt} hurt, {stale} flushed, {one_by_one} one by one");
        assert!(hurt <= at_work as usize + 3, "{hurt} were hurt");
        assert!(*open(&ward.diary.flushed) >= 1, "not flushed");
        assert!(one_by_one <= at_work + 3, "{one_by_one} one by one");
        let used = use_once(&ward.pool, "SELECT 1", ANSWER).await;
        assert!(used.is_ok(), "it is back, and serves");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_query_among_fast_ones_costs_no_connection() {
    let server = server().await;
    let ward = Ward::open(&server, SIZE).await;
    let known = ward.known().await;
    learn(&ward.pool).await;
    let load = Load::start(&ward.pool, SIZE - 1);
    for _ in 0..2 {
        let slow = use_once(&ward.pool, "SELECT pg_sleep(5)", Duration::from_secs(10)).await;
        assert!(slow.is_ok(), "its holder was disturbed");
    }
    assert!(load.end().await.is_empty());
    let statistics = ward.health.statistics();
    assert_eq!(
        (statistics.condemned, statistics.flushes),
        (0, 0),
        "{statistics:?}"
    );
    assert_eq!(ward.diary.closed(CloseReason::Unhealthy), 0);
    let after: HashSet<u64> = ward.known().await.into_keys().collect();
    assert_eq!(after, known.into_keys().collect(), "all are there still");
}
