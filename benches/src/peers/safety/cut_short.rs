//! Callers that leave while their connection is being opened or checked.
//!
//! A connect takes 20 ms and the caller leaves after 10; the same with checks. What was begun for
//! them is lost, or it serves the next: a server does not mind finishing a login, but it does mind
//! doing it again, and a connection that was closed in the middle of a check has to be replaced.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Plan;
use super::findings::Findings;
use super::harness::{Crew, capacity};
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};
use crate::record::Better;

const SIZE: usize = 8;
/// How long a connect or check takes.
const TAKES: Duration = Duration::from_millis(20);
/// When callers leave.
const LEAVE: Duration = Duration::from_millis(10);
/// Times that eight callers come and leave while connections are checked: 48 acquires.
const CHECKED: usize = 6;
/// The same for connects, in a row without a pause.
const CONNECTED: usize = 3;

/// Runs both variants that the contestant can take part in.
pub async fn trial<C: Contestant>(plan: Plan) -> Findings {
    let mut findings = Findings::default();
    if !C::LACKS.connecting {
        findings.add("connecting", connecting::<C>(plan).await);
    }
    if !C::LACKS.checking {
        findings.add("checking", checking::<C>(plan).await);
    }
    findings
}

async fn connecting<C: Contestant>(plan: Plan) -> Findings {
    let backend = Backend::slow(TAKES, Duration::ZERO);
    let pool = C::build(&Setup::new(SIZE, Arc::clone(&backend))).await;
    let mut findings = Findings::default();
    for _ in 0..CONNECTED {
        come_and_leave(&pool, plan, &mut findings).await;
    }
    let had = capacity(&pool, SIZE, plan.patience, &mut findings).await;
    findings.check_capacity(had, SIZE);
    findings.count("connects begun", Better::Lower, backend.begun());
    findings.count("most alive", Better::Neither, backend.most_alive());
    findings.check_most_alive(&backend, SIZE);
    findings
}

async fn checking<C: Contestant>(plan: Plan) -> Findings {
    let backend = Backend::slow(Duration::ZERO, TAKES);
    let setup = Setup {
        full: true,
        check: true,
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = C::build(&setup).await;
    let mut findings = Findings::default();
    for _ in 0..CHECKED {
        come_and_leave(&pool, plan, &mut findings).await;
        // Checks that go on in the background end, so that each caller is in one of its own.
        sleep(TAKES).await;
    }
    let had = capacity(&pool, SIZE, plan.patience, &mut findings).await;
    findings.check_capacity(had, SIZE);
    let thrown_away = backend.opened().saturating_sub(SIZE);
    findings.count("thrown away of 48", Better::Lower, thrown_away);
    findings.check_most_alive(&backend, SIZE);
    findings
}

/// As many callers as there may be connections; they all leave early.
async fn come_and_leave<C: Contestant>(pool: &C, plan: Plan, findings: &mut Findings) {
    let mut crew = Crew::new();
    for _ in 0..SIZE {
        let pool = pool.clone();
        crew.spawn(async move { timeout(LEAVE, pool.acquire()).await.is_ok() });
    }
    crew.join(plan.patience).await.report(findings);
}
