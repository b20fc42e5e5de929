//! The books of a policy, after everything that can happen to requests in any order: as many tokens
//! are out as requests are under way or leased, after each single step; none comes back twice.
//!
//! Operations are those of the sequential model; what the back end does to each call, and how far
//! each request is polled before it is given up, is drawn from a seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_facade::{
    Acquire, ErrorClass, Evict, Hook, OnSuspend, Placement, Pool, PooledConnection, Priority,
    Refused, RequestInfo,
};
use pool_facade::{Candidate, Candidates};
use pool_testkit::fake::{Action, FakeBackend, FakeConn, FakeManager, Step};
use pool_testkit::model::{Operation, Release, WhenSuspended, operations};
use proptest::prelude::*;

use super::doorman::{Doorman, hush, ms, poll_once};

const PRIORITIES: [Priority; 4] = [
    Priority::Critical,
    Priority::High,
    Priority::Normal,
    Priority::Low,
];

/// What is drawn.
#[derive(Clone)]
struct Chance(Arc<Mutex<fastrand::Rng>>);

impl Chance {
    fn below(&self, limit: u32) -> u32 {
        self.0.lock().unwrap().u32(0..limit)
    }

    /// Most calls succeed.
    fn action(&self) -> Action {
        match self.below(20) {
            0 => Action::fail(
                [ErrorClass::Connection, ErrorClass::Permanent][self.below(2) as usize],
            ),
            1 => Action::hang(),
            2 => Action::panic(),
            3 | 4 => Action::delay(ms(20)),
            _ => Action::succeed(),
        }
    }

    /// A condition does not wait.
    fn answer(&self) -> Action {
        match self.below(40) {
            0 => Action::fail(ErrorClass::Connection),
            1 => Action::panic(),
            _ => Action::succeed(),
        }
    }

    fn hook(&self) -> Hook<FakeConn> {
        let chance = self.clone();
        Hook::asynchronous(move |_, _| {
            let drawn = chance.below(20);
            Box::pin(async move {
                match drawn {
                    0 => return Err(Refused::new("planned")),
                    1 => std::future::pending().await,
                    2 => panic!("planned"),
                    3 | 4 => tokio::time::sleep(ms(20)).await,
                    _ => {}
                }
                Ok(())
            })
        })
    }
}

/// Who has what, as a placement hears of it.
#[derive(Debug, Default)]
struct Ledger {
    leased: Mutex<Vec<Candidate>>,
    wrong: Mutex<Vec<String>>,
}

impl Placement for Ledger {
    /// Whatever comes to its mind: what is idle, what is not, what does not exist.
    fn choose(&self, _: &RequestInfo, idle: &Candidates<'_>) -> Option<u32> {
        idle.iter()
            .last()
            .map(|last| last.slot.wrapping_mul(last.connection as u32))
    }

    fn acquired(&self, _: &RequestInfo, connection: Candidate) {
        let mut leased = self.leased.lock().unwrap();
        if leased.iter().any(|other| other.slot == connection.slot) {
            self.wrong
                .lock()
                .unwrap()
                .push(format!("{connection:?} twice"));
        }
        leased.push(connection);
    }

    fn released(&self, _: &RequestInfo, connection: Candidate) {
        let mut leased = self.leased.lock().unwrap();
        match leased.iter().position(|other| *other == connection) {
            Some(at) => drop(leased.swap_remove(at)),
            None => self
                .wrong
                .lock()
                .unwrap()
                .push(format!("{connection:?} unheard of")),
        }
    }
}

enum State<'a> {
    /// With how often it will be polled.
    Asking(Pin<Box<Acquire<'a, FakeManager>>>, u32),
    Leased(PooledConnection<FakeManager>),
    Over,
}

struct Rig<'a> {
    pool: &'a Pool<FakeManager>,
    chance: Chance,
    doorman: Arc<Doorman>,
    ledger: Arc<Ledger>,
    requests: Vec<State<'a>>,
}

impl<'a> Rig<'a> {
    fn poll(&mut self, request: usize) {
        let State::Asking(acquire, left) = &mut self.requests[request] else {
            return;
        };
        if *left == 0 {
            return;
        }
        *left -= 1;
        match catch_unwind(AssertUnwindSafe(|| poll_once(acquire.as_mut()))) {
            Ok(None) => {}
            Ok(Some(Ok(lease))) => self.requests[request] = State::Leased(lease),
            // Dropped at once, or a panic: both end it.
            Ok(Some(Err(_))) | Err(_) => self.requests[request] = State::Over,
        }
    }

    fn ask(&mut self, priority: usize, within: Duration) {
        let request = self.pool.request().within(within);
        let acquire = match self.chance.below(4) {
            0 => self.pool.acquire(),
            1 => return self.try_ask(),
            _ => request.priority(PRIORITIES[priority]).acquire(),
        };
        // Half of them are looked after to the end.
        let polls = [1, 2, 3, u32::MAX, u32::MAX, u32::MAX][self.chance.below(6) as usize];
        self.requests.push(State::Asking(Box::pin(acquire), polls));
        self.poll(self.requests.len() - 1);
    }

    fn try_ask(&mut self) {
        if let Ok(Some(lease)) = catch_unwind(AssertUnwindSafe(|| self.pool.try_acquire())) {
            self.requests.push(State::Leased(lease));
        }
    }

    fn pick(&self, pick: usize, wanted: impl Fn(&State<'a>) -> bool) -> Option<usize> {
        let those: Vec<_> = (0..self.requests.len())
            .filter(|at| wanted(&self.requests[*at]))
            .collect();
        Some(those[pick.checked_rem(those.len())?])
    }

    fn release(&mut self, request: usize, release: Release) {
        let State::Leased(mut lease) = std::mem::replace(&mut self.requests[request], State::Over)
        else {
            panic!("request {request} has no lease");
        };
        match (release, self.chance.below(4)) {
            (Release::Clean, 0) => lease.leave("something"),
            (Release::Clean, 1) => drop(PooledConnection::begin(&mut lease)),
            (Release::Clean, 2) => {
                let panicked = catch_unwind(AssertUnwindSafe(move || {
                    let _lease = lease;
                    panic!("planned");
                }));
                assert!(panicked.is_err());
            }
            (Release::Clean, _) => drop(lease),
            (Release::Broken, _) => PooledConnection::discard(lease),
            (Release::Detached, _) => drop(PooledConnection::detach(lease)),
        }
    }

    async fn apply(&mut self, operation: &Operation) {
        let pool = self.pool;
        match *operation {
            Operation::Acquire { priority, within } => self.ask(priority, within),
            Operation::Cancel { pick } => {
                if let Some(at) = self.pick(pick, |state| matches!(state, State::Asking(..))) {
                    self.requests[at] = State::Over;
                }
            }
            Operation::Release { pick, release } => {
                if let Some(at) = self.pick(pick, |state| matches!(state, State::Leased(_))) {
                    self.release(at, release);
                }
            }
            Operation::Resize { max_size } => {
                let _ = pool.resize(u32::try_from(max_size).unwrap());
            }
            Operation::Suspend(WhenSuspended::Wait) => pool.suspend(OnSuspend::Wait),
            Operation::Suspend(WhenSuspended::Refuse) => pool.suspend(OnSuspend::Refuse),
            Operation::Resume => pool.resume(),
            Operation::Reopen => pool.reopen(),
            Operation::EvictIdle => drop(pool.evict(Evict::Idle)),
            Operation::EvictAll => drop(pool.evict(Evict::All)),
            Operation::Advance(by) => tokio::time::sleep(by).await,
            Operation::Close => {
                let _ = poll_once(pin!(pool.close(ms(1000))));
            }
            ref other => panic!("the model has learnt {other:?}, this test has not"),
        }
        self.check();
        // What is in the background goes on, then everybody looks who still does.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        self.check();
        for request in 0..self.requests.len() {
            self.poll(request);
            self.check();
        }
    }

    /// As many tokens are out as requests are in or leased, and the leases are known.
    fn check(&self) {
        let leased = |state: &&State<'_>| matches!(state, State::Leased(_));
        let leases = self.requests.iter().filter(leased).count();
        let over = |state: &&State<'_>| matches!(state, State::Over);
        let over = self.requests.iter().filter(over).count();
        self.doorman.assert_holds(self.requests.len() - over);
        assert_eq!(self.ledger.leased.lock().unwrap().len(), leases);
        assert_eq!(*self.ledger.wrong.lock().unwrap(), [""; 0]);
    }
}

async fn run(script: &[Operation], seed: u64, checks: bool) {
    let chance = Chance(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))));
    let backend = FakeBackend::new();
    for step in [Step::Connect, Step::Validate, Step::Reset, Step::Close] {
        let chance = chance.clone();
        backend.rule(step, move |_| chance.action());
    }
    let condition = chance.clone();
    backend.rule(Step::Condition, move |_| condition.answer());
    let (doorman, ledger) = (Arc::new(Doorman::default()), Arc::new(Ledger::default()));
    let mut builder = Pool::builder(backend.manager())
        .max_size(3u32)
        .max_wait_queue_size(4u32)
        .connect_timeout(ms(100))
        .validation_timeout(ms(50))
        .reset_timeout(ms(50))
        .close_timeout(ms(50))
        .hand_off_lease(ms(50))
        .backoff_initial(ms(1))
        .backoff_max(ms(5))
        .admission(Arc::clone(&doorman) as _)
        .placement(Arc::clone(&ledger) as _);
    if checks {
        builder = builder
            .validation_bypass(ms(30))
            .before_acquire(chance.hook())
            .after_release(chance.hook());
    }
    let pool = builder.build().await.unwrap();
    let mut rig = Rig {
        pool: &pool,
        chance,
        doorman: Arc::clone(&doorman),
        ledger,
        requests: Vec::new(),
    };
    for operation in script {
        rig.apply(operation).await;
    }
    rig.requests.clear();
    rig.check();
    drop(rig);
    doorman.assert_balanced();
}

fn on_a_runtime(script: &[Operation], seed: u64, checks: bool) {
    hush();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(run(script, seed, checks));
}

proptest! {
    // PROPTEST_CASES asks for more than the usual 256.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_token_is_left_exactly_once_whatever_happens(
        script in operations(60),
        seed in any::<u64>(),
        checks in any::<bool>(),
    ) {
        on_a_runtime(&script, seed, checks);
    }
}
