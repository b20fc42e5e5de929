//! Acquire, touch, release, over and over, with nobody in the way: what one task does in `free` and
//! each in `parallel`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::peers::contestant::{Contestant, Setup};
use crate::peers::erased::{Boxed, Pool};
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

/// How long to go on, which is asked now and then.
#[derive(Clone, Debug)]
pub(super) enum Until {
    /// For longer than this.
    Past(Duration),
    /// Until told.
    Over(Arc<AtomicBool>),
}

impl Until {
    fn reached(&self, took: Duration) -> bool {
        match self {
            Self::Past(time) => took > *time,
            Self::Over(over) => over.load(Ordering::Relaxed),
        }
    }
}

/// A pool to do laps in. What it is called for is not known by its type any more, but the laps are:
/// they are compiled for it alone, as one piece, which a whole stretch of them is called through.
pub(super) struct Track {
    pub(super) pool: Pool,
    laps: Box<dyn Fn(Arc<Beat>, Until) -> Boxed<'static, Laps> + Send + Sync>,
}

impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

/// Makes a pool for laps: [`Track::of`] one contestant.
pub(super) type MakeTrack = for<'a> fn(&'a Setup) -> Boxed<'a, Track>;

impl Track {
    /// A pool of `C`.
    pub(super) fn of<C: Contestant>(setup: &Setup) -> Boxed<'_, Self> {
        Box::pin(async move {
            let pool = C::build(setup).await;
            Self {
                pool: Pool::of(pool.clone()),
                laps: Box::new(move |beat, until| {
                    let pool = pool.clone();
                    Box::pin(async move { laps(&pool, &beat, &until).await })
                }),
            }
        })
    }

    /// One task's laps.
    pub(super) fn laps(&self, beat: &Arc<Beat>, until: Until) -> Boxed<'static, Laps> {
        (self.laps)(Arc::clone(beat), until)
    }
}

async fn laps<C: Contestant>(pool: &C, beat: &Beat, until: &Until) -> Laps {
    let began = Instant::now();
    let mut operations = 0;
    let mut refused = 0;
    loop {
        for _ in 0..BATCH {
            match pool.request().await {
                Ok(mut lease) => {
                    C::touch(&mut lease);
                    if C::RELEASES {
                        C::release(lease).await;
                    } else {
                        drop(lease);
                    }
                }
                Err(_) => refused += 1,
            }
        }
        operations += BATCH;
        beat.tick();
        let took = began.elapsed();
        if until.reached(took) {
            return Laps {
                operations,
                took,
                refused,
            };
        }
    }
}
