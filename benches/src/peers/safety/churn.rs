//! Connections that break in the hands of their users.
//!
//! Sixteen tasks on eight connections; after every tenth use the far end hangs up and the lease is
//! discarded, in the way that the pool offers. A connect takes 1 ms. A pool needs one connect for each
//! broken connection, must not hand a dead one out again, and has to keep waiters in mind for whom no
//! connection will ever be returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::Plan;
use super::findings::{Findings, as_number};
use super::harness::{Crew, Ended, capacity};
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};
use crate::record::Better;

const SIZE: usize = 8;
const TASKS: usize = 16;
const CONNECT: Duration = Duration::from_millis(1);
/// Every so many-th use of a task ends with a broken connection.
const EVERY: usize = 10;

/// What one task has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    served: usize,
    discarded: usize,
    dead: usize,
    refused: usize,
}

/// Runs it.
pub async fn trial<C: Contestant>(plan: Plan) -> Findings {
    let backend = Backend::slow(CONNECT, Duration::ZERO);
    let setup = Setup {
        full: true,
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = C::build(&setup).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut crew = Crew::new();
    let before = backend.opened();
    let began = Instant::now();
    for task in 0..TASKS {
        crew.spawn(work(pool.clone(), Arc::clone(&stop), task));
    }
    sleep(plan.millis(200, 80)).await;
    stop.store(true, Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    let ended = crew.join(plan.patience).await;

    let mut findings = Findings::default();
    // Also waits for what is still being replaced.
    let had = capacity(&pool, SIZE, plan.patience, &mut findings).await;
    findings.check_capacity(had, SIZE);
    report(&ended, seconds, backend.opened() - before, &mut findings);
    findings.check_most_alive(&backend, SIZE);
    findings
}

fn report(ended: &Ended<Tally>, seconds: f64, opened: usize, findings: &mut Findings) {
    ended.report(findings);
    let sum = |part: fn(&Tally) -> usize| ended.results.iter().map(part).sum::<usize>();
    let (dead, refused) = (sum(|tally| tally.dead), sum(|tally| tally.refused));
    if dead > 0 {
        findings.fault(format!(
            "handed out {dead} connections again that had been discarded as broken"
        ));
    }
    if refused > 0 {
        findings.fault(format!(
            "turned {refused} acquires away long before their deadline"
        ));
    }
    // What the stuck ones would have added is not known.
    if ended.is_well() {
        let served = as_number(sum(|tally| tally.served)) / seconds;
        findings.note("served", "1/s", Better::Higher, served);
        let needed = sum(|tally| tally.discarded);
        let beyond = as_number(opened) - as_number(needed);
        findings.note("opened beyond need", "", Better::Lower, beyond);
    }
}

async fn work<C: Contestant>(pool: C, stop: Arc<AtomicBool>, task: usize) -> Tally {
    let mut tally = Tally::default();
    // Tasks begin at different places, so that they do not all discard at once.
    let mut turn = task;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let Some(mut lease) = pool.acquire().await else {
            tally.refused += 1;
            yield_now().await;
            continue;
        };
        let conn = C::conn(&mut lease);
        let dead = conn.is_broken();
        conn.touch();
        yield_now().await;
        tally.served += 1;
        if dead {
            tally.dead += 1;
        } else if turn.is_multiple_of(EVERY) {
            C::conn(&mut lease).break_off();
            C::discard(lease);
            tally.discarded += 1;
        }
    }
    tally
}
