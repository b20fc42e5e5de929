//! All sessions of a pool.

use crate::config::{SessionConfig, SessionOptions};
use crate::driver::SessionManager;
use crate::error::Error;
use crate::interner::Interner;
use crate::pins::{PinReason, Pins};
use crate::slot::{Inside, Place, Slot};
use crate::state::State;
use crate::statements::Catalogue;
use crate::statistics::{Counters, count};
use crate::transfer::Importer;
use pool_core::{Clock, CoarseTime};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks for the table of sessions. Taken when one begins and when it ends, never for an operation.
const SHARDS: usize = 16;

/// How often what is idle for too long is looked for, at least and at most.
const SWEEPS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

type Slots<M> = HashMap<u64, Arc<Slot<M>>>;

pub(crate) struct Registry<M: SessionManager> {
    pub(crate) config: SessionConfig,
    pub(crate) interner: Interner,
    pub(crate) catalogue: Catalogue,
    pub(crate) counters: Counters,
    pub(crate) importer: Importer,
    clock: Arc<dyn Clock>,
    coarse: Arc<CoarseTime>,
    shards: [Mutex<Slots<M>>; SHARDS],
    sessions: AtomicUsize,
    max_pinned: AtomicUsize,
    pinned: AtomicUsize,
    next_id: AtomicU64,
    /// Somebody looks for what is idle for too long.
    pub(crate) swept: AtomicBool,
}

impl<M: SessionManager> Registry<M> {
    pub(crate) fn new(config: SessionConfig, clock: Arc<dyn Clock>) -> Self {
        let coarse = clock.coarse(SWEEPS.0);
        Self {
            interner: config
                .interner
                .clone()
                .unwrap_or_else(|| Interner::new(config.max_interned)),
            catalogue: Catalogue::new(config.catalogue_size),
            counters: Counters::default(),
            importer: Importer::new(),
            clock,
            coarse,
            shards: std::array::from_fn(|_| Mutex::default()),
            sessions: AtomicUsize::new(0),
            max_pinned: AtomicUsize::new(config.max_pinned),
            pinned: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
            swept: AtomicBool::new(false),
            config,
        }
    }

    /// Milliseconds, on the coarse clock.
    pub(crate) fn now(&self) -> u64 {
        self.coarse.millis()
    }

    pub(crate) fn instant(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Slots<M>> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "its lowest bits are wanted"
        )]
        let shard = &self.shards[id as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a new session.
    pub(crate) fn state(&self, options: SessionOptions) -> State {
        let baseline = self.interner.intern(options.baseline);
        let size = self.config.statement_cache_size;
        let mut state = State::new(self.interner.clone(), baseline, size);
        *state.tags_mut() = options.tags;
        state
    }

    /// Takes a session in, if there is room for one more.
    pub(crate) fn enter(&self, state: State) -> Result<Arc<Slot<M>>, Error<M::Error>> {
        let limit = self.config.max_sessions;
        let room = |sessions: usize| (sessions < limit).then_some(sessions + 1);
        // Relaxed: the number orders nothing.
        self.sessions
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map_err(|_| Error::TooMany { limit })?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Slot::new(id, Inside::new(state), self.now()));
        self.shard(id).insert(id, Arc::clone(&slot));
        count(&self.counters.created);
        Ok(slot)
    }

    pub(crate) fn find(&self, id: u64) -> Option<Arc<Slot<M>>> {
        self.shard(id).get(&id).cloned()
    }

    /// Lets a session go, whatever it holds. Tells whether it was still there.
    pub(crate) fn leave(&self, slot: &Slot<M>) -> bool {
        let place = std::mem::replace(&mut *slot.lock(), Place::Expired);
        match place {
            Place::Here(inside) => self.forget(slot.id, inside),
            // Somebody has forgotten a future of its own: what that holds is out of reach.
            Place::Busy => self.strike_out(slot.id),
            Place::Expired => return false,
        }
        true
    }

    fn strike_out(&self, id: u64) {
        if self.shard(id).remove(&id).is_some() {
            self.sessions.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Strikes a session out that nobody can use any more.
    pub(crate) fn forget(&self, id: u64, inside: Box<Inside<M>>) {
        self.strike_out(id);
        self.counters.repin(inside.counted, Pins::NONE);
        self.give_place_back(inside.placed);
        self.detached(inside.lease.is_some());
        if inside.suspended {
            self.counters.suspended.fetch_sub(1, Ordering::Relaxed);
        }
        // A lease goes back as it is; whoever looks at it next finds it open.
        drop(inside);
    }

    /// Notes that a session has left a connection, if it was on one.
    pub(crate) fn detached(&self, was: bool) {
        if was {
            self.counters.attached.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Shows all sessions, a shard at a time, without a lock while `see` runs.
    pub(crate) fn each(&self, mut see: impl FnMut(&Arc<Slot<M>>)) {
        for shard in &self.shards {
            let locked = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let slots: Vec<_> = locked.values().cloned().collect();
            drop(locked);
            slots.iter().for_each(&mut see);
        }
    }

    /// Takes one of the places for sessions that keep a connection beyond a transaction.
    pub(crate) fn take_place(&self) -> Result<(), Error<M::Error>> {
        let limit = self.max_pinned.load(Ordering::Relaxed);
        let room = |pinned: usize| (pinned < limit).then_some(pinned + 1);
        let taken = self
            .pinned
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        taken.map(drop).map_err(|_| Error::TooManyPinned {
            limit,
            reasons: self.counters.reasons().without(PinReason::Transaction),
        })
    }

    /// Counts what pins a session now, and puts right whether it has a place.
    pub(crate) fn recount(&self, inside: &mut Inside<M>) {
        let after = inside.state.pins();
        let before = std::mem::replace(&mut inside.counted, after);
        self.counters.repin(before, after);
        let needs = !after.without(PinReason::Transaction).is_empty();
        let had = std::mem::replace(&mut inside.placed, needs);
        self.give_place_back(had && !needs);
        if needs && !had {
            // It pinned itself without having said so before.
            self.pinned.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn give_place_back(&self, had: bool) {
        if had {
            self.pinned.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_max_pinned(&self, limit: usize) {
        self.max_pinned.store(limit, Ordering::Relaxed);
    }

    /// How often to look for what is idle for too long; `None` if nothing ever is.
    pub(crate) fn sweep_every(&self) -> Option<Duration> {
        let limits = [
            self.config.session_timeout,
            self.config.idle_in_transaction_timeout,
        ];
        let least = limits.into_iter().flatten().min()?;
        Some((least / 8).clamp(SWEEPS.0, SWEEPS.1))
    }

    pub(crate) fn timer(&self) -> Box<dyn pool_core::Timer> {
        self.clock.timer()
    }
}
