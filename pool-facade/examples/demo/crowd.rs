//! Many sessions on few connections: each has settings of its own, and reads back nothing else.
//!
//! Every session looks at all it has in each of several rounds, in an order of its own, now in a
//! transaction and now in none, and changes it in between. Whatever it sees that it has not set itself
//! is somebody else's.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use pool_facade::affinity::Affinity;
use pool_facade::sessions::{SessionConfig, SessionManager, SessionPool, SessionStatistics};
use pool_facade::{Pool, SessionBuilder};
use tokio::task::JoinSet;

use crate::checks::{self, Check};
use crate::{CLOSING, clock, report};

pub(crate) mod postgres;
pub(crate) mod sqlite;

/// How much is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) sessions: u32,
    /// How often each session changes what it has, and looks at it twice.
    pub(crate) rounds: u64,
    pub(crate) seed: u64,
}

/// Tasks that the sessions are shared out to: more than there are connections, so that some wait.
const TASKS: u64 = 200;

pub(crate) type Session<C> = <<C as Crowd>::Manager as SessionManager>::Session;
pub(crate) type Connection<C> = <<C as Crowd>::Manager as pool_facade::Manager>::Connection;

/// Sessions on some database.
pub(crate) trait Crowd: Send + Sync + Sized + 'static {
    type Manager: SessionManager;

    /// For the headline.
    fn name(&self) -> String;

    /// How many connections all sessions share.
    fn connections(&self) -> u32;

    /// What the pool connects with.
    fn manager(&self) -> anyhow::Result<Self::Manager>;

    /// Makes what the sessions look at, outside the pool.
    fn prepare(&self, sessions: u64) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Takes it away again.
    fn tidy_up(&self) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }

    /// The most connections that the server has counted, if it was asked.
    fn most_connections() -> Option<u64> {
        None
    }

    /// Gives a session settings that no other has in any round.
    fn settle(
        session: &mut Session<Self>,
        own: Own,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Whether the session has all that is its own, and nothing else.
    fn look(
        session: &mut Session<Self>,
        own: Own,
    ) -> impl Future<Output = anyhow::Result<bool>> + Send;

    /// In one transaction: looks, settles for the next, looks again, and ends it.
    fn look_and_settle(
        session: &mut Session<Self>,
        own: Own,
        next: Own,
    ) -> impl Future<Output = anyhow::Result<bool>> + Send;

    /// Whether a connection that is nobody's shows nothing of any session.
    fn is_plain(conn: &mut Connection<Self>) -> impl Future<Output = anyhow::Result<bool>> + Send;
}

/// What a session has of its own in a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) session: u64,
    pub(crate) round: u64,
}

impl Own {
    const fn next(self) -> Self {
        Self {
            session: self.session,
            round: self.round + 1,
        }
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    looks: AtomicU64,
    foreign: AtomicU64,
}

impl Seen {
    fn note(&self, own: bool) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        if !own {
            self.foreign.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The whole job.
pub(crate) async fn run<C: Crowd>(crowd: C, job: Job) -> anyhow::Result<Vec<Check>> {
    let sessions = job.sessions;
    let connections = crowd.connections();
    eprintln!(
        "{sessions} sessions over {connections} connections to {}",
        crowd.name()
    );
    crowd.prepare(sessions.into()).await?;
    let config = SessionConfig::new().max_sessions(sessions as usize);
    let builder = Pool::builder(crowd.manager()?)
        .max_size(connections)
        .acquire_timeout(Duration::from_secs(60))
        .name("crowd");
    let (builder, _affinity) = builder.sessions(config, Affinity::builder())?;
    let pool = builder.build().await?;
    let seen = Arc::new(Seen::default());
    let began = clock::now();
    let numbers = live::<C>(&pool, job, &seen).await?;
    let took = clock::now() - began;
    let plain = all_plain::<C>(&pool, connections).await?;
    let opened = pool.status().opened;
    pool.close(CLOSING).await;
    crowd.tidy_up().await?;
    let opened = C::most_connections().unwrap_or_default().max(opened);

    let looks = seen.looks.load(Ordering::Relaxed);
    println!("{}", report::sessions(&numbers, connections, looks, took));
    Ok(vec![
        checks::own_only(looks, seen.foreign.load(Ordering::Relaxed)),
        checks::few_connections(opened, connections),
        checks::nothing_left_on_connections(plain, connections),
    ])
}

/// All sessions live their lives. The numbers are from before they end.
async fn live<C: Crowd>(
    pool: &Pool<C::Manager>,
    job: Job,
    seen: &Arc<Seen>,
) -> anyhow::Result<SessionStatistics> {
    let all = pool.sessions();
    let count = u64::from(job.sessions);
    let bar = ProgressBar::new(count * job.rounds).with_style(style());
    let mut chance = fastrand::Rng::with_seed(job.seed);
    let mut living = JoinSet::new();
    for task in 0..TASKS.min(count) {
        let numbers = (task..count).step_by(TASKS as usize);
        let sessions: Result<Vec<_>, _> = numbers
            .map(|number| Ok::<_, anyhow::Error>((number, all.create()?)))
            .collect();
        let (seen, bar) = (Arc::clone(seen), bar.clone());
        let chance = fastrand::Rng::with_seed(chance.u64(..));
        living.spawn(live_some::<C>(sessions?, job.rounds, chance, seen, bar));
    }
    let mut kept = Vec::new();
    while let Some(sessions) = living.join_next().await {
        kept.push(sessions.context("a task of sessions")??);
    }
    bar.finish_and_clear();
    let numbers = all.statistics();
    drop(kept);
    Ok(numbers)
}

type Numbered<C> = Vec<(u64, Session<C>)>;

async fn live_some<C: Crowd>(
    mut sessions: Numbered<C>,
    rounds: u64,
    mut chance: fastrand::Rng,
    seen: Arc<Seen>,
    bar: ProgressBar,
) -> anyhow::Result<Numbered<C>> {
    for (number, session) in &mut sessions {
        let own = Own {
            session: *number,
            round: 0,
        };
        C::settle(session, own).await?;
    }
    for round in 0..rounds {
        chance.shuffle(&mut sessions);
        for (number, session) in &mut sessions {
            let own = Own {
                session: *number,
                round,
            };
            step::<C>(session, own, &seen).await?;
            bar.inc(1);
        }
    }
    Ok(sessions)
}

async fn step<C: Crowd>(session: &mut Session<C>, own: Own, seen: &Seen) -> anyhow::Result<()> {
    if own.round % 2 == 1 {
        seen.note(C::look_and_settle(session, own, own.next()).await?);
    } else {
        seen.note(C::look(session, own).await?);
        C::settle(session, own.next()).await?;
    }
    seen.note(C::look(session, own.next()).await?);
    Ok(())
}

/// How many connections, all held at once, show nothing of any session.
async fn all_plain<C: Crowd>(pool: &Pool<C::Manager>, connections: u32) -> anyhow::Result<u32> {
    let mut plain = 0;
    let mut leases = Vec::new();
    for _ in 0..connections {
        let mut lease = pool.acquire().await?;
        plain += u32::from(C::is_plain(&mut lease).await?);
        leases.push(lease);
    }
    Ok(plain)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} steps of sessions, {per_sec}, {eta} left")
        .expect("the template is constant")
}
