//! Deadlines in one hierarchical timing wheel, so that a pool needs one timer: those of waiters that
//! do not come in the order of arrival, which [lanes](super::lanes) see to by themselves.
//!
//! Five levels of 64 spokes; a spoke of level n spans 64^n milliseconds. A waiter enters and leaves
//! in O(1) without an allocation and moves down a level at most four times. After Varghese and
//! Lauck, "Hashed and hierarchical timing wheels" (SOSP 1987), with the level chosen by the highest
//! bit in which the deadline differs from the time reached.

use std::ptr::NonNull;

use super::Kind;
use super::waiter::{List, Waiter};

const LEVELS: usize = 5;
const SPOKES: usize = 64;
const BITS: u32 = 6;
/// Deadlines further away than this stand in the last spoke and are looked at again there.
const SPAN: u64 = 1 << (BITS * LEVELS as u32);

/// `spoke` of a waiter that stands nowhere in the wheel.
pub(super) const NOWHERE: u16 = u16::MAX;
/// `spoke` of a waiter whose deadline has come.
const DUE: u16 = u16::MAX - 1;

pub(super) struct Wheel<K: Kind> {
    /// The time up to which spokes have been emptied.
    reached: u64,
    /// Which spokes of a level are in use.
    used: [u64; LEVELS],
    spokes: Vec<List<K>>,
    due: List<K>,
}

impl<K: Kind> Wheel<K> {
    pub(super) fn new(now: u64) -> Self {
        Self {
            reached: now,
            used: [0; LEVELS],
            spokes: (0..LEVELS * SPOKES).map(|_| List::EMPTY).collect(),
            due: List::EMPTY,
        }
    }

    /// # Safety
    ///
    /// Under the lock; `node` is pinned and stands nowhere in the wheel.
    pub(super) unsafe fn insert(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        let waiter = unsafe { node.as_ref() };
        if waiter.deadline() <= self.reached {
            // SAFETY: of the caller.
            return unsafe { self.set_aside(node) };
        }
        let when = waiter.deadline().min(self.reached + SPAN - 1);
        // The lowest level on which all higher digits agree with the time reached. Time may carry
        // into a digit beyond the last level; those stand on the last level as well.
        let differs = (when ^ self.reached) | (SPOKES as u64 - 1);
        let level = ((differs.ilog2() / BITS) as usize).min(LEVELS - 1);
        let spoke = (when >> (BITS * level as u32)) as usize % SPOKES;
        self.used[level] |= 1 << spoke;
        #[expect(clippy::cast_possible_truncation, reason = "at most 320")]
        let at = (level * SPOKES + spoke) as u16;
        waiter.spoke.set(at);
        // SAFETY: of the caller.
        unsafe { self.spokes[usize::from(at)].push_back(node) };
    }

    /// Takes a waiter out, if it is in.
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is alive.
    pub(super) unsafe fn remove(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        let at = unsafe { node.as_ref() }.spoke.replace(NOWHERE);
        match at {
            NOWHERE => {}
            // SAFETY: `spoke` says that it stands there.
            DUE => unsafe { self.due.remove(node) },
            at => {
                let at = usize::from(at);
                // SAFETY: `spoke` says that it stands there.
                unsafe { self.spokes[at].remove(node) };
                if self.spokes[at].is_empty() {
                    self.used[at / SPOKES] &= !(1 << (at % SPOKES));
                }
            }
        }
    }

    /// Puts a waiter among those whose deadline has come.
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is pinned and stands nowhere in the wheel.
    pub(super) unsafe fn set_aside(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        unsafe {
            node.as_ref().spoke.set(DUE);
            self.due.push_back(node);
        }
    }

    /// When the wheel must be turned next: never later than the first deadline, sometimes earlier
    /// (then waiters only move down a level). `None` when nobody has a deadline.
    pub(super) fn next_turn(&self) -> Option<u64> {
        if !self.due.is_empty() {
            return Some(self.reached);
        }
        self.next_spoke().map(|(_, when)| when)
    }

    /// The next spoke to empty, and when.
    fn next_spoke(&self) -> Option<(usize, u64)> {
        (0..LEVELS)
            .filter(|&level| self.used[level] != 0)
            .map(|level| {
                let shift = BITS * level as u32;
                let digit = (self.reached >> shift) as u32 % SPOKES as u32;
                // Distance to the next used spoke, the present one counting as a whole turn.
                let ahead = self.used[level].rotate_right(digit + 1).trailing_zeros() + 1;
                let when = ((self.reached >> shift) + u64::from(ahead)) << shift;
                let spoke = (digit + ahead) as usize % SPOKES;
                (level * SPOKES + spoke, when)
            })
            .min_by_key(|&(_, when)| when)
    }

    /// Moves time forward to `now`; whoever is due can be had from [`pop_due`](Self::pop_due).
    ///
    /// # Safety
    ///
    /// Under the lock.
    pub(super) unsafe fn turn(&mut self, now: u64) {
        while let Some((at, when)) = self.next_spoke() {
            if when > now {
                break;
            }
            self.reached = when;
            self.used[at / SPOKES] &= !(1 << (at % SPOKES));
            let mut spoke = std::mem::replace(&mut self.spokes[at], List::EMPTY);
            while let Some(node) = spoke.pop_front() {
                // SAFETY: members of a spoke are alive; this one has just left it.
                unsafe { self.insert(node) };
            }
        }
        self.reached = self.reached.max(now);
    }

    /// Shows each waiter whose deadline has come to `see`, which must leave the wheel as it is.
    pub(super) fn each_due(&self, mut see: impl FnMut(NonNull<Waiter<K>>)) {
        let mut at = self.due.head();
        while let Some(node) = at {
            at = self.due.next(node);
            see(node);
        }
    }

    /// A waiter whose deadline has come, taken out of the wheel.
    pub(super) fn pop_due(&mut self) -> Option<NonNull<Waiter<K>>> {
        let node = self.due.pop_front()?;
        // SAFETY: it stood in the wheel, so it is alive, and the lock is held.
        unsafe { node.as_ref() }.spoke.set(NOWHERE);
        Some(node)
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
