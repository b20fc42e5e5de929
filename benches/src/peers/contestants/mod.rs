//! Who takes part.
//!
//! Each pool is set up as its author would for speed, at duties comparable to ours: the deadline and
//! the check that a scenario asks for, and otherwise the pool's own defaults. A pool that has no
//! deadline of its own gets the one its users give it, tokio's timeout around the acquire. One whose
//! deadline cannot be switched off gets ten years. What cannot be made comparable is said in
//! [`REMARKS`](super::contestant::Contestant::REMARKS) and ends up in the report.
//!
//! To add one, implement [`Contestant`] and name it in [`each`].

mod async_object_pool;
mod bb8;
mod deadpool;
mod fast_pool;
#[expect(deprecated, reason = "it has users all the same")]
mod fastpool;
mod limits;
mod mobc;
mod ours;
mod qp;
mod r2d2;
mod semaphore;
mod sqlx;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, Conn};
use super::contestant::{About, Contestant};

pub use self::async_object_pool::AsyncObjectPool;
pub use self::bb8::Bb8;
pub use self::deadpool::Deadpool;
pub use self::fast_pool::FastPool;
pub use self::fastpool::Fastpool;
pub use self::limits::{Bitmap, Floor, LockedVec, Queue, ShardedBitmap};
pub use self::mobc::Mobc;
pub use self::ours::{Configuration, Defaults, Hooked, Ours, Skewed};
pub use self::qp::Qp;
pub use self::r2d2::R2d2;
pub use self::semaphore::SemaphoreQueue;
pub use self::sqlx::Sqlx;

/// What is done with each contestant; generic, so that each is compiled by itself, as in a program
/// that uses it.
pub trait Visit {
    /// The next contestant.
    fn visit<C: Contestant>(&mut self);
}

/// Shows every contestant to `visitor`, in the order of tables.
pub fn each(visitor: &mut impl Visit) {
    visitor.visit::<Ours<Defaults>>();
    visitor.visit::<Ours<Skewed>>();
    visitor.visit::<Ours<Hooked>>();
    visitor.visit::<Bb8>();
    visitor.visit::<Deadpool>();
    visitor.visit::<Mobc>();
    visitor.visit::<R2d2>();
    visitor.visit::<Sqlx>();
    visitor.visit::<FastPool>();
    visitor.visit::<Fastpool>();
    visitor.visit::<Qp>();
    visitor.visit::<AsyncObjectPool>();
    visitor.visit::<SemaphoreQueue>();
    visitor.visit::<Queue>();
    visitor.visit::<LockedVec>();
    visitor.visit::<Bitmap>();
    visitor.visit::<ShardedBitmap>();
    visitor.visit::<Floor>();
}

/// All contestants, in the order of tables.
#[must_use]
pub fn all() -> Vec<About> {
    struct Names(Vec<About>);
    impl Visit for Names {
        fn visit<C: Contestant>(&mut self) {
            self.0.push(About::of::<C>());
        }
    }
    let mut names = Names(Vec::new());
    each(&mut names);
    names.0
}

/// The deadline where there should be none and a pool insists on one.
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What is remarked on pools whose deadline cannot be switched off.
const ALWAYS_A_DEADLINE: &str = "its deadline cannot be switched off: ten years in its stead";

/// What is remarked on pools without a deadline.
const FOREIGN_DEADLINE: &str =
    "has no deadline of its own: tokio's timeout around the acquire, as a user would write it";

/// There was no connection in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Gives `future` a deadline, if there is to be one.
async fn within<F: Future>(deadline: Option<Duration>, future: F) -> Result<F::Output, Refused> {
    match deadline {
        None => Ok(future.await),
        Some(deadline) => {
            let ended = tokio::time::timeout(deadline, future).await;
            ended.map_err(|_| Refused)
        }
    }
}

/// Opens all connections of a pool that opens them when needed, by needing them all at once.
async fn fill<C: Contestant>(pool: &C, size: usize) {
    let mut leases = Vec::with_capacity(size);
    for _ in 0..size {
        leases.push(pool.acquire().await);
    }
}

/// What peers are told to open connections with.
#[derive(Debug)]
pub struct Connector {
    backend: Arc<Backend>,
    check: bool,
}

impl Connector {
    async fn open(&self) -> Conn {
        self.backend.open().await
    }

    /// What a peer asks before each use: whether the far end has hung up, and if the scenario wants
    /// it, the far end itself.
    async fn check(&self, conn: &Conn) -> Result<(), HungUp> {
        if self.check {
            conn.check().await;
        }
        if conn.is_broken() {
            Err(HungUp)
        } else {
            Ok(())
        }
    }
}

/// The far end has hung up.
#[derive(Debug)]
pub struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the far end has hung up")
    }
}

impl std::error::Error for HungUp {}

#[cfg(test)]
mod tests;
