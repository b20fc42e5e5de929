//! More tasks than connections, for a window of time.
//!
//! All tasks run from the start to the end of the window and are counted in it alone, after a time to
//! warm up: a fixed number of operations for each would hide who is served less, and measure stragglers at the end.
//! One acquire in so many is timed, so that two looks at the clock (some 60 ns) do not weigh on the
//! throughput. Timed are all that end in the window, and those under way when it closes, to their
//! end, whenever they began: a pool that lets newcomers overtake has tasks that wait from the first
//! moment on, and without them its waits would look short. They are cut off by the end of the sample
//! all the same: its worst is worse than shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;

use super::{note_overlap, setup};
use crate::fairness::{jain, least_by_most};
use crate::latency::latencies;
use crate::peers::contestant::{Contestant, Setup};
use crate::peers::erased::{Boxed, Pool};
use crate::peers::scenario::{Outcome, intact};
use crate::peers::workers::{Beat, Busy, Crew, cores, sample};
use crate::record::Better;

/// What tasks do with a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold {
    /// Let others run once.
    Yield,
    /// Sleep for a time between these.
    Sleep(Duration, Duration),
}

/// A crowd.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub(super) tasks: usize,
    pub(super) size: usize,
    pub(super) deadline: Option<Duration>,
    pub(super) hold: Hold,
    /// Let others run once after a return, too.
    pub(super) think: bool,
    /// The time to warm up.
    pub(super) warm_up: Duration,
    /// The window.
    pub(super) window: Duration,
    /// One acquire in so many is timed.
    pub(super) timed: usize,
    pub(super) seed: u64,
}

/// What tasks share.
#[derive(Debug)]
struct Shared {
    phase: CachePadded<AtomicU8>,
    beat: Arc<Beat>,
    crowd: Crowd,
}

/// Phases of a sample.
const WARMING: u8 = 0;
const OPEN: u8 = 1;
const OVER: u8 = 2;

/// What one task did in the window.
#[derive(Debug, Default)]
struct Log {
    operations: u64,
    waits: Vec<u64>,
    held: Duration,
    refused: bool,
}

/// What all did.
#[derive(Debug)]
pub(super) struct Tally {
    /// Operations of each task.
    pub(super) shares: Vec<u64>,
    /// The window, as it was.
    pub(super) window: Duration,
    /// Times of acquires, in nanoseconds.
    pub(super) waits: Histogram<u64>,
    /// How long connections were held in all, where holds are timed.
    pub(super) held: Duration,
    /// Whether there was a limit to share.
    pub(super) limited: bool,
    overlap: Option<f64>,
    faults: Vec<String>,
}

impl Crowd {
    /// One that yields, with the usual deadline or none.
    pub(super) fn yielding(tasks: usize, size: usize, window: Duration) -> Self {
        Self {
            tasks,
            size,
            deadline: Some(super::DEADLINE),
            hold: Hold::Yield,
            think: false,
            warm_up: window / 4,
            window,
            timed: 16,
            seed: 0,
        }
    }

    /// Lets the crowd loose on a pool, and records through `figures` what came of it, then how
    /// evenly it was spread.
    pub(super) fn run<C: Contestant>(self, figures: fn(&Tally, &mut Outcome)) -> Outcome {
        self.measure(Running::start::<C>, figures)
    }

    fn measure(self, start: Start, figures: fn(&Tally, &mut Outcome)) -> Outcome {
        Outcome::of(sample(Crew::full(), async move |beat| {
            let mut tally = self.tally(start, beat).await;
            let mut outcome = Outcome::default();
            outcome.faults(std::mem::take(&mut tally.faults));
            figures(&tally, &mut outcome);
            if tally.limited {
                let (jain, ratio) = (jain(&tally.shares), least_by_most(&tally.shares));
                outcome.value("jain", "", Better::Higher, jain);
                outcome.value("min/max", "", Better::Higher, ratio);
            }
            note_overlap(&mut outcome, tally.overlap);
            outcome.latencies = Some(tally.waits);
            outcome
        }))
    }

    async fn tally(self, start: Start, beat: Arc<Beat>) -> Tally {
        let setup = setup(self.size, self.deadline);
        let shared = Arc::new(Shared {
            phase: CachePadded::new(AtomicU8::new(WARMING)),
            beat,
            crowd: self,
        });
        let (pool, running) = start(&setup, shared.clone()).await;
        // This thread is none of the workers: it may sleep.
        thread::sleep(self.warm_up);
        let busy = Busy::start();
        shared.phase.store(OPEN, Ordering::Relaxed);
        thread::sleep(self.window);
        shared.phase.store(OVER, Ordering::Relaxed);
        let (window, overlap) = busy.end(cores());
        let logs = running.end().await;
        let refused = logs.iter().any(|log| log.refused);
        let refused = refused.then(|| "refused an acquire long before its deadline".to_owned());
        Tally {
            faults: refused
                .into_iter()
                .chain(intact(&pool, &setup).await)
                .collect(),
            waits: latencies(logs.iter().flat_map(|log| log.waits.iter().copied())),
            held: logs.iter().map(|log| log.held).sum(),
            shares: logs.iter().map(|log| log.operations).collect(),
            window,
            overlap,
            limited: !pool.about().lacks.limit,
        }
    }
}

/// The crowd at work.
enum Running {
    Tasks(Vec<tokio::task::JoinHandle<Log>>),
    Threads(Vec<thread::JoinHandle<Log>>),
}

/// Makes a pool and lets a crowd loose on it: [`Running::start`] for one contestant.
type Start = for<'a> fn(&'a Setup, Arc<Shared>) -> Boxed<'a, (Pool, Running)>;

impl Running {
    fn start<C: Contestant>(setup: &Setup, shared: Arc<Shared>) -> Boxed<'_, (Pool, Self)> {
        Box::pin(async move {
            let pool = C::build(setup).await;
            let running = Self::of(&pool, &shared);
            (Pool::of(pool), running)
        })
    }

    fn of<C: Contestant>(pool: &C, shared: &Arc<Shared>) -> Self {
        let numbers = 0..shared.crowd.tasks;
        let each = || (pool.clone(), Arc::clone(shared));
        if C::LACKS.asynchrony {
            let start = |number| {
                let (pool, shared) = each();
                thread::spawn(move || thread(&pool, &shared, number))
            };
            Self::Threads(numbers.map(start).collect())
        } else {
            let start = |number| {
                let (pool, shared) = each();
                tokio::spawn(async move { task(&pool, &shared, number).await })
            };
            Self::Tasks(numbers.map(start).collect())
        }
    }

    async fn end(self) -> Vec<Log> {
        match self {
            Self::Tasks(tasks) => {
                let mut logs = Vec::with_capacity(tasks.len());
                for task in tasks {
                    logs.push(task.await.expect("a contestant does not panic"));
                }
                logs
            }
            Self::Threads(threads) => {
                let end = |thread: thread::JoinHandle<Log>| thread.join();
                let logs = threads.into_iter().map(end);
                logs.map(|log| log.expect("a contestant does not panic"))
                    .collect()
            }
        }
    }
}

/// One turn's stamps: when it began, and when it got its connection.
struct Turn {
    began: Option<Instant>,
    got: Option<Instant>,
}

impl Shared {
    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    /// Begins a turn; one in so many is timed.
    #[inline]
    fn begin(&self, count: usize) -> Turn {
        let mut began = None;
        if count.is_multiple_of(self.crowd.timed) {
            self.beat.tick();
            began = Some(Instant::now());
        }
        Turn { began, got: None }
    }

    /// Notes the wait, if it ended in the window or after it.
    #[inline]
    fn got(&self, turn: &mut Turn, log: &mut Log) {
        if let Some(began) = turn.began
            && self.phase() != WARMING
        {
            let now = Instant::now();
            log.waits.push((now - began).as_nanos() as u64);
            turn.got = Some(now);
        }
    }

    /// Notes the hold, where there is one to speak of.
    #[inline]
    fn held(&self, turn: &Turn, log: &mut Log) {
        if let (Hold::Sleep(..), Some(got)) = (self.crowd.hold, turn.got) {
            log.held += got.elapsed();
        }
    }

    /// Counts the turn if it ended in the window; whether it was the last.
    #[inline]
    fn end(&self, log: &mut Log) -> bool {
        let phase = self.phase();
        log.operations += u64::from(phase == OPEN);
        phase == OVER
    }

    fn chance(&self, number: usize) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.crowd.seed.wrapping_add(number as u64))
    }
}

/// How long to sleep this time.
fn between(least: Duration, most: Duration, chance: &mut fastrand::Rng) -> Duration {
    least + (most - least).mul_f64(chance.f64())
}

async fn task<C: Contestant>(pool: &C, shared: &Shared, number: usize) -> Log {
    let mut log = Log::default();
    let mut chance = shared.chance(number);
    let mut count = number;
    loop {
        count += 1;
        let mut turn = shared.begin(count);
        let Ok(mut lease) = pool.request().await else {
            log.refused = true;
            return log;
        };
        shared.got(&mut turn, &mut log);
        C::touch(&mut lease);
        match shared.crowd.hold {
            Hold::Yield => tokio::task::yield_now().await,
            Hold::Sleep(least, most) => {
                tokio::time::sleep(between(least, most, &mut chance)).await;
            }
        }
        shared.held(&turn, &mut log);
        if C::RELEASES {
            C::release(lease).await;
        } else {
            drop(lease);
        }
        if shared.end(&mut log) {
            return log;
        }
        if shared.crowd.think {
            tokio::task::yield_now().await;
        }
    }
}

/// The same for pools that block.
fn thread<C: Contestant>(pool: &C, shared: &Shared, number: usize) -> Log {
    let mut log = Log::default();
    let mut chance = shared.chance(number);
    let mut count = number;
    loop {
        count += 1;
        let mut turn = shared.begin(count);
        let Ok(mut lease) = crate::ready(pool.request()) else {
            log.refused = true;
            return log;
        };
        shared.got(&mut turn, &mut log);
        C::touch(&mut lease);
        match shared.crowd.hold {
            Hold::Yield => thread::yield_now(),
            Hold::Sleep(least, most) => thread::sleep(between(least, most, &mut chance)),
        }
        shared.held(&turn, &mut log);
        drop(lease);
        if shared.end(&mut log) {
            return log;
        }
        if shared.crowd.think {
            thread::yield_now();
        }
    }
}
