//! Runs acquire and drop as often as the argument says, for counting instructions:
//! `valgrind --tool=callgrind` on two counts, and the difference divided by their difference.

use std::hint::black_box;

fn main() {
    let rounds: u64 = std::env::args()
        .nth(1)
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(1000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async move {
        let pool = pool_benches::full_pool(8).await;
        for _ in 0..rounds {
            let lease = pool.acquire().await.expect("a connection is idle");
            black_box(&lease);
        }
    });
}
