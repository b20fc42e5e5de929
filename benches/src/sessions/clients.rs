//! The clients of a turn: tasks in a closed loop, without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use super::contestant::Contestant;
use super::contestants::PATIENCE;
use super::turn::Times;
use super::usage::{Processes, Usage};
use super::work::{Identity, Work, transaction};

/// Logins at a time: fewer than a listener's queue holds.
const LOGINS: usize = 50;

/// Where a turn is.
#[derive(Debug, Default)]
struct Stage(AtomicU8);

impl Stage {
    const MEASURED: u8 = 1;
    const OVER: u8 = 2;

    fn set(&self, stage: u8) {
        // Never back: a client that failed has ended the turn for all.
        self.0.fetch_max(stage, Ordering::Relaxed);
    }

    fn is(&self, stage: u8) -> bool {
        self.0.load(Ordering::Relaxed) == stage
    }
}

/// What one client did.
#[derive(Debug, Default)]
struct Share {
    /// How long each transaction took that ended in the measured time.
    latencies: Vec<u64>,
    /// All transactions, those before and after the measured time included.
    committed: u64,
}

/// What all of them did.
#[derive(Debug)]
pub(super) struct Shares {
    /// Nanoseconds of each transaction in the measured time, client by client.
    pub(super) latencies: Vec<Vec<u64>>,
    /// All transactions of the turn.
    pub(super) committed: u64,
    /// The measured time.
    pub(super) window: Duration,
    /// What processes used in it.
    pub(super) usage: Usage,
    /// Settings that were sent in it, if they are counted.
    pub(super) settings: Option<u64>,
}

/// Clients that are logged in, each as who it is.
pub(super) type LoggedIn<C> = Vec<(Identity, <C as Contestant>::Client)>;

/// Logs clients in.
pub(super) async fn log_in<C: Contestant>(
    contestant: &Arc<C>,
    count: usize,
    work: Work,
) -> anyhow::Result<LoggedIn<C>> {
    let mut clients = Vec::with_capacity(count);
    let mut next = 0;
    while next < count {
        let mut logins = JoinSet::new();
        for index in next..count.min(next + LOGINS) {
            let contestant = Arc::clone(contestant);
            logins.spawn(async move {
                let who = Identity::of(index);
                let client = contestant.client(&who, work).await?;
                anyhow::Ok((who, client))
            });
        }
        while let Some(login) = logins.join_next().await {
            clients.push(login??);
        }
        next += LOGINS;
    }
    Ok(clients)
}

/// Lets clients work, and takes the measured time in the middle of it.
pub(super) async fn measure<C: Contestant>(
    contestant: &C,
    clients: LoggedIn<C>,
    work: Work,
    times: Times,
    processes: Processes,
) -> anyhow::Result<Shares> {
    let stage = Arc::new(Stage::default());
    let mut tasks = JoinSet::new();
    for (who, client) in clients {
        tasks.spawn(serve::<C>(client, who, work, Arc::clone(&stage)));
    }
    tokio::time::sleep(times.warm_up).await;
    let (before, began) = (processes.usage(), Instant::now());
    let sent_before = contestant.settings_sent();
    stage.set(Stage::MEASURED);
    tokio::time::sleep(times.window).await;
    stage.set(Stage::OVER);
    let (window, usage) = (began.elapsed(), processes.usage().since(before));
    let sent = contestant.settings_sent().zip(sent_before);
    let mut shares = Shares {
        latencies: Vec::with_capacity(tasks.len()),
        committed: 0,
        window,
        usage,
        settings: sent.map(|(after, before)| after - before),
    };
    let rest = async {
        while let Some(share) = tasks.join_next().await {
            let share = share.context("a client panicked")??;
            shares.latencies.push(share.latencies);
            shares.committed += share.committed;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(PATIENCE, rest).await {
        Ok(ended) => ended?,
        Err(_) => bail!("a client waits for ever"),
    }
    Ok(shares)
}

/// One client until the turn is over.
async fn serve<C: Contestant>(
    mut client: C::Client,
    who: Identity,
    work: Work,
    stage: Arc<Stage>,
) -> anyhow::Result<Share> {
    let mut share = Share::default();
    let mut turn = 0;
    while !stage.is(Stage::OVER) {
        let began = Instant::now();
        let done = transaction(work, &mut client, &who, turn).await;
        if let Err(error) = done {
            stage.set(Stage::OVER);
            return Err(error);
        }
        share.committed += 1;
        if stage.is(Stage::MEASURED) {
            let taken = began.elapsed().as_nanos();
            share
                .latencies
                .push(u64::try_from(taken).unwrap_or(u64::MAX));
        }
        turn += 1;
    }
    Ok(share)
}
