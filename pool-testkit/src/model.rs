//! What a pool must do, said once more as naively as possible.
//!
//! The pool is hard to read because it is fast: bits, words, hand-offs. This model is a few `Vec`s
//! and one loop, easy to believe and slow. A property test drives both with the same operations
//! and compares; where they differ, one of them is wrong, and it is seldom the model.
//!
//! # What is compared
//!
//! The model describes the pool *at rest*: after each operation the test lets all background work
//! end (connects, resets and closes succeed at once) and polls every request that has not ended.
//! At rest the pool's freedom is gone. All idle connections are alike (those that are stale or
//! evicted are closed at once, those that are broken never become idle), so it does not matter
//! which of them was given; what matters, and is exact, is
//!
//! * what has become of each request ([`Model::outcome`]),
//! * in which order requests were served ([`Model::served`]),
//! * how many connections there are, of each kind, and were ([`Model::counts`]).
//!
//! Left out, and to be switched off in the pool under test: `min_size` and `min_idle`, limits of
//! idle time and age, throttles of connects, failing connects, matching of waiters.
//!
//! # The rules
//!
//! 1. A request is served by an idle connection; without one, by a new one while there are fewer
//!    than the maximum; otherwise it waits.
//! 2. Waiters are served in the order of `start + offset of the priority`, so in the order of
//!    their start within a priority. Nobody overtakes.
//! 3. A returned connection is closed when it is broken, opened before the last reopen, evicted,
//!    above the maximum, or the pool is closed; otherwise it goes to the first waiter or idles.
//! 4. A suspended pool serves nobody. It lets new requests wait or refuses them, as told; who
//!    waited already keeps waiting. A closed pool ends every wait.
//! 5. A wait ends when its time has come, also in a suspended pool.
//!
//! ```
//! use std::time::Duration;
//! use pool_testkit::model::{Model, Outcome, Release, Rules};
//!
//! let mut model = Model::new(Rules::new(1));
//! let first = model.acquire(0, Duration::from_secs(1));
//! let second = model.acquire(0, Duration::from_secs(1));
//! assert_eq!(model.outcome(second), Outcome::Waiting);
//! model.release(first, Release::Clean);
//! assert_eq!(model.served(), [first, second]);
//! ```

use std::time::Duration;

mod operation;

pub use operation::{Operation, operations};

/// How many priorities there are.
pub const PRIORITIES: usize = 4;

/// What the pool under test was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    max_size: usize,
    max_waiting: usize,
    offsets: [Duration; PRIORITIES],
}

impl Rules {
    /// A maximum of connections, no limit of waiters, no offsets: strict order.
    #[must_use]
    pub const fn new(max_size: usize) -> Self {
        Self {
            max_size,
            max_waiting: usize::MAX,
            offsets: [Duration::ZERO; PRIORITIES],
        }
    }

    /// How many requests may wait. Default: any number.
    #[must_use]
    pub const fn max_waiting(mut self, waiters: usize) -> Self {
        self.max_waiting = waiters;
        self
    }

    /// How much later than its start a request of each priority counts as started. Default: none.
    #[must_use]
    pub const fn offsets(mut self, offsets: [Duration; PRIORITIES]) -> Self {
        self.offsets = offsets;
        self
    }
}

/// A request's number, counted from 0 in the order of their starts.
pub type Request = usize;

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It waits.
    Waiting,
    /// It has a connection.
    Leased,
    /// It had a connection and gave it back.
    Released,
    /// It was given up while it waited.
    Cancelled,
    /// Its time has passed.
    TimedOut,
    /// The pool was or has been closed.
    Closed,
    /// The pool was suspended and refuses.
    Suspended,
    /// Too many waited.
    QueueFull,
}

/// How a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The connection is good; one that is dirty counts too, since its reset succeeds.
    Clean,
    /// The connection is broken, in doubt or discarded.
    Broken,
    /// The connection leaves the pool and counts no more.
    Detached,
}

/// What a suspended pool does with new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenSuspended {
    /// They wait.
    Wait,
    /// They are refused.
    Refuse,
}

/// What there is, and was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelCounts {
    /// Connections of the pool.
    pub size: usize,
    /// Those that nobody has.
    pub idle: usize,
    /// Those that somebody has.
    pub leased: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Connections opened in all.
    pub opened: usize,
    /// Connections closed in all, detached ones not included.
    pub closed: usize,
}

/// The pool at rest.
#[derive(Clone, Debug)]
pub struct Model {
    rules: Rules,
    now: Duration,
    phase: Phase,
    requests: Vec<Entry>,
    served: Vec<Request>,
    idle: usize,
    opened: usize,
    closed: usize,
    detached: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Suspended(WhenSuspended),
    Closed,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    outcome: Outcome,
    priority: usize,
    /// What the order of service goes by.
    turn: Duration,
    deadline: Duration,
    /// Of a lease: whether its connection is stale or evicted.
    is_doomed: bool,
}

impl Model {
    /// An empty, open pool.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Duration::ZERO,
            phase: Phase::Open,
            requests: Vec::new(),
            served: Vec::new(),
            idle: 0,
            opened: 0,
            closed: 0,
            detached: 0,
        }
    }

    /// A request is made and polled once. `priority` counts from 0, the most urgent; `within` is
    /// its time.
    ///
    /// # Panics
    ///
    /// When there is no such priority.
    pub fn acquire(&mut self, priority: usize, within: Duration) -> Request {
        let request = self.requests.len();
        self.requests.push(Entry {
            outcome: self.entry_outcome(),
            priority,
            turn: self.now + self.rules.offsets[priority],
            deadline: self.now + within,
            is_doomed: false,
        });
        self.settle();
        request
    }

    /// A request is dropped: a waiting one leaves the queue, one that has a connection gives it
    /// back, one that has ended does nothing.
    pub fn cancel(&mut self, request: Request) {
        match self.requests[request].outcome {
            Outcome::Waiting => self.requests[request].outcome = Outcome::Cancelled,
            Outcome::Leased => self.release(request, Release::Clean),
            _ => {}
        }
    }

    /// A lease ends.
    ///
    /// # Panics
    ///
    /// When the request has no connection.
    pub fn release(&mut self, request: Request, release: Release) {
        let entry = self.requests[request];
        assert_eq!(entry.outcome, Outcome::Leased, "request {request}");
        let is_above_maximum = self.size() > self.rules.max_size;
        self.requests[request].outcome = Outcome::Released;
        let must_close = entry.is_doomed
            || is_above_maximum
            || self.phase == Phase::Closed
            || release == Release::Broken;
        match release {
            Release::Detached => self.detached += 1,
            _ if must_close => self.closed += 1,
            _ => self.idle += 1,
        }
        self.settle();
    }

    /// The maximum changes.
    pub fn resize(&mut self, max_size: usize) {
        self.rules.max_size = max_size;
        let surplus = self.size().saturating_sub(max_size);
        self.close_idle(surplus);
        self.settle();
    }

    /// The pool is suspended; a closed one stays closed.
    pub fn suspend(&mut self, then: WhenSuspended) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Suspended(then);
        }
    }

    /// The pool goes on; a closed one stays closed.
    pub fn resume(&mut self) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Open;
        }
        self.settle();
    }

    /// Everything opened before is closed, the leased ones on their return.
    pub fn reopen(&mut self) {
        self.evict_all();
    }

    /// Idle connections are closed.
    pub fn evict_idle(&mut self) {
        self.close_idle(self.idle);
    }

    /// All connections are closed, the leased ones on their return.
    pub fn evict_all(&mut self) {
        self.close_idle(self.idle);
        for entry in &mut self.requests {
            entry.is_doomed |= entry.outcome == Outcome::Leased;
        }
    }

    /// The pool is closed: every wait ends, idle connections are closed.
    pub fn close(&mut self) {
        self.phase = Phase::Closed;
        self.close_idle(self.idle);
        for entry in &mut self.requests {
            if entry.outcome == Outcome::Waiting {
                entry.outcome = Outcome::Closed;
            }
        }
    }

    /// Time passes; a deadline that is reached has passed.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        for entry in &mut self.requests {
            if entry.outcome == Outcome::Waiting && entry.deadline <= self.now {
                entry.outcome = Outcome::TimedOut;
            }
        }
    }

    /// What has become of a request.
    #[must_use]
    pub fn outcome(&self, request: Request) -> Outcome {
        self.requests[request].outcome
    }

    /// All requests that ever got a connection, in the order in which they did.
    #[must_use]
    pub fn served(&self) -> &[Request] {
        &self.served
    }

    /// The requests in that state, in the order of their starts.
    #[must_use]
    pub fn requests(&self, outcome: Outcome) -> Vec<Request> {
        (0..self.requests.len())
            .filter(|&request| self.outcome(request) == outcome)
            .collect()
    }

    /// The priority a request was made with.
    #[must_use]
    pub fn priority(&self, request: Request) -> usize {
        self.requests[request].priority
    }

    /// What there is, and was.
    #[must_use]
    pub fn counts(&self) -> ModelCounts {
        ModelCounts {
            size: self.size(),
            idle: self.idle,
            leased: self.size() - self.idle,
            waiting: self.requests(Outcome::Waiting).len(),
            opened: self.opened,
            closed: self.closed,
        }
    }

    const fn size(&self) -> usize {
        self.opened - self.closed - self.detached
    }

    /// Whether a new request may enter.
    fn entry_outcome(&self) -> Outcome {
        let has_idle = self.phase == Phase::Open && self.idle > 0;
        let is_full = self.requests(Outcome::Waiting).len() >= self.rules.max_waiting;
        match self.phase {
            Phase::Closed => Outcome::Closed,
            Phase::Suspended(WhenSuspended::Refuse) => Outcome::Suspended,
            // Who needs a connect waits for it, and needs a place to do so.
            _ if is_full && !has_idle => Outcome::QueueFull,
            _ => Outcome::Waiting,
        }
    }

    /// Serves whoever can be served.
    fn settle(&mut self) {
        while self.phase == Phase::Open {
            let waiting = self.requests(Outcome::Waiting);
            let next = waiting
                .into_iter()
                .min_by_key(|&r| (self.requests[r].turn, r));
            let Some(next) = next else { return };
            if self.idle > 0 {
                self.idle -= 1;
            } else if self.size() < self.rules.max_size {
                self.opened += 1;
            } else {
                return;
            }
            self.requests[next].outcome = Outcome::Leased;
            self.served.push(next);
        }
    }

    fn close_idle(&mut self, at_most: usize) {
        let closing = at_most.min(self.idle);
        self.idle -= closing;
        self.closed += closing;
    }
}

#[cfg(test)]
mod tests;
