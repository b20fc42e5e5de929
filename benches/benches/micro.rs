//! The operations of the fast path and of the hand-off, one at a time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use pool_benches::{full_pool, ready};

fn runtime(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .expect("a runtime can be built")
}

fn uncontended(c: &mut Criterion) {
    let runtime = runtime(1);
    let pool = runtime.block_on(full_pool(8));
    c.bench_function("acquire and drop, idle connection", |b| {
        b.iter(|| drop(black_box(ready(pool.acquire()))));
    });
    c.bench_function("try_acquire and drop, idle connection", |b| {
        b.iter(|| drop(black_box(pool.try_acquire())));
    });
    c.bench_function("request with priority and drop, idle connection", |b| {
        b.iter(|| drop(black_box(ready(pool.request().user("u").acquire()))));
    });
    c.bench_function("status", |b| b.iter(|| black_box(pool.status())));
}

/// `tasks` tasks on `size` connections, each yielding once while it holds.
fn contended(c: &mut Criterion, name: &str, size: u32, tasks: u64) {
    let runtime = runtime(2);
    let pool = runtime.block_on(full_pool(size));
    c.bench_function(name, |b| {
        b.iter_custom(|rounds| {
            let per_task = rounds.div_ceil(tasks);
            let pool = &pool;
            let took = runtime.block_on(async {
                let begun = Instant::now();
                let mut set = tokio::task::JoinSet::new();
                for _ in 0..tasks {
                    let pool = pool.clone();
                    set.spawn(async move {
                        for _ in 0..per_task {
                            let lease = pool.acquire().await;
                            tokio::task::yield_now().await;
                            drop(lease);
                        }
                    });
                }
                while set.join_next().await.is_some() {}
                begun.elapsed()
            });
            // Per operation of one task; criterion asked for `rounds` of them.
            took.mul_f64(rounds as f64 / (per_task * tasks) as f64)
        });
    });
}

fn waiting(c: &mut Criterion) {
    contended(c, "64 tasks on 8 connections", 8, 64);
    contended(c, "9 tasks on 8 connections", 8, 9);
    contended(c, "1000 tasks on 100 connections", 100, 1000);
}

criterion_group! {
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = uncontended, waiting
}
criterion_main!(micro);
