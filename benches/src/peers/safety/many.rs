//! A thousand small pools, as a service with a database for each customer has.
//!
//! What one pool costs is small change until there are a thousand: its memory, and how often it wakes
//! the process while nobody asks for anything. Wake-ups are voluntary context switches of all threads: each is a time that a thread had
//! gone to sleep, and so kept a core from doing so; those of the harness itself, taken before, are
//! taken off. They are read from `/proc` and left out where there is none. Memory is that of pools
//! nobody has used yet, and of the same after one acquire in each, in a process of its own.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::checks::{as_number, has_waiters};
use super::first::{Fleet, use_each};
use super::harness::run;
use crate::peers::contestant::{About, Contestant};
use crate::peers::costs::per_pool;
use crate::peers::erased::Entrant;
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const SETTLE: Duration = Duration::from_millis(200);
/// How long to look on while nothing happens.
const LASTS: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub struct Many;

impl Scenario for Many {
    const NAME: &'static str = "many-pools";
    const TITLE: &'static str = "1,000 pools of 2: memory, wake-ups while idle";
    // What is counted does not depend on chance, and idling takes its time.
    const ONCE: bool = true;

    fn variants() -> Vec<String> {
        vec![String::new()]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        has_waiters(about) && !about.lacks.connecting
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let mut outcome = run(trial(Entrant::of::<C>(), *round));
        if let Some([unused, used]) = per_pool(C::NAME).filter(|_| !outcome.stuck) {
            outcome.value("memory per pool", "B", Better::Lower, unused);
            outcome.value("after one acquire", "B", Better::Lower, used);
            outcome.values.rotate_right(2);
        }
        outcome
    }
}

async fn trial(entrant: Entrant, round: Round) -> Outcome {
    let mut outcome = Outcome::default();
    let lasts = if round.quick { LASTS / 5 } else { LASTS };
    let own = Idling::over(lasts / 5).await;
    let fleet = Fleet::build(entrant).await;
    use_each(&fleet.pools, &mut outcome).await;
    // The first moments after that are not what idling is.
    sleep(SETTLE).await;
    let idle = Idling::over(lasts).await;
    if let (Some(idle), Some(own)) = (idle, own) {
        idle.above(&own, &mut outcome);
    }
    outcome
}

/// What a process does while nobody asks for anything, per second.
struct Idling {
    /// Times that a thread went to sleep.
    switches: f64,
    /// Seconds of processor time.
    processor: f64,
}

impl Idling {
    /// Looks on for a while; `None` where the system does not tell.
    async fn over(window: Duration) -> Option<Self> {
        let before = (switches()?, processor_time()?);
        let began = Instant::now();
        sleep(window).await;
        let seconds = began.elapsed().as_secs_f64();
        // A thread that has ended in between took its count along.
        let switches = switches()?.saturating_sub(before.0);
        let processor = processor_time()?.saturating_sub(before.1);
        Some(Self {
            switches: as_number(switches) / seconds,
            processor: processor.as_secs_f64() / seconds,
        })
    }

    /// Adds what is more than the harness's `own`.
    fn above(&self, own: &Self, outcome: &mut Outcome) {
        let switches = (self.switches - own.switches).max(0.0);
        outcome.value("wake-ups while idle", "1/s", Better::Lower, switches);
        let share = (self.processor - own.processor).max(0.0) * 100.0;
        outcome.value("processor while idle", "%", Better::Lower, share);
    }
}

/// How often the threads of this process have gone to sleep so far.
fn switches() -> Option<usize> {
    over_threads("status", |status| {
        number_after(status, "voluntary_ctxt_switches:")
    })
}

/// How long the threads of this process have run so far.
fn processor_time() -> Option<Duration> {
    let nanos = over_threads("schedstat", |stat| stat.split(' ').next()?.parse().ok())?;
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

/// The sum of what `read` finds in a file of each thread; a thread that has just ended is left out.
fn over_threads(file: &str, read: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let texts = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join(file)).ok());
    texts.map(|text| read(&text)).sum()
}

/// The number in the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<usize> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
