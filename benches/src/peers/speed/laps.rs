//! Acquire, touch, release, over and over, with nobody in the way: what one task does in `free` and
//! each in `parallel`.

use std::time::{Duration, Instant};

use crate::peers::contestant::Contestant;
use crate::peers::workers::Beat;

/// Operations between two looks at the clock, so that its 30 ns do not count.
const BATCH: u64 = 64;

/// What a task has done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Laps {
    /// Operations.
    pub(super) operations: u64,
    /// How long they took.
    pub(super) took: Duration,
    /// Acquires that failed.
    pub(super) refused: u64,
}

/// Laps until `enough` says so, which is asked now and then.
pub(super) async fn laps<C: Contestant>(
    pool: &C,
    beat: &Beat,
    mut enough: impl FnMut(Duration) -> bool,
) -> Laps {
    let began = Instant::now();
    let mut operations = 0;
    let mut refused = 0;
    loop {
        for _ in 0..BATCH {
            match pool.acquire().await {
                Some(mut lease) => {
                    C::touch(&mut lease);
                    C::release(lease).await;
                }
                None => refused += 1,
            }
        }
        operations += BATCH;
        beat.tick();
        let took = began.elapsed();
        if enough(took) {
            return Laps {
                operations,
                took,
                refused,
            };
        }
    }
}
