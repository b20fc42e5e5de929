//! The tasks that move the money.

use std::future::Future;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pool_facade::{Error, Pool, PooledConnection};
use tokio::task::JoinSet;

use crate::bank::{Bank, Connection, Failure, Order, Stage};
use crate::chaos::{Fate, Gate};
use crate::clock;
use crate::owners::Owners;
use crate::records::Records;

/// What all tasks share.
pub(crate) struct Workload<B: Bank> {
    pub(crate) bank: B,
    pub(crate) pool: Pool<B::Manager>,
    pub(crate) records: Records,
    pub(crate) owners: Owners,
    pub(crate) waiting: Gate,
    pub(crate) transferring: Gate,
    accounts: u32,
    ends: Instant,
    next_transfer: AtomicU64,
}

/// What chaos panics with: told apart from a panic that is a bug.
struct OnPurpose;

impl<B: Bank> Workload<B> {
    pub(crate) fn new(bank: B, pool: Pool<B::Manager>, accounts: u32, length: Duration) -> Self {
        Self {
            bank,
            pool,
            records: Records::new(),
            owners: Owners::default(),
            waiting: Gate::default(),
            transferring: Gate::default(),
            accounts,
            ends: clock::now() + length,
            next_transfer: AtomicU64::new(1),
        }
    }

    /// Whether no more transfers are begun.
    pub(crate) fn is_over(&self) -> bool {
        clock::now() >= self.ends
    }

    /// Transfers begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.next_transfer.load(Ordering::Relaxed) - 1
    }

    /// One task: a transfer after another until the time is over.
    async fn work(self: Arc<Self>, task: u64, seed: u64) {
        let mut chance = fastrand::Rng::with_seed(seed);
        while !self.is_over() {
            let Some(mut lease) = self.acquire().await else {
                continue;
            };
            if !self.is_over() {
                self.transfer(&mut lease, task, &mut chance).await;
            }
        }
    }

    async fn acquire(&self) -> Option<PooledConnection<B::Manager>> {
        let asked = clock::now();
        match race(self.pool.acquire(), &self.waiting).await {
            Ok(Ok(lease)) => {
                self.records.waited(clock::now() - asked);
                Some(lease)
            }
            Ok(Err(error)) => {
                self.records
                    .failed(format!("acquire: {}", kind::<B>(&error)));
                // A refusal may come at once; asking again at once would only burn the processor.
                clock::sleep(Duration::from_millis(10)).await;
                None
            }
            Err(_fate) => {
                self.records.notes().cancelled += 1;
                None
            }
        }
    }

    async fn transfer(
        &self,
        lease: &mut PooledConnection<B::Manager>,
        task: u64,
        chance: &mut fastrand::Rng,
    ) {
        let id = self.next_transfer.fetch_add(1, Ordering::Relaxed);
        let order = Order::new(id, self.accounts, chance);
        let stage = Stage::default();
        let _claim = self.owners.claim(B::identity(lease), task);
        let attempt = self.records.begin(id, stage.clone());
        let conn: &mut Connection<B> = lease;
        match race(self.bank.transfer(conn, order, &stage), &self.transferring).await {
            Ok(Ok(())) => attempt.acknowledge(),
            Ok(Err(error)) => {
                drop(attempt);
                self.records
                    .failed(format!("transfer: {}", B::kind(&error)));
                PooledConnection::report(lease, &error);
            }
            Err(Fate::Cancelled) => self.records.notes().cancelled += 1,
            Err(Fate::Panics) => panic::panic_any(OnPurpose),
        }
    }
}

/// The work's outcome, or the fate that struck first; the work's future is gone in any case.
async fn race<T>(work: impl Future<Output = T>, gate: &Gate) -> Result<T, Fate> {
    tokio::select! {
        outcome = work => Ok(outcome),
        fate = gate.fate() => Err(fate),
    }
}

fn kind<B: Bank>(error: &Error<Failure<B>>) -> String {
    match error {
        Error::Timeout { phase, .. } => format!("timed out {phase}"),
        error => error
            .manager_error()
            .map_or_else(|| format!("{error}"), |cause| B::kind(cause)),
    }
}

/// Runs `tasks` tasks until the time is over; one that panicked on purpose is started anew.
pub(crate) async fn run<B: Bank>(
    load: &Arc<Workload<B>>,
    tasks: u32,
    seed: u64,
) -> anyhow::Result<()> {
    silence_panics_on_purpose();
    let mut seeds = fastrand::Rng::with_seed(seed);
    let mut working = JoinSet::new();
    let mut started = 0;
    let mut start = |working: &mut JoinSet<()>| {
        started += 1;
        working.spawn(Arc::clone(load).work(started, seeds.u64(..)));
    };
    for _ in 0..tasks {
        start(&mut working);
    }
    while let Some(ended) = working.join_next().await {
        let Err(error) = ended else { continue };
        match error.try_into_panic() {
            Ok(payload) if payload.is::<OnPurpose>() => {
                load.records.notes().panicked += 1;
                if !load.is_over() {
                    start(&mut working);
                }
            }
            Ok(payload) => panic::resume_unwind(payload),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn silence_panics_on_purpose() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<OnPurpose>() {
            report(info);
        }
    }));
}
