//! A burst that is over before a connect is.
//!
//! Five connections of fifty are open and a small load goes on; then fifty requests come at once, each
//! with 2 ms of work, while a connect takes 150 ms. The five carry the burst in about 20 ms (30, as
//! tokio's timers round up), so each connect that is begun comes too late to help and costs the
//! server a login. Pools run with their own defaults here: how they grow is the question.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Plan;
use super::findings::Findings;
use super::harness::{Crew, capacity};
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};
use crate::record::Better;

const SIZE: usize = 50;
/// Connections that are open when the burst comes.
const OPEN: usize = 5;
const CONNECT: Duration = Duration::from_millis(150);
/// Tasks of the load that goes on all the time, each using a connection half of it.
const STEADY: usize = 2;
/// Work of a request of the steady load, and the pause after it.
const STEADY_HOLD: Duration = Duration::from_millis(1);
const BURST: usize = 50;
/// Work of a request of the burst.
const HOLD: Duration = Duration::from_millis(2);

/// Runs it.
pub async fn trial<C: Contestant>(plan: Plan) -> Findings {
    let backend = Backend::slow(CONNECT, Duration::ZERO);
    let pool = C::build(&Setup::new(SIZE, Arc::clone(&backend))).await;
    let mut findings = Findings::default();
    if capacity(&pool, OPEN, plan.patience, &mut findings).await < OPEN {
        findings.fault(format!("did not open {OPEN} connections for as many tasks"));
        return findings;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = Crew::new();
    for _ in 0..STEADY {
        load.spawn(steady(pool.clone(), Arc::clone(&stop)));
    }
    sleep(plan.millis(50, 20)).await;
    burst(&pool, &backend, plan, &mut findings).await;
    stop.store(true, Ordering::Relaxed);
    load.join(plan.patience).await.report(&mut findings);
    findings.check_most_alive(&backend, SIZE);
    findings
}

async fn burst<C: Contestant>(pool: &C, backend: &Backend, plan: Plan, findings: &mut Findings) {
    let before = backend.begun();
    let mut crew = Crew::new();
    let began = Instant::now();
    for _ in 0..BURST {
        crew.spawn(request(pool.clone()));
    }
    let ended = crew.join(plan.patience).await;
    let took = began.elapsed();
    let begun = backend.begun() - before;
    ended.report(findings);
    findings.count("connects begun", Better::Lower, begun);
    let refused = ended.results.iter().filter(|served| !**served).count();
    if refused > 0 {
        findings.fault(format!(
            "turned {refused} of {BURST} requests away long before their deadline"
        ));
    } else if ended.is_well() {
        findings.took("all served", took);
    }
}

async fn request<C: Contestant>(pool: C) -> bool {
    let Some(mut lease) = pool.acquire().await else {
        return false;
    };
    C::conn(&mut lease).touch();
    sleep(HOLD).await;
    true
}

async fn steady<C: Contestant>(pool: C, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        // One that waits for longer than a connect takes is the burst's business to tell.
        let lease = timeout(CONNECT * 2, pool.acquire()).await;
        sleep(STEADY_HOLD).await;
        drop(lease);
        sleep(STEADY_HOLD).await;
    }
}
