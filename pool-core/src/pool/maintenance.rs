//! What is done about connections that nobody uses: idle timeout, lifetime, keepalive, refill.
//!
//! A pool that keeps connections ready, or has a policy that may change its mind, looks at them all the
//! time. Any other sleeps until the first of them can be due, minutes mostly: a thousand pools that
//! nobody asks for anything must not keep a processor awake.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::mailbox::Restore;
use super::{Inner, millis};
use crate::queue::{Outlook, Phase, Whereabouts};
use crate::{CloseReason, Config, Manager};

/// The state of maintenance between two runs. Times are milliseconds of the coarse clock.
#[derive(Debug)]
pub(super) struct Maintenance {
    /// The least time between two runs.
    every: u64,
    /// How long a connection is left alone at least after it was opened or came back; 0 if all are
    /// looked at all the time.
    rest: u64,
    next: u64,
}

/// What a run knows of one open connection.
struct Seen {
    index: u32,
    idle: bool,
    idle_since: u64,
    /// When keepalive last asked.
    asked: u64,
    expires: u64,
    succeeded: bool,
}

/// Connections that one run closes or checks at most; the rest waits for the next.
const STEP: usize = 64;

impl Maintenance {
    pub(super) fn new<M: Manager>(inner: &Inner<M>, now: u64) -> Self {
        let watched = inner.parts.is_tended() || inner.features.switches;
        Self {
            every: millis(inner.parts.config.maintenance_every()).max(1),
            rest: if watched {
                0
            } else {
                rest(&inner.parts.config)
            },
            next: now,
        }
    }

    /// Runs if it is time; says when it is next.
    pub(super) fn run<M: Manager>(
        &mut self,
        inner: &Arc<Inner<M>>,
        outlook: &Outlook,
        now: u64,
    ) -> u64 {
        if outlook.phase != Phase::Open {
            self.next = now + self.every;
            return self.next;
        }
        if now >= self.next {
            let due = match outlook.occupied {
                0 => u64::MAX,
                occupied => self.tend(inner, occupied, now),
            };
            // What was due and could not be done is tried again.
            self.next = due.min(now.saturating_add(self.rest)).max(now + self.every);
        }
        inner.refill();
        self.next
    }

    /// Does what is due about the connections in so many slots; says when the next of them is.
    fn tend<M: Manager>(&self, inner: &Arc<Inner<M>>, occupied: usize, now: u64) -> u64 {
        let mut seen = inner.open_connections();
        // Oldest idle first.
        seen.sort_by_key(|seen| seen.idle_since);
        let mut spare = seen
            .len()
            .saturating_sub(inner.parts.config.min_size as usize);
        let mut spare_idle = seen
            .iter()
            .filter(|seen| seen.idle)
            .count()
            .saturating_sub(inner.parts.config.min_idle as usize);
        let idle_timeout = inner.parts.config.idle_timeout.map_or(u64::MAX, millis);
        let keepalive = inner.parts.config.keepalive.map_or(u64::MAX, millis);
        // What is being asked, made clean or opened is seen when it is back.
        let mut due = if seen.len() < occupied { now } else { u64::MAX };
        let mut steps = STEP;
        for seen in &seen {
            if steps == 0 {
                return now;
            }
            due = due.min(seen.due(idle_timeout, keepalive));
            let unused = now.saturating_sub(seen.idle_since);
            if now + self.lead(inner) >= seen.expires {
                steps -= usize::from(inner.retire(seen, now, spare == 0));
                spare = spare.saturating_sub(usize::from(now >= seen.expires));
            } else if seen.idle && unused >= idle_timeout && spare > 0 && spare_idle > 0 {
                if inner.close_idle(seen.index, CloseReason::Idle, |face_since| {
                    now.saturating_sub(face_since) >= idle_timeout
                }) {
                    (spare, spare_idle, steps) = (spare - 1, spare_idle - 1, steps - 1);
                }
            } else if seen.idle && now >= seen.asks(keepalive) {
                steps -= usize::from(inner.check_idle(seen.index, now));
            }
        }
        due
    }

    /// How long before its end a connection gets a successor.
    fn lead<M: Manager>(&self, inner: &Inner<M>) -> u64 {
        self.every.saturating_mul(2).max(inner.growth_every())
    }
}

impl Seen {
    /// When keepalive asks it.
    fn asks(&self, keepalive: u64) -> u64 {
        self.idle_since.max(self.asked).saturating_add(keepalive)
    }

    /// When something is due, if it stays idle; or if it is leased, comes back.
    fn due(&self, idle_timeout: u64, keepalive: u64) -> u64 {
        if !self.idle {
            // The rest is for later than that of all.
            return self.expires;
        }
        let times_out = self.idle_since.saturating_add(idle_timeout);
        times_out.min(self.asks(keepalive)).min(self.expires)
    }
}

/// How long after it was opened or came back nothing is due about a connection.
fn rest(config: &Config) -> u64 {
    let shortest_life = config
        .max_lifetime
        .map(|lifetime| lifetime.mul_f64(1.0 - config.lifetime_jitter));
    [config.idle_timeout, config.keepalive, shortest_life]
        .into_iter()
        .flatten()
        .map(millis)
        .min()
        .unwrap_or(u64::MAX)
}

impl<M: Manager> Inner<M> {
    pub(super) fn growth_every(&self) -> u64 {
        self.growth_every.load(Ordering::Relaxed)
    }

    fn open_connections(&self) -> Vec<Seen> {
        let mut all = Vec::new();
        self.queue.survey(|index, place, face| {
            if matches!(place, Whereabouts::Idle | Whereabouts::Leased) {
                all.push(Seen {
                    index,
                    idle: place == Whereabouts::Idle,
                    idle_since: face.idle_since.load(Ordering::Relaxed),
                    asked: face.asked.load(Ordering::Relaxed),
                    expires: face.expires.load(Ordering::Relaxed),
                    succeeded: face.succeeded.load(Ordering::Relaxed),
                });
            }
        });
        all
    }

    /// Opens connections up to `min_size` and `min_idle`.
    pub(super) fn refill(self: &Arc<Self>) {
        if self.parts.config.min_size == 0 && self.parts.config.min_idle == 0 {
            return;
        }
        let census = self.queue.census();
        let busy = census.occupied - census.closing - census.idle - census.connecting;
        let wanted = (busy + self.parts.config.min_idle as usize)
            .max(self.parts.config.min_size as usize)
            .min(census.max);
        self.open_up_to(wanted);
    }

    /// Replaces a connection whose end is near, and closes it at its end. A leased one is closed
    /// when it comes back. Returns whether anything was done.
    fn retire(self: &Arc<Self>, seen: &Seen, now: u64, needed: bool) -> bool {
        if needed && !seen.succeeded {
            let census = self.queue.census();
            let wanted = census.occupied - census.closing + 1;
            // Without room the old one has to go first; the refill replaces it.
            if let Some(berth) = self.queue.claim_for_refill(wanted, now)
                && self.start_connect(berth, wanted)
            {
                self.mark_succeeded(seen.index);
                return true;
            }
        }
        seen.idle
            && now >= seen.expires
            && self.close_idle(seen.index, CloseReason::Lifetime, |_| true)
    }

    fn mark_succeeded(&self, index: u32) {
        self.queue.survey(|at, _, face| {
            if at == index {
                face.succeeded.store(true, Ordering::Relaxed);
            }
        });
    }

    /// Closes one connection if it is idle still and `sure`, asked again as its owner.
    fn close_idle(&self, index: u32, reason: CloseReason, sure: impl FnOnce(u64) -> bool) -> bool {
        let Some(loan) = self.queue.take_at(index) else {
            return false;
        };
        if sure(loan.face().idle_since.load(Ordering::Relaxed)) {
            self.close_loan(loan, reason);
            return true;
        }
        self.put_back(loan);
        false
    }

    /// Puts a connection back as it was.
    pub(super) fn put_back(&self, loan: super::Loan<M>) {
        if loan.face().is_evicted(loan.get().id) {
            self.close_loan(loan, CloseReason::Evicted);
        } else if let Err(loan) = self.queue.put(loan) {
            self.pass(loan);
        }
    }

    fn check_idle(&self, index: u32, now: u64) -> bool {
        if !self.has_room_for_check() {
            return false;
        }
        let Some(loan) = self.queue.take_at(index) else {
            return false;
        };
        loan.face().asked.store(now, Ordering::Relaxed);
        self.restore(loan, Restore::CHECK);
        true
    }
}
