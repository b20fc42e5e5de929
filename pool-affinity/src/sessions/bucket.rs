//! Sixteen sessions, and what happened to them.

use pool_core::Candidate;

use super::entry::{Entry, Tie};
use crate::{ByReason, Reason, SessionStatistics, Strength};

/// Sessions in a bucket.
pub(super) const WAYS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Bucket {
    entries: [Entry; WAYS],
    /// Where the clock stands.
    hand: u8,
    created: ByReason,
    broken: ByReason,
    hits: ByReason,
    misses: ByReason,
    evicted: u64,
}

impl Bucket {
    pub(super) fn find(&mut self, session: u64) -> Option<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|entry| entry.session == session)
    }

    pub(super) fn create(
        &mut self,
        session: u64,
        at: Candidate,
        strength: Strength,
        why: Reason,
    ) -> bool {
        if strength == Strength::None {
            return self.release(session, Some(why));
        }
        let Some(index) = self.place(session, at, strength) else {
            return false;
        };
        if self.entries[index].at != at {
            self.undo(index, Strength::Pinned);
            self.entries[index] = Entry::of(session, at);
        }
        let tie = &mut self.entries[index].ties[why as usize];
        if *tie == Strength::None {
            self.created.add(why);
        }
        *tie = strength;
        true
    }

    pub(super) fn release(&mut self, session: u64, why: Option<Reason>) -> bool {
        let Some(entry) = self.find(session) else {
            return false;
        };
        let had = entry.strength() > Strength::None;
        match why {
            Some(why) => {
                let tie = std::mem::take(&mut entry.ties[why as usize]);
                tie > Strength::None
            }
            None => {
                *entry = Entry::default();
                had
            }
        }
    }

    pub(super) fn break_up_to(&mut self, session: u64, at: Candidate, most: Strength) {
        let index = self
            .entries
            .iter()
            .position(|entry| entry.session == session);
        if let Some(index) = index.filter(|index| self.entries[*index].at == at) {
            self.undo(index, most);
        }
    }

    pub(super) fn acquired(&mut self, session: u64, at: Candidate) {
        let Some(entry) = self.find(session) else {
            return;
        };
        entry.recent = true;
        let hit = entry.at == at;
        entry.missed = if hit {
            0
        } else {
            entry.missed.saturating_add(1)
        };
        if let Some(Tie { reason, .. }) = entry.tie() {
            let counts = if hit {
                &mut self.hits
            } else {
                &mut self.misses
            };
            counts.add(reason);
        }
    }

    pub(super) fn released(&mut self, session: u64, at: Candidate, learned: u32, many: u32) {
        let Some(index) = self.place(session, at, Strength::Weak) else {
            return;
        };
        if self.entries[index].at != at {
            if !self.entries[index].may_move() {
                return;
            }
            // To have moved is not to be broken.
            let habit = Reason::LastUse as usize;
            let weak = std::mem::take(&mut self.entries[index].ties[habit]);
            self.undo(index, Strength::Medium);
            self.entries[index] = Entry::of(session, at);
            self.entries[index].ties[habit] = weak;
        }
        let entry = &mut self.entries[index];
        entry.learned = entry.learned.saturating_add(learned);
        let learned = entry.learned;
        self.note(index, Reason::LastUse, Strength::Weak);
        if learned >= many {
            self.note(index, Reason::StatementCache, Strength::Medium);
        }
    }

    fn note(&mut self, index: usize, why: Reason, strength: Strength) {
        let tie = &mut self.entries[index].ties[why as usize];
        if *tie == Strength::None {
            *tie = strength;
            self.created.add(why);
        }
    }

    /// Takes away what ties it no more strongly than this, and counts it as broken.
    fn undo(&mut self, index: usize, most: Strength) {
        let entry = &mut self.entries[index];
        for why in entry.reasons_up_to(most) {
            entry.ties[why as usize] = Strength::None;
            self.broken.add(why);
        }
    }

    /// Where the entry of a session is, or is to be.
    fn place(&mut self, session: u64, at: Candidate, strength: Strength) -> Option<usize> {
        let find = |wanted| {
            self.entries
                .iter()
                .position(|entry| entry.session == wanted)
        };
        if let Some(index) = find(session) {
            return Some(index);
        }
        let index = match find(0) {
            Some(free) => free,
            None => self.evict(strength)?,
        };
        self.entries[index] = Entry::of(session, at);
        Some(index)
    }

    /// Two rounds of the clock: in the first, all that were used get a second chance.
    fn evict(&mut self, strength: Strength) -> Option<usize> {
        for _ in 0..2 * WAYS {
            let index = usize::from(self.hand) % WAYS;
            self.hand = (self.hand + 1) % WAYS as u8;
            let entry = &mut self.entries[index];
            let spared = std::mem::take(&mut entry.recent);
            if !spared && (!entry.strength().binds() || strength.binds()) {
                self.evicted += 1;
                return Some(index);
            }
        }
        None
    }

    pub(super) fn rebalance(&mut self, overloaded: impl Fn(Candidate) -> bool, acts: bool) -> u64 {
        let mut broken = 0;
        for index in 0..WAYS {
            let entry = &self.entries[index];
            if entry.strength() == Strength::Weak && overloaded(entry.at) {
                broken += 1;
                if acts {
                    self.undo(index, Strength::Weak);
                }
            }
        }
        broken
    }

    pub(super) fn count(&self, all: &mut SessionStatistics) {
        all.created.merge(&self.created);
        all.broken.merge(&self.broken);
        all.hits.merge(&self.hits);
        all.misses.merge(&self.misses);
        all.evicted += self.evicted;
        for entry in self.entries.iter().filter(|entry| entry.session != 0) {
            all.sessions += 1;
            all.by_strength[entry.strength() as usize] += 1;
            for why in entry.reasons_up_to(Strength::Pinned) {
                all.active.add(why);
            }
        }
    }
}
