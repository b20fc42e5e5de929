//! The server's side: what it was told, what it has, what it saw.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::{Clock, ErrorClass};
use tokio::sync::watch;

use super::conn::ServerSide;
use super::manager::FakeManager;
use super::script::{Action, Call, Script, Step, Then};

/// How many entries the log keeps; the oldest leave first.
const LOG_LIMIT: usize = 100_000;

/// A scripted server. Clones are the same server.
#[derive(Clone)]
pub struct FakeBackend(Arc<Shared>);

struct Shared {
    clock: Option<Arc<dyn Clock>>,
    counts: watch::Sender<FakeCounts>,
    calls: [AtomicU64; Step::COUNT],
    /// Per step: whether there is a script or a rule. Keeps the free test of a connection free.
    scripted: [AtomicBool; Step::COUNT],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scripts: [Script; Step::COUNT],
    connections: BTreeMap<u64, Arc<ServerSide>>,
    log: VecDeque<Entry>,
}

/// What the server has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeCounts {
    /// Connects that were begun.
    pub connects: u64,
    /// Connects under way.
    pub connecting: u64,
    /// The most connects under way at once.
    pub peak_connecting: u64,
    /// Connections opened in all.
    pub opened: u64,
    /// Connections ended in all, however.
    pub closed: u64,
    /// Connections open now; a killed one counts until the pool lets go of it.
    pub open: u64,
    /// The most connections open at once.
    pub peak_open: u64,
    /// The most connections open or being opened at once: what a maximum bounds.
    pub peak_total: u64,
    /// Checks that ended well.
    pub validated: u64,
    /// Resets that ended well.
    pub reset: u64,
    /// Full resets that ended well.
    pub reset_fully: u64,
    /// Warm-ups that ended well.
    pub warmed_up: u64,
    /// Connections ended in an orderly way.
    pub closed_orderly: u64,
    /// Steps whose future was dropped before its end, or that panicked.
    pub abandoned: u64,
}

/// How a step went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It began.
    Started,
    /// It ended well.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// Its future was dropped before its end, or panicked.
    Abandoned,
}

/// Something the server saw. Conditions are not logged: they are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// What was asked.
    pub step: Step,
    /// The back end's number of the connection.
    pub connection: u64,
    /// How it went on.
    pub what: What,
}

impl FakeBackend {
    /// A server whose delays are told by tokio's time, which tests may pause.
    #[must_use]
    pub fn new() -> Self {
        Self::build(None)
    }

    /// A server whose delays are told by `clock`.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self::build(Some(Arc::new(clock)))
    }

    /// A manager whose connections lead here.
    #[must_use]
    pub fn manager(&self) -> FakeManager {
        FakeManager::new(self.clone())
    }

    /// Says what the next calls of `step` do, after those scripted before.
    pub fn script(&self, step: Step, actions: impl IntoIterator<Item = Action>) {
        let mut state = self.state();
        state.scripts[step as usize].next.extend(actions);
        self.0.scripted[step as usize].store(true, Ordering::Release);
    }

    /// Says what every call of `step` does that is not scripted.
    pub fn rule(&self, step: Step, rule: impl Fn(&Call) -> Action + Send + Sync + 'static) {
        let mut state = self.state();
        let old = state.scripts[step as usize].rule.replace(Arc::new(rule));
        self.0.scripted[step as usize].store(true, Ordering::Release);
        drop(state);
        drop(old);
    }

    /// Forgets script and rule of `step`: it succeeds again.
    pub fn clear(&self, step: Step) {
        let old = std::mem::take(&mut self.state().scripts[step as usize]);
        self.0.scripted[step as usize].store(false, Ordering::Release);
        drop(old);
    }

    /// The counts now.
    #[must_use]
    pub fn counts(&self) -> FakeCounts {
        *self.0.counts.borrow()
    }

    /// Waits until the counts satisfy `condition`. Cancel safe.
    pub async fn until(&self, condition: impl FnMut(&FakeCounts) -> bool) -> FakeCounts {
        let mut counts = self.0.counts.subscribe();
        let found = counts.wait_for(condition).await;
        *found.expect("self keeps the sender")
    }

    /// How often `step` was called.
    #[must_use]
    pub fn calls(&self, step: Step) -> u64 {
        self.0.calls[step as usize].load(Ordering::Relaxed)
    }

    /// What the server saw, the oldest first; at most the last 100,000 entries.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.state().log.iter().copied().collect()
    }

    /// The numbers of the connections that are open, in the order of their connects.
    #[must_use]
    pub fn connections(&self) -> Vec<u64> {
        self.state().connections.keys().copied().collect()
    }

    /// Ends a connection from the server's side, so that its client can see it without asking:
    /// the condition says `Broken`. False when it is not open.
    pub fn kill(&self, connection: u64) -> bool {
        let state = self.state();
        let found = state.connections.get(&connection);
        found.map(|side| side.kill()).is_some()
    }

    /// Ends a connection without a word: only a round trip finds out. False when it is not open.
    pub fn kill_unnoticed(&self, connection: u64) -> bool {
        let state = self.state();
        let found = state.connections.get(&connection);
        found.map(|side| side.die()).is_some()
    }

    /// [Kills](Self::kill) every connection and tells how many there were.
    pub fn kill_all(&self) -> usize {
        let state = self.state();
        state.connections.values().for_each(|side| side.kill());
        state.connections.len()
    }

    fn build(clock: Option<Arc<dyn Clock>>) -> Self {
        Self(Arc::new(Shared {
            clock,
            counts: watch::Sender::new(FakeCounts::default()),
            calls: [const { AtomicU64::new(0) }; Step::COUNT],
            scripted: [const { AtomicBool::new(false) }; Step::COUNT],
            state: Mutex::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing of the caller's runs under this lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut FakeCounts)) {
        self.0.counts.send_modify(change);
    }

    /// What the next call of `step` does.
    pub(super) fn next(&self, step: Step, connection: u64) -> Action {
        let nth = 1 + self.0.calls[step as usize].fetch_add(1, Ordering::Relaxed);
        if !self.0.scripted[step as usize].load(Ordering::Acquire) {
            return Action::succeed();
        }
        let rule = {
            let script = &mut self.state().scripts[step as usize];
            if let Some(action) = script.next.pop_front() {
                return action;
            }
            script.rule.clone()
        };
        let call = Call {
            step,
            connection,
            nth,
        };
        rule.map_or_else(Action::succeed, |rule| rule(&call))
    }

    /// Plays one call up to its end, noting begin and end, and tells how it went.
    pub(super) async fn perform(&self, step: Step, connection: u64) -> Then {
        let action = self.next(step, connection);
        let mut noted = Noted::start(self, step, connection);
        if let Some(gate) = &action.gate {
            gate.pass().await;
        }
        if !action.after.is_zero() {
            self.sleep(action.after).await;
        }
        match action.then {
            Then::Hang => pending().await,
            Then::Panic => panic!("the script of {} says so", step.as_str()),
            Then::Succeed => noted.what = What::Succeeded,
            Then::Break if step == Step::Connect => noted.what = What::Succeeded,
            Then::Fail(_) | Then::Break => noted.what = What::Failed,
        }
        action.then
    }

    pub(super) fn enter(&self, side: Arc<ServerSide>) {
        self.state().connections.insert(side.id, side);
    }

    pub(super) fn leave(&self, connection: u64) {
        self.state().connections.remove(&connection);
    }

    fn note(&self, entry: Entry) {
        let mut state = self.state();
        if state.log.len() == LOG_LIMIT {
            state.log.pop_front();
        }
        state.log.push_back(entry);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "without a clock of its own the fake keeps to tokio's time"
    )]
    async fn sleep(&self, delay: Duration) {
        let Some(clock) = &self.0.clock else {
            return tokio::time::sleep(delay).await;
        };
        let mut timer = clock.timer();
        timer.reset(clock.now() + delay);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
    }
}

impl Default for FakeBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FakeBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeBackend")
            .field("counts", &self.counts())
            .field("scripts", &self.state().scripts)
            .finish_non_exhaustive()
    }
}

/// Notes the begin of a step, and its end when it is dropped.
struct Noted<'a> {
    backend: &'a FakeBackend,
    step: Step,
    connection: u64,
    what: What,
}

impl<'a> Noted<'a> {
    fn start(backend: &'a FakeBackend, step: Step, connection: u64) -> Self {
        let noted = Self {
            backend,
            step,
            connection,
            what: What::Abandoned,
        };
        backend.note(Entry {
            what: What::Started,
            ..noted.entry()
        });
        noted
    }

    const fn entry(&self) -> Entry {
        Entry {
            step: self.step,
            connection: self.connection,
            what: self.what,
        }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.backend.note(self.entry());
        if self.what == What::Abandoned {
            self.backend.count(|counts| counts.abandoned += 1);
        }
    }
}

/// The class of a step's end that is not a success.
pub(super) const fn failure(then: Then) -> Option<ErrorClass> {
    match then {
        Then::Fail(class) => Some(class),
        Then::Break => Some(ErrorClass::Connection),
        Then::Succeed | Then::Hang | Then::Panic => None,
    }
}
