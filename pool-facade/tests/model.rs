//! The pool against the naive model of it: random sequences of operations, after each of which
//! both must agree about every request, every count and the order of service.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pool_facade::{Acquire, Error, Evict, OnSuspend, Pool, PooledConnection, Priority};
use pool_testkit::clock::ManualClock;
use pool_testkit::fake::{FakeBackend, FakeManager};
use pool_testkit::model::{Model, Operation, Outcome, Release, Rules, WhenSuspended, operations};
use pool_testkit::spawn::CountingSpawn;
use proptest::prelude::*;

const MAX_SIZE: u32 = 3;

const PRIORITIES: [Priority; 4] = [
    Priority::Critical,
    Priority::High,
    Priority::Normal,
    Priority::Low,
];

/// The offsets that the priorities document.
const OFFSETS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2000),
];

/// Notes which request was woken, in order.
struct Call {
    request: usize,
    calls: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.calls.lock().unwrap().push(self.request);
    }
}

/// What the pool has made of a request.
enum State<'a> {
    Asking(Pin<Box<Acquire<'a, FakeManager>>>),
    Leased(PooledConnection<FakeManager>),
    Over(Outcome),
}

/// The pool, driven by hand.
struct Rig<'a> {
    pool: &'a Pool<FakeManager>,
    clock: ManualClock,
    calls: Arc<Mutex<Vec<usize>>>,
    requests: Vec<State<'a>>,
    served: Vec<usize>,
}

impl<'a> Rig<'a> {
    fn poll(&mut self, request: usize) {
        let State::Asking(acquire) = &mut self.requests[request] else {
            return;
        };
        let calls = Arc::clone(&self.calls);
        let waker = Waker::from(Arc::new(Call { request, calls }));
        let Poll::Ready(ended) = acquire.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return;
        };
        self.requests[request] = match ended {
            Ok(lease) => {
                lease.claim();
                self.served.push(request);
                State::Leased(lease)
            }
            Err(Error::Timeout { .. }) => State::Over(Outcome::TimedOut),
            Err(Error::Closed) => State::Over(Outcome::Closed),
            Err(Error::Suspended) => State::Over(Outcome::Suspended),
            Err(Error::QueueFull { .. }) => State::Over(Outcome::QueueFull),
            Err(other) => panic!("request {request}: {other}"),
        };
    }

    /// Lets all background work end and polls whoever was woken, in order.
    async fn settle(&mut self) {
        loop {
            self.clock.run_for(Duration::ZERO).await;
            let calls = std::mem::take(&mut *self.calls.lock().unwrap());
            if calls.is_empty() {
                return;
            }
            calls.into_iter().for_each(|request| self.poll(request));
        }
    }

    fn outcome(&self, request: usize) -> Outcome {
        match &self.requests[request] {
            State::Asking(_) => Outcome::Waiting,
            State::Leased(_) => Outcome::Leased,
            State::Over(outcome) => *outcome,
        }
    }

    fn ask(&mut self, priority: usize, within: Duration) {
        let request = self
            .pool
            .request()
            .priority(PRIORITIES[priority])
            .within(within);
        self.requests
            .push(State::Asking(Box::pin(request.acquire())));
        self.poll(self.requests.len() - 1);
    }

    fn release(&mut self, request: usize, release: Release) {
        let over = State::Over(Outcome::Released);
        let State::Leased(lease) = std::mem::replace(&mut self.requests[request], over) else {
            panic!("request {request} has no lease");
        };
        lease.release();
        match release {
            // Every other one needs a reset first.
            Release::Clean if request.is_multiple_of(2) => lease.leave("something"),
            Release::Clean => drop(lease),
            Release::Broken => PooledConnection::discard(lease),
            Release::Detached => drop(PooledConnection::detach(lease)),
        }
    }

    async fn apply(&mut self, operation: &Operation, target: Option<usize>) {
        let pool = self.pool;
        match *operation {
            Operation::Acquire { priority, within } => self.ask(priority, within),
            Operation::Cancel { .. } => {
                if let Some(request) = target {
                    self.requests[request] = State::Over(Outcome::Cancelled);
                }
            }
            Operation::Release { release, .. } => {
                if let Some(request) = target {
                    self.release(request, release);
                }
            }
            Operation::Resize { max_size } => {
                let resized = pool.resize(u32::try_from(max_size).unwrap());
                assert!(resized.is_ok() || pool.is_closed(), "{resized:?}");
            }
            Operation::Suspend(WhenSuspended::Wait) => pool.suspend(OnSuspend::Wait),
            Operation::Suspend(WhenSuspended::Refuse) => pool.suspend(OnSuspend::Refuse),
            Operation::Resume => pool.resume(),
            Operation::Reopen => pool.reopen(),
            Operation::EvictIdle => drop(pool.evict(Evict::Idle)),
            Operation::EvictAll => drop(pool.evict(Evict::All)),
            Operation::Advance(by) => self.clock.run_for(by).await,
            Operation::Close => {
                let mut close = pin!(pool.close(Duration::from_secs(1)));
                let _ = close.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
            ref other => panic!("the model has learnt {other:?}, this test has not"),
        }
        self.settle().await;
    }

    /// What both must agree about.
    fn compare(&mut self, model: &Model) {
        for request in 0..self.requests.len() {
            let before = self.outcome(request);
            assert_eq!(before, model.outcome(request), "request {request}");
            // Nobody has news that it was not woken for.
            self.poll(request);
            assert_eq!(
                self.outcome(request),
                before,
                "request {request} was not woken"
            );
        }
        assert_eq!(self.served, model.served());
        let (status, counts) = (self.pool.status(), model.counts());
        assert_eq!(
            (status.size, status.idle, status.leased, status.waiting),
            (counts.size, counts.idle, counts.leased, counts.waiting),
            "{status:?}"
        );
        assert_eq!(status.opened, counts.opened as u64, "{status:?}");
        assert_eq!(
            status.closed - status.detached,
            counts.closed as u64,
            "{status:?}"
        );
    }
}

async fn run(script: &[Operation]) {
    let clock = ManualClock::new();
    let backend = FakeBackend::with_clock(clock.clone());
    let pool = Pool::builder(backend.manager())
        .max_size(MAX_SIZE)
        .validate_on_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .clock(Arc::new(clock.clone()))
        .spawner(Arc::new(CountingSpawn::tokio()))
        .build()
        .await
        .unwrap();
    let mut model = Model::new(Rules::new(MAX_SIZE as usize).offsets(OFFSETS));
    let mut rig = Rig {
        pool: &pool,
        clock,
        calls: Arc::default(),
        requests: Vec::new(),
        served: Vec::new(),
    };
    for operation in script {
        let target = operation.target(&model);
        model.apply(operation);
        rig.apply(operation, target).await;
        rig.compare(&model);
    }
}

fn on_a_runtime(script: &[Operation]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(run(script));
}

proptest! {
    // PROPTEST_CASES asks for more than the usual 256.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pool_does_what_the_naive_model_does(script in operations(60)) {
        on_a_runtime(&script);
    }
}
