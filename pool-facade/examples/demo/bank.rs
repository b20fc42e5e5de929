//! What the demo needs of a database.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use pool_facade::Manager;

pub(crate) mod postgres;
pub(crate) mod sqlite;

/// What each account has at first.
pub(crate) const OPENING_BALANCE: i64 = 1000;

pub(crate) type Connection<B> = <<B as Bank>::Manager as Manager>::Connection;
pub(crate) type Failure<B> = <<B as Bank>::Manager as Manager>::Error;

/// Accounts and a ledger in some database, behind a pool.
pub(crate) trait Bank: Send + Sync + Sized + 'static {
    type Manager: Manager;

    /// For the headline.
    fn name(&self) -> String;

    /// What the pool connects with.
    fn manager(&self) -> anyhow::Result<Self::Manager>;

    /// Makes the tables and fills the accounts, outside the pool.
    fn prepare(&self, accounts: u32) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Moves money in one transaction: reads both balances, moves as much of the amount as there
    /// is, and notes in the ledger what was moved.
    fn transfer(
        &self,
        conn: &mut Connection<Self>,
        order: Order,
        stage: &Stage,
    ) -> impl Future<Output = Result<(), Failure<Self>>> + Send;

    /// What the driver itself tells its connections apart by.
    fn identity(conn: &Connection<Self>) -> u64;

    /// An error in a word or two, to count by.
    fn kind(error: &Failure<Self>) -> String;

    /// How many of the pool's connections the database itself counts.
    fn open_connections(
        &self,
        manager: &Self::Manager,
    ) -> impl Future<Output = anyhow::Result<u64>> + Send;

    /// Reads all books over a connection of its own, and tidies up.
    fn audit(&self) -> impl Future<Output = anyhow::Result<Audit>> + Send;

    /// What chaos may do here, besides what it does to tasks.
    fn disturbances(&self) -> &[Disturbance];

    /// Does it to the database; `Ok` once it is over.
    fn disturb(&self, disturbance: Disturbance) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// A transfer to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) amount: i64,
}

impl Order {
    pub(crate) fn new(id: u64, accounts: u32, chance: &mut fastrand::Rng) -> Self {
        let from = chance.u32(..accounts);
        let to = (from + chance.u32(1..accounts)) % accounts;
        let amount = chance.i64(1..=100);
        Self {
            id,
            from,
            to,
            amount,
        }
    }
}

/// Whether the commit of a transfer has begun. Shared with the thread that commits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stage(Arc<AtomicBool>);

impl Stage {
    /// To be called right before the commit.
    pub(crate) fn commit_begins(&self) {
        self.0.store(true, Ordering::SeqCst);
        // Pairs with the fence below: either the one who gives a transfer up sees that its commit
        // has begun, or the one who commits sees that it was given up.
        fence(Ordering::SeqCst);
    }

    /// Whether the transfer may have been committed.
    pub(crate) fn has_commit_begun(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::SeqCst)
    }
}

/// What chaos does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disturbance {
    /// Drops the futures of some tasks.
    CancelTasks,
    /// Panics in some tasks that hold a lease.
    PanicTasks,
    /// Ends some sessions in an orderly way.
    TerminateSessions,
    /// Kills one backend, after which the server recovers as from a crash.
    KillBackend,
    /// Stops all processes of the server for a while.
    FreezeServer,
    /// Lets nothing through the network for a while.
    BlackHole,
}

/// How long a freeze or a black hole lasts.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// What is in the books.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Account and balance.
    pub(crate) balances: Vec<(u32, i64)>,
    /// What was moved.
    pub(crate) ledger: Vec<Order>,
}
