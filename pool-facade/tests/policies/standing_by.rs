//! An admission that stands by is not asked, and still each token that it gave comes back exactly
//! once, however often it stands up and by while requests are under way.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_facade::{Admission, Admit, Outcome, Pool, RequestInfo, Token};
use pool_facade::{HealthPolicy, Orders, Subject};
use pool_testkit::fake::{FakeBackend, FakeManager};
use proptest::prelude::*;

use super::doorman::{Doorman, ms, poll_once};

/// A doorman who stands by when told so.
#[derive(Default)]
struct Standby {
    doorman: Doorman,
    stands_by: AtomicBool,
}

impl Admission for Standby {
    fn admit(&self, now: Duration, request: &RequestInfo) -> Admit {
        self.doorman.admit(now, request)
    }

    fn leave(&self, now: Duration, token: Token, outcome: Outcome) {
        self.doorman.leave(now, token, outcome);
    }

    fn stands_by(&self) -> Option<bool> {
        Some(self.stands_by.load(Ordering::Relaxed))
    }
}

/// Has the pool look at things every 10 ms.
struct Pulse;

impl HealthPolicy for Pulse {
    fn review(&self, _: Duration, _: &[Subject], _: &mut Orders) -> Option<Duration> {
        Some(ms(10))
    }
}

async fn pool() -> (Arc<Standby>, Pool<FakeManager>) {
    let standby = Arc::new(Standby::default());
    let pool = Pool::builder(FakeBackend::new().manager())
        .max_size(2u32)
        .initial_size(2u32)
        .admission(Arc::clone(&standby) as _)
        .health(Arc::new(Pulse))
        .build();
    let pool = pool.await.unwrap();
    (standby, pool)
}

impl Standby {
    async fn turn(&self, by: bool) {
        self.stands_by.store(by, Ordering::Relaxed);
        tokio::time::sleep(ms(15)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn policy_that_stands_by_is_asked_by_nobody_until_it_stands_up() {
    let (standby, pool) = pool().await;
    standby.turn(true).await;
    drop(pool.acquire().await.unwrap());
    drop(pool.try_acquire().unwrap());
    drop(pool.request().user("alice").acquire().await.unwrap());
    assert_eq!(standby.doorman.entered(), 0);
    standby.turn(false).await;
    drop(pool.acquire().await.unwrap());
    drop(pool.try_acquire().unwrap());
    assert_eq!(
        (standby.doorman.entered(), standby.doorman.inside()),
        (2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn request_that_entered_leaves_though_the_policy_stands_by_meanwhile() {
    let (standby, pool) = pool().await;
    let (one, two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let mut third = pin!(pool.acquire());
    assert!(poll_once(third.as_mut()).is_none());
    standby.turn(true).await;
    assert_eq!(standby.doorman.inside(), 3);
    drop(one);
    let third = poll_once(third).expect("it was handed over").unwrap();
    assert_eq!(standby.doorman.inside(), 2, "a token is missing");
    drop((two, third));
    assert_eq!(standby.doorman.inside(), 0, "a token is missing");
}

#[tokio::test(start_paused = true)]
async fn request_that_was_not_asked_does_not_leave() {
    let (standby, pool) = pool().await;
    standby.turn(true).await;
    let (one, _two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let mut third = Box::pin(pool.acquire());
    assert!(poll_once(third.as_mut()).is_none());
    let mut fourth = Box::pin(pool.acquire());
    assert!(poll_once(fourth.as_mut()).is_none());
    standby.turn(false).await;
    drop(one);
    drop(
        poll_once(third.as_mut())
            .expect("it was handed over")
            .unwrap(),
    );
    drop(fourth);
    standby.doorman.assert_balanced();
    assert_eq!(standby.doorman.entered(), 0);
}

/// What happens to requests and leases in the meantime.
#[derive(Clone, Copy, Debug)]
enum Step {
    Turn(bool),
    Ask,
    Poll(usize),
    Cancel(usize),
    Return(usize),
    Try,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(Step::Turn),
        Just(Step::Ask),
        (0usize..6).prop_map(Step::Poll),
        (0usize..6).prop_map(Step::Cancel),
        (0usize..6).prop_map(Step::Return),
        Just(Step::Try),
    ]
}

async fn play(steps: Vec<Step>) {
    let (standby, pool) = pool().await;
    let (mut asked, mut leases) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Turn(by) => standby.turn(by).await,
            Step::Ask => asked.push(Box::pin(pool.acquire())),
            Step::Poll(at) if at < asked.len() => {
                if let Some(lease) = poll_once(asked[at].as_mut()) {
                    drop(asked.swap_remove(at));
                    leases.extend(lease);
                }
            }
            Step::Cancel(at) if at < asked.len() => drop(asked.swap_remove(at)),
            Step::Return(at) if at < leases.len() => drop(leases.swap_remove(at)),
            Step::Try => leases.extend(pool.try_acquire()),
            _ => {}
        }
    }
    drop((asked, leases));
    standby.doorman.assert_balanced();
    assert_eq!(standby.doorman.inside(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_token_comes_back_once_however_often_the_policy_stands_by(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(play(steps));
    }
}
