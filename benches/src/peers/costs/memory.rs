//! Resident memory of tasks that wait, and of small pools.

use std::fs;
use std::future::pending;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::child::{Child, alone};
use crate::peers::contestant::{Contestant, Setup};

/// Tasks that wait.
const TASKS: usize = 10_000;
/// Pools that nobody uses.
const POOLS: usize = 1000;

/// Bytes of each task that waits; `None` where the system does not tell or the pool failed.
pub(super) fn per_waiter(contestant: &str) -> Option<f64> {
    let [bytes] = told(Child::Memory, contestant)?;
    Some(bytes)
}

/// Bytes of each of a thousand pools of two: that nobody has used, and after one acquire in each;
/// `None` where the system does not tell or the pool failed.
pub(crate) fn per_pool(contestant: &str) -> Option<[f64; 2]> {
    told(Child::Pools, contestant)
}

/// The numbers that a child prints.
fn told<const N: usize>(child: Child, contestant: &str) -> Option<[f64; N]> {
    let output = Command::new(std::env::current_exe().ok()?)
        .args(child.arguments(contestant))
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let numbers = text.split_whitespace().map(|word| word.parse().ok());
    let numbers: Option<Vec<f64>> = numbers.collect();
    numbers?.try_into().ok()
}

/// Parks tasks and prints what each has cost.
pub(super) fn child<C: Contestant>() {
    alone(async {
        let setup = Setup {
            full: true,
            ..Setup::new(1, Arc::default())
        };
        let pool = C::build(&setup).await;
        let lease = pool.acquire().await;
        let mut tasks = Vec::with_capacity(TASKS);
        let parked = Arc::new(AtomicUsize::new(0));
        let before = resident();
        for _ in 0..TASKS {
            let (pool, parked) = (pool.clone(), Arc::clone(&parked));
            tasks.push(tokio::spawn(wait(pool, parked)));
        }
        while parked.load(Ordering::Relaxed) < TASKS {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        let after = resident();
        if let Some((after, before)) = after.zip(before) {
            println!("{}", (after - before) / TASKS as f64);
        }
        drop(lease);
    });
}

/// Makes pools and prints what each has cost.
pub(super) fn pools<C: Contestant>() {
    alone(async {
        let setup = Setup::new(2, Arc::default());
        let mut pools: Vec<C> = Vec::with_capacity(POOLS);
        // What a process pays once, its code included, is no pool's.
        let first = C::build(&setup).await;
        let before = used(std::slice::from_ref(&first)).await;
        for _ in 0..POOLS {
            pools.push(C::build(&setup).await);
        }
        // What pools start in the background, they keep.
        tokio::task::yield_now().await;
        let built = resident();
        let after = used(&pools).await;
        if let Some(((before, built), after)) = before.zip(built).zip(after) {
            let each = |bytes: f64| (bytes - before) / POOLS as f64;
            println!("{} {}", each(built), each(after));
        }
    });
}

/// Uses each pool once; what is in memory then.
async fn used<C: Contestant>(pools: &[C]) -> Option<f64> {
    for pool in pools {
        let lease = pool.acquire().await?;
        C::release(lease).await;
    }
    tokio::task::yield_now().await;
    resident()
}

/// Waits in the pool, or where there is none, for ever.
async fn wait<C: Contestant>(pool: C, parked: Arc<AtomicUsize>) {
    parked.fetch_add(1, Ordering::Relaxed);
    if C::LACKS.limit {
        drop(pool);
        pending::<()>().await;
    } else {
        drop(pool.request().await);
    }
}

/// Bytes of this process that are in memory, exactly.
fn resident() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}
