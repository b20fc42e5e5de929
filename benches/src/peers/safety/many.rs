//! A thousand small pools, as a service with a database for each customer has.
//!
//! What one pool costs is small change until there are a thousand: its memory, the connects when all
//! are used for the first time at once, and how often it wakes the process while nobody asks for
//! anything. Wake-ups are voluntary context switches of all threads: each is a time that a thread had
//! gone to sleep, and so kept a core from doing so. Memory and wake-ups are the process's, so this
//! belongs into a process of its own, or at least alone; they are read from `/proc` and left out where
//! there is none.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Plan;
use super::findings::{Findings, as_number};
use super::harness::Crew;
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};
use crate::record::Better;

const POOLS: usize = 1000;
const SIZE: usize = 2;
const CONNECT: Duration = Duration::from_millis(10);

/// Runs it.
pub async fn trial<C: Contestant>(plan: Plan) -> Findings {
    let mut findings = Findings::default();
    let backends: Vec<Arc<Backend>> = (0..POOLS)
        .map(|_| Backend::slow(CONNECT, Duration::ZERO))
        .collect();
    let mut pools: Vec<C> = Vec::with_capacity(POOLS);
    let before = resident();
    for backend in &backends {
        pools.push(C::build(&Setup::new(SIZE, Arc::clone(backend))).await);
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        let bytes = as_number(after.saturating_sub(before)) / as_number(POOLS);
        findings.note("memory per pool", "B", Better::Lower, bytes);
    }
    if !C::LACKS.connecting {
        storm(&pools, plan, &mut findings).await;
        let opened: usize = backends.iter().map(|backend| backend.opened()).sum();
        findings.count("opened by one acquire each", Better::Lower, opened);
    }
    for backend in &backends {
        findings.check_most_alive(backend, SIZE);
    }
    // The first moments after the storm are not what idling is.
    sleep(plan.millis(200, 100)).await;
    idle(plan.millis(5000, 1000), &mut findings).await;
    findings
}

/// One acquire in each pool, all at once.
async fn storm<C: Contestant>(pools: &[C], plan: Plan, findings: &mut Findings) {
    let mut crew = Crew::new();
    let began = Instant::now();
    for pool in pools {
        let pool = pool.clone();
        crew.spawn(async move { pool.acquire().await.is_some() });
    }
    let ended = crew.join(plan.patience).await;
    let took = began.elapsed();
    ended.report(findings);
    let refused = ended.results.iter().filter(|served| !**served).count();
    if refused > 0 {
        findings.fault(format!(
            "turned {refused} of {POOLS} acquires away long before their deadline"
        ));
    } else if ended.is_well() {
        findings.took("one acquire each", took);
    }
}

/// Nobody asks for anything.
async fn idle(window: Duration, findings: &mut Findings) {
    let before = (switches(), processor_time());
    let began = Instant::now();
    sleep(window).await;
    let seconds = began.elapsed().as_secs_f64();
    if let (Some(before), Some(after)) = (before.0, switches()) {
        // A thread that has ended in between took its count along.
        let rate = as_number(after.saturating_sub(before)) / seconds;
        findings.note("wake-ups while idle", "1/s", Better::Lower, rate);
    }
    if let (Some(before), Some(after)) = (before.1, processor_time()) {
        let share = after.saturating_sub(before).as_secs_f64() / seconds;
        findings.note("processor while idle", "%", Better::Lower, share * 100.0);
    }
}

/// Bytes of memory that the process has in use, counted page by page (`statm` lags behind).
fn resident() -> Option<usize> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    Some(number_after(&rollup, "Rss:")? * 1024)
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
