//! What a policy orders, carried out as a pool does.

use std::mem;

use pool_core::{Candidate, CloseReason, Order, Place, Recycling};

use super::world::World;

impl World {
    /// One order; one that does not apply any more is passed over.
    pub(super) fn carry_out(&mut self, order: Order) {
        match order {
            Order::Check(candidate) => self.at(candidate, Self::check_if_idle),
            Order::Quarantine(candidate) => self.at(candidate, Self::quarantine),
            Order::Release(candidate) => self.at(candidate, Self::release),
            Order::Evict(candidate) => {
                self.at(candidate, |world, slot| {
                    world.doom(slot, CloseReason::Evicted)
                });
            }
            Order::Replace(candidate) => {
                self.at(candidate, |world, slot| {
                    world.doom(slot, CloseReason::Lifetime)
                });
            }
            Order::Recycle(candidate, how) => {
                self.at(candidate, |world, slot| world.recycle(slot, how));
            }
            Order::Flush => self.flush(),
            _ => unreachable!("the model knows every order there is"),
        }
    }

    fn at(&mut self, candidate: Candidate, act: impl FnOnce(&mut Self, usize)) {
        let slot = candidate.slot as usize;
        let there = self.slots.get(slot).and_then(Option::as_ref);
        if there.is_some_and(|conn| conn.candidate == candidate) {
            act(self, slot);
        }
    }

    fn check_if_idle(&mut self, slot: usize) {
        if self.conn(slot).place != Place::Idle {
            return;
        }
        match self.unfit(slot) {
            Some(reason) => self.close(slot, reason),
            None => {
                self.idle.retain(|other| *other != slot);
                self.check_in_background(slot);
            }
        }
    }

    fn quarantine(&mut self, slot: usize) {
        let now = self.agenda.now();
        let conn = self.conn(slot);
        if conn.quarantined || conn.place == Place::Tended {
            return;
        }
        conn.quarantined = true;
        conn.leave_rotation(now);
        if conn.place == Place::Idle {
            self.check_if_idle(slot);
        } else if conn.fault.is_none() {
            self.tally.quarantined += 1;
        }
    }

    fn release(&mut self, slot: usize) {
        let conn = self.conn(slot);
        if conn.quarantined && conn.place == Place::Leased {
            conn.quarantined = false;
            conn.rejoin_rotation();
        }
    }

    /// Closes it, now or when it comes back.
    fn doom(&mut self, slot: usize, reason: CloseReason) {
        let now = self.agenda.now();
        let conn = self.conn(slot);
        if conn.place == Place::Idle {
            self.close(slot, reason);
        } else {
            conn.doom.get_or_insert(reason);
            conn.leave_rotation(now);
        }
    }

    fn recycle(&mut self, slot: usize, how: Recycling) {
        self.conn(slot).recycling = how;
    }

    fn flush(&mut self) {
        let now = self.agenda.now();
        self.flushed = Some(now);
        self.tally.flushes += 1;
        for conn in self.slots.iter_mut().flatten() {
            conn.leave_rotation(now);
        }
        let waiting = mem::take(&mut self.waiting).into_iter();
        let waiting = waiting.map(|candidate| candidate.slot as usize);
        let idle = self.idle.clone();
        for slot in waiting.chain(idle) {
            self.close(slot, CloseReason::Stale);
        }
    }
}
