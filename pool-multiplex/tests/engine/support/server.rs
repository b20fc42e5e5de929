//! What the server is told to do, and what it has done.

use super::backend::Op;
use super::manager::{Fake, FakeError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of the next operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It runs.
    Run,
    /// It runs after so long.
    After(Duration),
    /// Nothing comes back, and it does not run.
    Hang,
    /// What is to be replayed is refused.
    RefusePrelude,
    /// The connection goes before it runs.
    LoseBefore,
    /// The connection goes when it has run.
    LoseReply,
    /// It runs, and where the transaction stands is not known.
    NoStatus,
}

/// Everything that was carried out, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) connection: u64,
    /// Settings that were set or reset before it.
    pub(crate) replayed: usize,
    /// A transaction was begun before it.
    pub(crate) began: bool,
    pub(crate) op: Op,
}

#[derive(Default)]
struct State {
    turns: VecDeque<Turn>,
    alive: BTreeMap<u64, Arc<AtomicBool>>,
    ran: Vec<Ran>,
    rows: Vec<u64>,
    resets: u64,
    probes: u64,
    validations: u64,
    opened: u64,
}

/// A server. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    pub(crate) round_trip: Duration,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            round_trip: Duration::from_millis(1),
        }
    }

    pub(crate) fn manager(&self) -> Fake {
        Fake::new(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next operations, on whatever connection, go like this; those after them run.
    pub(crate) fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().turns.extend(turns);
    }

    pub(crate) fn next_turn(&self) -> Turn {
        self.state().turns.pop_front().unwrap_or(Turn::Run)
    }

    /// Ends a connection from the far end. Tells whether there is one.
    pub(crate) fn kill(&self, connection: u64) -> bool {
        let alive = self.state().alive.remove(&connection);
        alive.is_some_and(|alive| alive.swap(false, Ordering::Relaxed))
    }

    /// The connections there are.
    pub(crate) fn connections(&self) -> Vec<u64> {
        self.state().alive.keys().copied().collect()
    }

    /// How many were opened so far.
    pub(crate) fn opened(&self) -> u64 {
        self.state().opened
    }

    pub(crate) fn open(&self, connection: u64) -> Arc<AtomicBool> {
        let alive = Arc::new(AtomicBool::new(true));
        let mut state = self.state();
        state.opened += 1;
        state.alive.insert(connection, Arc::clone(&alive));
        alive
    }

    pub(crate) fn closed(&self, connection: u64) {
        self.state().alive.remove(&connection);
    }

    pub(crate) fn note(&self, ran: Ran) {
        self.state().ran.push(ran);
    }

    /// What was carried out since this was asked last.
    pub(crate) fn take_log(&self) -> Vec<Ran> {
        std::mem::take(&mut self.state().ran)
    }

    pub(crate) fn write(&self, rows: &mut Vec<u64>) {
        self.state().rows.append(rows);
    }

    /// All rows that were committed.
    pub(crate) fn rows(&self) -> Vec<u64> {
        self.state().rows.clone()
    }

    pub(crate) fn count_reset(&self) {
        self.state().resets += 1;
    }

    pub(crate) fn resets(&self) -> u64 {
        self.state().resets
    }

    pub(crate) fn count_probe(&self) {
        self.state().probes += 1;
    }

    pub(crate) fn probes(&self) -> u64 {
        self.state().probes
    }

    pub(crate) fn count_validation(&self) {
        self.state().validations += 1;
    }

    pub(crate) fn validations(&self) -> u64 {
        self.state().validations
    }

    pub(crate) fn error(&self, what: &'static str) -> FakeError {
        FakeError { what }
    }
}
