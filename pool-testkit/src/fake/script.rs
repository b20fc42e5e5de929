//! What the fake back end is told to do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pool_core::ErrorClass;
use tokio::sync::watch;

/// Something the pool asks of the back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Opening a connection.
    Connect,
    /// The round trip that checks one.
    Validate,
    /// The round trip that cleans one.
    Reset,
    /// The reset that leaves nothing.
    ResetFully,
    /// The first use of one, by a plan.
    WarmUp,
    /// The orderly end of one.
    Close,
    /// The free test of one. It cannot wait: a delay, a gate or a hang in its script is an error
    /// of the test and panics.
    Condition,
}

impl Step {
    /// How many steps there are.
    pub(super) const COUNT: usize = 7;

    /// A word for messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Validate => "validate",
            Self::Reset => "reset",
            Self::ResetFully => "full reset",
            Self::WarmUp => "warm-up",
            Self::Close => "close",
            Self::Condition => "condition",
        }
    }
}

/// What one call of a step does: it waits (at a gate, then for a time, if so told) and then ends
/// in one of five ways.
#[derive(Clone, Debug)]
pub struct Action {
    pub(super) gate: Option<Gate>,
    pub(super) after: Duration,
    pub(super) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Succeed,
    Fail(ErrorClass),
    Hang,
    Panic,
    Break,
}

impl Action {
    /// Succeeds at once.
    #[must_use]
    pub const fn succeed() -> Self {
        Self::new(Then::Succeed)
    }

    /// Fails at once. A condition says `Broken`; a close ends all the same.
    #[must_use]
    pub const fn fail(class: ErrorClass) -> Self {
        Self::new(Then::Fail(class))
    }

    /// Never ends.
    #[must_use]
    pub const fn hang() -> Self {
        Self::new(Then::Hang)
    }

    /// Panics.
    #[must_use]
    pub const fn panic() -> Self {
        Self::new(Then::Panic)
    }

    /// The far end drops the connection: a connect succeeds with one that is dead already, a
    /// check or reset fails, a condition says `Broken`.
    #[must_use]
    pub const fn break_connection() -> Self {
        Self::new(Then::Break)
    }

    /// Succeeds after `delay`, as told by the back end's clock.
    #[must_use]
    pub const fn delay(delay: Duration) -> Self {
        Self::succeed().after(delay)
    }

    /// Succeeds once `gate` is open.
    #[must_use]
    pub fn gate(gate: &Gate) -> Self {
        Self::succeed().behind(gate)
    }

    /// Does the same `delay` later.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// Does the same once `gate` is open.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    const fn new(then: Then) -> Self {
        Self {
            gate: None,
            after: Duration::ZERO,
            then,
        }
    }

    pub(super) fn waits(&self) -> bool {
        self.gate.is_some() || !self.after.is_zero() || self.then == Then::Hang
    }
}

/// Holds steps until the test lets them go. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<GateState>>);

#[derive(Clone, Copy, Debug, Default)]
struct GateState {
    is_open: bool,
    waiting: u64,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(GateState::default())))
    }

    /// Lets everything through, now and later, until it is closed again.
    pub fn open(&self) {
        self.0.send_modify(|state| state.is_open = true);
    }

    /// Holds what comes from now on.
    pub fn close(&self) {
        self.0.send_modify(|state| state.is_open = false);
    }

    /// Waits until at least `count` steps stand at the gate. Cancel safe.
    pub async fn until_waiting(&self, count: u64) {
        let mut state = self.0.subscribe();
        let reached = state.wait_for(|state| state.waiting >= count).await;
        reached.expect("self keeps the sender");
    }

    pub(super) async fn pass(&self) {
        let _standing = Standing::at(self);
        let mut state = self.0.subscribe();
        let opened = state.wait_for(|state| state.is_open).await;
        opened.expect("self keeps the sender");
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts as waiting until dropped.
struct Standing<'a>(&'a Gate);

impl<'a> Standing<'a> {
    fn at(gate: &'a Gate) -> Self {
        gate.0.send_modify(|state| state.waiting += 1);
        Self(gate)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.waiting -= 1);
    }
}

/// One call of a step, as a rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// What is asked.
    pub step: Step,
    /// The back end's number of the connection, counted from 1 in the order of the connects.
    pub connection: u64,
    /// The how-manieth call of this step it is, counted from 1.
    pub nth: u64,
}

pub(super) type Rule = Arc<dyn Fn(&Call) -> Action + Send + Sync>;

/// What is still to come for one step.
#[derive(Default)]
pub(super) struct Script {
    pub(super) next: VecDeque<Action>,
    pub(super) rule: Option<Rule>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("next", &self.next)
            .field("has_rule", &self.rule.is_some())
            .finish()
    }
}
