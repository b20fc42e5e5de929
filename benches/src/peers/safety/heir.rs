//! The first in line leaves; when is the next one served?
//!
//! One connection at most. A asks for it and causes a connect (or a check) of 20 ms; B asks a moment
//! later and waits. After 10 ms A leaves. What was begun may go on for B, which is then served
//! 10 ms later; or it starts over; or nobody tells B that its turn has come.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Plan;
use super::findings::Findings;
use super::harness::Crew;
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};

/// How long a connect or check takes.
const TAKES: Duration = Duration::from_millis(20);
/// When A leaves.
const LEAVE: Duration = Duration::from_millis(10);
/// How much later B comes.
const LATER: Duration = Duration::from_millis(2);

/// Who has come to an end.
enum Done {
    /// A: when it left, unless it was served.
    First(Option<Instant>),
    /// B: when it was served, unless it was refused.
    Second(Option<Instant>),
}

/// Runs both variants that the contestant can take part in.
pub async fn trial<C: Contestant>(plan: Plan) -> Findings {
    let mut findings = Findings::default();
    if !C::LACKS.connecting {
        let backend = Backend::slow(TAKES, Duration::ZERO);
        let setup = Setup::new(1, backend);
        findings.add("connecting", leave::<C>(&setup, plan).await);
    }
    if !C::LACKS.checking && !C::LACKS.connecting {
        // A connection that is thrown away for having been asked costs a connect.
        let backend = Backend::slow(TAKES, TAKES);
        let setup = Setup {
            full: true,
            check: true,
            ..Setup::new(1, backend)
        };
        findings.add("checking", leave::<C>(&setup, plan).await);
    }
    findings
}

async fn leave<C: Contestant>(setup: &Setup, plan: Plan) -> Findings {
    let pool = C::build(setup).await;
    let mut crew = Crew::new();
    let (first, second) = (pool.clone(), pool);
    crew.spawn(async move {
        let served = timeout(LEAVE, first.acquire()).await.is_ok();
        Done::First((!served).then(Instant::now))
    });
    crew.spawn(async move {
        sleep(LATER).await;
        let served = second.acquire().await.is_some();
        Done::Second(served.then(Instant::now))
    });
    let ended = crew.join(plan.patience).await;

    let (mut left, mut served) = (None, None);
    for done in &ended.results {
        match done {
            Done::First(at) => left = *at,
            Done::Second(at) => served = *at,
        }
    }
    let mut findings = Findings::default();
    if let Some(panic) = ended.panics.first() {
        findings.fault(panic.clone());
    } else if let (Some(left), Some(served)) = (left, served) {
        findings.took("next served after", served.saturating_duration_since(left));
    } else if served.is_none() {
        let seconds = plan.patience.as_secs_f64();
        findings.fault(format!(
            "left the next in line without a connection for {seconds:.1} s after the first had gone, \
             though none was in use"
        ));
    }
    findings.check_most_alive(&setup.backend, setup.size);
    findings
}
