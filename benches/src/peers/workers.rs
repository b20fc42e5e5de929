//! Where samples run: a runtime with its workers pinned one a core, made for one sample, and watched.
//!
//! Unpinned, a kernel may leave two workers on one core for as long as a sample takes, and what was
//! to run in parallel runs one after the other. Even pinned ones get less than a core each where
//! others use the machine too. So the processor time that the process got is taken beside the wall
//! time of each parallel stretch ([`Busy`]), and comparisons use the rounds with enough of it.
//!
//! A pool that loses a wake-up leaves tasks waiting for ever. Each sample therefore runs on a thread
//! of its own, and tells by a [`Beat`] that it gets on; one that does not for a while is ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// Who runs a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// The sample's own thread, by itself.
    Current,
    /// So many workers beside it.
    Workers(usize),
}

impl Crew {
    /// A worker for each core.
    #[must_use]
    pub fn full() -> Self {
        Self::Workers(cores())
    }

    fn runtime(self) -> Runtime {
        let built = match self {
            Self::Current => {
                pin(0);
                Builder::new_current_thread().enable_all().build()
            }
            Self::Workers(workers) => {
                let next = AtomicUsize::new(0);
                Builder::new_multi_thread()
                    .worker_threads(workers)
                    .on_thread_start(move || pin(next.fetch_add(1, Ordering::Relaxed)))
                    .enable_all()
                    .build()
            }
        };
        built.expect("a runtime can be built")
    }
}

/// Cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps the calling thread on one core, where the system can do so.
fn pin(number: usize) {
    if let Some(cores) = core_affinity::get_core_ids()
        && let Some(core) = cores.get(number % cores.len().max(1))
    {
        core_affinity::set_for_current(*core);
    }
}

/// A sample's signs of life.
#[derive(Debug, Default)]
pub struct Beat {
    count: AtomicUsize,
    over: Notify,
}

impl Beat {
    /// Something got on. One shared write: not for every operation of a fast sample.
    #[inline]
    pub fn tick(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// A sample that did not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// Tasks that nobody wakes.
    Asleep,
    /// A thread that does not come back.
    Blocked,
    /// The sample panicked.
    Panicked,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asleep => "stalled: tasks that wait are never woken",
            Self::Blocked => "stalled: a thread that called it does not come back",
            Self::Panicked => "panicked",
        })
    }
}

impl std::error::Error for Stall {}

/// How often a sample is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How many looks without a sign of life are too many.
const LOOKS: usize = 15;

/// The work of a sample, whose type is forgotten: a runtime is compiled for each type of future that it
/// runs. Its tasks and loops stay what they are.
type Work<T> = Box<dyn FnOnce(Arc<Beat>) -> Pin<Box<dyn Future<Output = T>>> + Send>;

/// Runs `work` on a runtime of its own. What it starts is ended when it returns.
///
/// # Errors
///
/// If it shows no sign of life for a second and a half. A thread that is blocked then is left behind.
pub fn sample<T: Send + 'static, W>(crew: Crew, work: W) -> Result<T, Stall>
where
    W: AsyncFnOnce(Arc<Beat>) -> T + Send + 'static,
{
    watched(
        crew,
        Box::new(|beat| Box::pin(async move { work(beat).await })),
    )
}

fn watched<T: Send + 'static>(crew: Crew, work: Work<T>) -> Result<T, Stall> {
    let beat = Arc::new(Beat::default());
    let (report, reported) = channel();
    let inner = Arc::clone(&beat);
    thread::spawn(move || {
        let runtime = crew.runtime();
        let output = runtime.block_on(async {
            tokio::select! {
                biased;
                output = work(Arc::clone(&inner)) => Ok(output),
                () = inner.over.notified() => Err(Stall::Asleep),
            }
        });
        if output.is_ok() {
            drop(runtime);
        } else {
            runtime.shutdown_background();
        }
        // Nobody listens any more to a sample that was given up.
        let _ = report.send(output);
    });
    let mut seen = beat.count();
    let mut still = 0;
    loop {
        match reported.recv_timeout(LOOK) {
            Ok(output) => return output,
            Err(RecvTimeoutError::Disconnected) => return Err(Stall::Panicked),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = beat.count();
        still = if now == seen { still + 1 } else { 0 };
        seen = now;
        if still == LOOKS {
            beat.over.notify_one();
        } else if still > 2 * LOOKS {
            return Err(Stall::Blocked);
        }
    }
}

/// Takes how many cores were busy for this process over a stretch of time.
#[derive(Debug)]
pub struct Busy {
    began: Instant,
    used: Option<Duration>,
}

impl Busy {
    /// From now on.
    #[must_use]
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
            used: processor_time(),
        }
    }

    /// The stretch's length, and the overlap of workers: 2 if all of them had a core to themselves
    /// all the time, however many they are; `None` where the system does not tell.
    #[must_use]
    pub fn end(&self, workers: usize) -> (Duration, Option<f64>) {
        let wall = self.began.elapsed();
        let used = processor_time().zip(self.used);
        let overlap = used.map(|(now, before)| {
            let cores = now.saturating_sub(before).as_secs_f64() / wall.as_secs_f64();
            2.0 * cores / workers as f64
        });
        (wall, overlap)
    }
}

#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID);
    now.ok().map(Duration::from)
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_that_nobody_wakes_is_ended() {
        let stalled = sample(Crew::Workers(2), async |_| {
            std::future::pending::<()>().await
        });
        assert_eq!(stalled, Err(Stall::Asleep));
    }

    #[test]
    fn a_sample_that_blocks_is_given_up() {
        let stalled = sample(Crew::Current, async |_| {
            loop {
                thread::park();
            }
        });
        assert_eq!(stalled, Err::<(), _>(Stall::Blocked));
    }

    #[test]
    fn a_sample_that_gets_on_may_take_its_time() {
        let ended = sample(Crew::Workers(1), async |beat| {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                beat.tick();
            }
        });
        assert_eq!(ended, Ok(()));
    }

    #[test]
    fn sleepers_do_not_overlap() {
        let busy = Busy::start();
        thread::sleep(Duration::from_millis(50));
        let (wall, overlap) = busy.end(1);
        assert!(wall >= Duration::from_millis(50));
        // Other tests of this process may be at work meanwhile, on some cores, but not on many more
        // than there are.
        assert!(overlap.is_none_or(|overlap| overlap <= 2.1 * cores() as f64));
    }
}
