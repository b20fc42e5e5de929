//! The operations whose costs are taken.

use std::sync::Arc;

use pool_testkit::alloc::thread_cost;

use crate::peers::contestant::{Contestant, Setup};
use crate::peers::scenario::Outcome;
use crate::peers::workers::Beat;
use crate::record::Better;

/// Connections of a free pool, as in `free`.
const FREE: usize = 10;
/// Connections of a busy pool, and its tasks.
const BUSY: (usize, usize) = (8, 64);

/// Operations for each task of a busy pool, so that all tasks together do as many as asked for.
const fn share(operations: u64) -> u64 {
    operations / BUSY.1 as u64
}

/// A full pool for one or the other.
pub(super) async fn pool<C: Contestant>(busy: bool) -> C {
    let setup = Setup {
        full: true,
        ..Setup::new(if busy { BUSY.0 } else { FREE }, Arc::default())
    };
    C::build(&setup).await
}

/// Does so many operations, or the next multiple of 64 below.
pub(super) async fn work<C: Contestant>(pool: &C, busy: bool, operations: u64, beat: &Arc<Beat>) {
    if !busy {
        turns(pool, operations, false, beat).await;
        return;
    }
    let tasks: Vec<_> = (0..BUSY.1)
        .map(|_| {
            let (pool, beat) = (pool.clone(), Arc::clone(beat));
            tokio::spawn(async move { turns(&pool, share(operations), true, &beat).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("a contestant does not panic");
    }
}

async fn turns<C: Contestant>(pool: &C, count: u64, holds: bool, beat: &Beat) {
    for _ in 0..count {
        let lease = pool.acquire().await;
        let mut lease = lease.expect("the deadline is far away");
        C::touch(&mut lease);
        if holds {
            tokio::task::yield_now().await;
        }
        C::release(lease).await;
    }
    beat.tick();
}

/// Allocations and bytes of one operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allocated {
    pub(super) allocations: f64,
    pub(super) bytes: f64,
}

/// Operations of the shorter stretch; the longer has [`LONG`]. What stretches cost besides their
/// operations is the same for both.
pub(super) const SHORT: u64 = 640;
/// Operations of the longer stretch.
pub(super) const LONG: u64 = SHORT + 3200;

/// Counts what this thread allocates, all of it being this pool's and its runtime's.
pub(super) async fn allocations<C: Contestant>(busy: bool, beat: &Arc<Beat>) -> Allocated {
    let pool = pool::<C>(busy).await;
    work(&pool, busy, LONG, beat).await;
    let start = thread_cost();
    work(&pool, busy, SHORT, beat).await;
    let middle = thread_cost();
    work(&pool, busy, LONG, beat).await;
    let end = thread_cost();
    let each = |count: fn(_) -> u64| {
        let more = (count(end) - count(middle)) as f64 - (count(middle) - count(start)) as f64;
        more / (LONG - SHORT) as f64
    };
    Allocated {
        allocations: each(|cost: pool_testkit::alloc::Cost| cost.allocations),
        bytes: each(|cost| cost.bytes),
    }
}

/// Sizes of what users hold.
pub(super) async fn sizes<C: Contestant>() -> Outcome {
    let pool = pool::<C>(false).await;
    let future = pool.acquire();
    let mut outcome = Outcome::default();
    let size = size_of_val(&future);
    outcome.value("acquire future", "B", Better::Lower, size as f64);
    let lease = future.await;
    let size = lease.as_ref().map_or(0, size_of_val);
    outcome.value("lease", "B", Better::Lower, size as f64);
    outcome
}
