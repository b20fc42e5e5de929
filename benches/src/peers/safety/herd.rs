//! A thousand callers at once, and nothing is open.
//!
//! Fifty connections at most, 10 ms each to open. No caps on connects at a time, as most pools have
//! none: the question is whether a pool opens more than it may, leaves somebody standing, or takes
//! long over handing round what it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Plan;
use super::findings::Findings;
use super::harness::Crew;
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};
use crate::record::Better;

const SIZE: usize = 50;
const TASKS: usize = 1000;
const CONNECT: Duration = Duration::from_millis(10);

/// Runs it.
pub async fn trial<C: Contestant>(plan: Plan) -> Findings {
    let backend = Backend::slow(CONNECT, Duration::ZERO);
    let setup = Setup {
        max_connecting: Some(SIZE),
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = C::build(&setup).await;
    let mut crew = Crew::new();
    let began = Instant::now();
    for _ in 0..TASKS {
        let pool = pool.clone();
        crew.spawn(async move {
            let mut lease = pool.acquire().await?;
            C::conn(&mut lease).touch();
            Some(began.elapsed())
        });
    }
    let ended = crew.join(plan.patience).await;

    let mut findings = Findings::default();
    ended.report(&mut findings);
    let served: Vec<Duration> = ended.results.iter().copied().flatten().collect();
    if let Some(first) = served.iter().min() {
        findings.took("first served", *first);
    }
    if let Some(last) = served.iter().max().filter(|_| served.len() == TASKS) {
        findings.took("all served", *last);
    }
    let refused = ended.results.len() - served.len();
    if refused > 0 {
        findings.fault(format!(
            "turned {refused} of {TASKS} acquires away long before their deadline"
        ));
    }
    report(&backend, &mut findings);
    findings
}

fn report(backend: &Backend, findings: &mut Findings) {
    findings.count("opened", Better::Lower, backend.opened());
    findings.count("most alive", Better::Neither, backend.most_alive());
    let connecting = backend.most_connecting();
    findings.count("most connecting", Better::Neither, connecting);
    findings.check_most_alive(backend, SIZE);
}
