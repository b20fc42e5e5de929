//! One breaker, asked by all threads.
//!
//! A breaker has something to say in one hour of the year. In all others it must not be felt. So a
//! request reads one word: closed, enter. It goes on to draw chance, still without a lock, only if
//! the word says that not all may. And as long as nothing has failed within the window a request
//! that ends well is not even counted: it could change nothing.
//!
//! What requests come to is collected in a few counters and given to the state machine every 50 ms,
//! by whichever request comes upon that and finds the lock free; nobody waits for it. The pool's
//! own evidence, vital signs, connects and checks, comes in batches and takes the lock.
//!
//! Requests of [`Priority::Critical`] are always let in, and what they come to counts as what checks
//! do: it may end the open time early.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use pool_core::{Admission, Admit, Orders, Outcome, Priority, RequestInfo, Token};

use self::pending::Pending;
use self::said::{reason, said};
use self::word::{Kind, Pass, Word};
use super::{Breaker, BreakerSnapshot, Circuit, FailureClass, Tally, Transition};
use crate::Mode;
use crate::outbox::Outbox;

mod pending;
mod said;
mod word;

/// How often what requests came to is given to the breaker.
const FLUSH: Duration = Duration::from_millis(50);
/// How often a review is wanted while probes are under way.
const PROBING: Duration = Duration::from_millis(100);
/// A time for the next thing that lies further ahead than this is one from before time went back.
const FAR: Duration = Duration::from_secs(2);
/// What a refusal says at least: asking in a loop helps nobody.
const SOON: Duration = Duration::from_millis(1);

/// A [`Breaker`] between threads, as a pool's [`Admission`].
///
/// # Cost
///
/// While closed, `admit` reads one word, and so does `leave` as long as nothing has failed within
/// the window; after that it adds to one counter. No call of either waits for a lock.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_core::{Admission, Admit, RequestInfo};
/// use pool_health::{Breaker, BreakerGate, Circuit, FailureClass, Mode, Tally};
///
/// let gate = BreakerGate::new(Breaker::builder().build()?, Mode::On);
/// let now = Duration::from_secs(1);
/// gate.evidence(now, &Tally::successes(0).and(FailureClass::Refused, 40));
/// assert_eq!(gate.snapshot().breaker.circuit, Circuit::Open);
/// let answer = gate.admit(now, &RequestInfo::default());
/// assert!(matches!(answer, Admit::Refuse { retry_after: Some(_), .. }));
/// # Ok::<(), pool_health::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct BreakerGate {
    mode: Mode,
    ends_count: bool,
    word: Word,
    /// When the breaker is to be asked again. Nanoseconds, as all times here.
    due: AtomicU64,
    /// When those refused may come again.
    again: AtomicU64,
    /// Probes to give away.
    probes: AtomicU32,
    /// Where chance has come to.
    draws: AtomicU64,
    pending: Pending,
    refused: AtomicU64,
    reserved: AtomicU64,
    unheard: AtomicU64,
    machine: Mutex<Machine>,
}

#[derive(Debug)]
struct Machine {
    breaker: Breaker,
    /// How many transitions observers have been told of.
    told: u64,
}

/// A gate, as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateSnapshot {
    /// Its breaker. `admitted` and `refused` in there are zero: the gate answers for it.
    pub breaker: BreakerSnapshot,
    /// Requests refused; in [`Mode::Shadow`], those that would have been.
    pub refused: u64,
    /// Requests let in for their priority while not all were.
    pub reserved: u64,
    /// Requests whose end was not counted, as it says nothing of the server as it is now.
    pub unheard: u64,
}

impl BreakerGate {
    /// Shares `breaker`. With [`Mode::Off`] it lets all in and hears nothing, with [`Mode::Shadow`]
    /// it lets all in and counts those that it would have refused.
    #[must_use]
    pub fn new(breaker: Breaker, mode: Mode) -> Self {
        Self {
            mode,
            ends_count: true,
            word: Word::open_to_all(),
            due: AtomicU64::new(0),
            again: AtomicU64::new(0),
            probes: AtomicU32::new(0),
            draws: AtomicU64::new(breaker.chance_seed()),
            pending: Pending::default(),
            refused: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            unheard: AtomicU64::new(0),
            machine: Mutex::new(Machine { breaker, told: 0 }),
        }
    }

    /// Whether the end of a request counts as a success or a failure. Default: it does. Without,
    /// both must come in through [`evidence`](Self::evidence); it is for pools whose policy of health
    /// sees every reply or lease, where each would count twice. Such a gate stands by while it is
    /// closed, and requests do not pass it then. Those that enter for their priority while it is
    /// open are heard all the same: nothing else is then.
    #[must_use]
    pub const fn count_ends(mut self, count: bool) -> Self {
        self.ends_count = count;
        self
    }

    /// Notes what else is known: vital signs, connects.
    pub fn evidence(&self, now: Duration, results: &Tally) {
        if self.mode.is_asked() {
            self.with(now, |breaker| breaker.record(now, results));
        }
    }

    /// Notes how a check ended that was let in whatever the state.
    pub fn checked(&self, now: Duration, ended: Result<(), FailureClass>) {
        if self.mode.is_asked() {
            self.with(now, |breaker| {
                breaker.record_reserved(now, &Tally::one(ended));
            });
        }
    }

    /// Does what is due, has observers told of what happened since the last time, and says when to be
    /// asked again, from now: `None` while closed.
    pub fn review(&self, now: Duration, orders: &mut Orders) -> Option<Duration> {
        if !self.mode.is_asked() {
            return None;
        }
        self.with(now, |_| ());
        let mut out = Outbox::new(orders, "breaker", self.mode);
        let mut machine = self.lock();
        for transition in machine.breaker.log.since(machine.told) {
            out.tell(None, transition.text());
        }
        machine.told = machine.breaker.log.count();
        // Whoever waits for what the probes come to waits for it to be told.
        let breaker = &machine.breaker;
        match breaker.is_probing() {
            true => breaker.next_due().map(|due| due.min(PROBING)),
            false => breaker.next_due(),
        }
    }

    /// The breaker's state, without a lock.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.word.read().circuit()
    }

    /// The last transitions, 32 at most, the oldest first.
    #[must_use]
    pub fn transitions(&self) -> Vec<Transition> {
        self.lock().breaker.transitions().copied().collect()
    }

    /// How it stands. What requests came to in the last 50 ms may be missing.
    #[must_use]
    pub fn snapshot(&self) -> GateSnapshot {
        GateSnapshot {
            breaker: self.lock().breaker.snapshot(),
            refused: self.refused.load(Relaxed),
            reserved: self.reserved.load(Relaxed),
            unheard: self.unheard.load(Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the breaker all there is, and then what `f` knows.
    fn with(&self, now: Duration, f: impl FnOnce(&mut Breaker)) {
        let mut machine = self.lock();
        self.flush(now, &mut machine.breaker);
        f(&mut machine.breaker);
        self.publish(now, &mut machine.breaker);
    }

    /// As [`with`](Self::with), if it is time and nobody else is at it.
    fn refresh(&self, now: Duration) {
        if now < self.due(now) {
            return;
        }
        let mut machine = match self.machine.try_lock() {
            Ok(machine) => machine,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        self.flush(now, &mut machine.breaker);
        self.publish(now, &mut machine.breaker);
    }

    /// When the breaker is to be asked again; now, if that was said before time went back.
    fn due(&self, now: Duration) -> Duration {
        let due = Duration::from_nanos(self.due.load(Relaxed));
        match due.saturating_sub(now) > FAR {
            true => now,
            false => due,
        }
    }

    fn flush(&self, now: Duration, breaker: &mut Breaker) {
        let (results, reserved) = self.pending.take();
        // Whoever ended later would have come upon it.
        let at = self.due(now).min(now);
        breaker.record(at, &results);
        if reserved.calls() > 0 {
            breaker.record_reserved(at, &reserved);
        }
        breaker.advance(now);
    }

    /// Makes what the breaker decides known to all. Under its lock.
    fn publish(&self, now: Duration, breaker: &mut Breaker) {
        if let Some(probes) = breaker.take_probes() {
            // Those granted before and not taken yet are among them.
            if probes > 0 {
                self.probes.store(probes, Relaxed);
            }
        } else {
            self.probes.store(0, Relaxed);
        }
        let wait = breaker.next_due().unwrap_or(FLUSH).min(FLUSH);
        self.due.store(nanos(now.saturating_add(wait)), Relaxed);
        let again = now.saturating_add(breaker.retry_after());
        self.again.store(nanos(again), Relaxed);
        self.word.publish(breaker);
    }

    /// The answer to a request when not all may enter.
    #[cold]
    fn admit_some(&self, now: Duration, request: &RequestInfo) -> Admit {
        self.refresh(now);
        let word = self.word.read();
        if request.priority == Priority::Critical {
            self.reserved.fetch_add(1, Relaxed);
            return Admit::Enter(word.token(Kind::Reserved));
        }
        if self.may_enter(word) {
            return Admit::Enter(word.token(Kind::Admitted));
        }
        self.refused.fetch_add(1, Relaxed);
        if !self.mode.acts() {
            return Admit::Enter(word.token(Kind::Unheard));
        }
        let again = Duration::from_nanos(self.again.load(Relaxed));
        Admit::Refuse {
            reason: reason(word.circuit()),
            retry_after: Some(again.saturating_sub(now).max(SOON)),
        }
    }

    fn may_enter(&self, word: Pass) -> bool {
        if word.admits_all() {
            return true;
        }
        if word.admits_probes() {
            let one_less = |probes: u32| probes.checked_sub(1);
            return self.probes.fetch_update(Relaxed, Relaxed, one_less).is_ok();
        }
        word.admits(mixed(self.draws.fetch_add(1, Relaxed)))
    }

    /// A request has ended, and something has failed lately, or it has.
    #[cold]
    fn leave_noted(&self, now: Duration, token: Token, said: Option<Result<(), FailureClass>>) {
        if !self.mode.is_asked() {
            return;
        }
        // First, so that what is pending is told as of when it ended.
        self.refresh(now);
        let word = self.word.read();
        let counts = self.ends_count;
        match (word.kind_of(token), said) {
            (Some(Kind::Admitted), Some(ended)) if counts => self.pending.add(ended),
            (Some(Kind::Reserved), Some(ended)) if counts || word.circuit() == Circuit::Open => {
                self.pending.add_reserved(ended);
            }
            (Some(Kind::Admitted), None) if word.admits_probes() => {
                self.probes.fetch_add(1, Relaxed);
            }
            _ => {
                self.unheard.fetch_add(1, Relaxed);
            }
        }
        self.word.watch();
    }
}

impl Admission for BreakerGate {
    fn admit(&self, now: Duration, request: &RequestInfo) -> Admit {
        let word = self.word.read();
        if word.admits_all() {
            return Admit::Enter(word.token(Kind::Admitted));
        }
        self.admit_some(now, request)
    }

    fn leave(&self, now: Duration, token: Token, outcome: Outcome) {
        let watching = self.word.read().is_watching();
        if !watching && matches!(outcome, Outcome::Returned) {
            return;
        }
        let said = said(outcome);
        if watching || self.ends_count && matches!(said, Some(Err(_))) {
            self.leave_noted(now, token, said);
        }
    }

    /// Closed, unless the ends of leases are what it knows of.
    fn stands_by(&self) -> Option<bool> {
        (!self.ends_count).then(|| self.word.read().admits_all())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The finisher of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): consecutive numbers become
/// chance, without a lock to keep a state under.
const fn mixed(number: u64) -> u32 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 32) as u32
}
