//! The idle set: bitmap words with a SLOW bit each.
//!
//! An idle slot is a set bit among bits 0..=61 of one word. Taking it is one CAS that clears the
//! bit, putting it back one CAS that sets it. There is no list, so no ABA, and any particular slot
//! can be taken as cheaply as the next best. The lowest bit first keeps use on few connections, so
//! that the rest can idle out.
//!
//! Bit 63, SLOW, means "ask the lock first". It is set in every word while somebody waits, the pool
//! must shrink, is suspended or closed. Because "is anybody waiting" and "is anything idle" live in
//! the *same* word, that word's modification order decides every race between a waiter that goes to
//! sleep and a slot that comes back: either the waiter's `fetch_or` sees the bit, or the returner's
//! CAS fails. No fence and no `SeqCst` is needed, and a model checker can see it.
//!
//! While SLOW is set and the lock is free no idle bit is set; only the holder of the lock changes a
//! word then.

use crossbeam_utils::CachePadded;

use super::sync::{AtomicU64, Ordering};
use crate::mutant::mutant;

/// Slots per word.
pub(super) const SLOTS_PER_WORD: usize = 62;
/// "Ask the lock first."
const SLOW: u64 = 1 << 63;
/// The bits that stand for slots.
pub(super) const IDLE: u64 = (1 << SLOTS_PER_WORD) - 1;

/// A place in the idle set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) word: u32,
    pub(super) bit: u32,
}

impl Place {
    #[inline(always)]
    pub(super) const fn mask(self) -> u64 {
        1 << self.bit
    }
}

/// Why a word gave nothing.
pub(super) enum Miss {
    /// Nothing is idle in it.
    Empty,
    /// Somebody must be asked first.
    Slow,
}

#[inline(always)]
fn place(word: usize, bit: u32) -> Place {
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^16 words")]
    let word = word as u32;
    Place { word, bit }
}

type Storage = Box<[CachePadded<AtomicU64>]>;

/// The words. Their number is a power of two, so that a home is found with a mask.
pub(super) struct Words {
    words: Storage,
}

impl Words {
    pub(super) fn new(count: usize) -> Self {
        debug_assert!(count.is_power_of_two());
        let words = (0..count).map(|_| CachePadded::new(AtomicU64::new(0)));
        Self {
            words: words.collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Takes an idle slot from the home word.
    #[inline(always)]
    pub(super) fn take(&self, home: usize) -> Result<Place, Miss> {
        let first = home & (self.words.len() - 1);
        self.take_from(first).map(|bit| place(first, bit))
    }

    /// Takes an idle slot from any other word.
    #[inline]
    pub(super) fn take_elsewhere(&self, home: usize) -> Option<Place> {
        let wrap = self.words.len() - 1;
        let home = home & wrap;
        (1..self.words.len()).find_map(|step| {
            let word = (home + step) & wrap;
            self.take_from(word).ok().map(|bit| place(word, bit))
        })
    }

    #[inline(always)]
    fn take_from(&self, word: usize) -> Result<u32, Miss> {
        debug_assert!(word < self.words.len(), "masked by the caller");
        // SAFETY: both callers mask with the number of words, a power of two, less one.
        let word = unsafe { self.words.get_unchecked(word) };
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            // SLOW first: a newcomer overtakes nobody.
            if seen & SLOW != 0 {
                return Err(Miss::Slow);
            }
            let idle = seen & IDLE;
            if idle == 0 {
                return Err(Miss::Empty);
            }
            let bit = idle & idle.wrapping_neg();
            if mutant(1) {
                word.store(seen & !bit, Ordering::Release);
                return Ok(bit.trailing_zeros());
            }
            // Acquire, with the Release of `put`: the last holder's writes to the slot.
            let order = if mutant(2) {
                Ordering::Relaxed
            } else {
                Ordering::Acquire
            };
            match word.compare_exchange_weak(seen, seen & !bit, order, Ordering::Relaxed) {
                Ok(_) => return Ok(bit.trailing_zeros()),
                Err(_) if mutant(3) => return Ok(bit.trailing_zeros()),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes one particular slot if it is idle and nobody must be asked first.
    pub(super) fn take_at(&self, place: Place) -> bool {
        let word = &*self.words[place.word as usize];
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            if seen & place.mask() == 0 || seen & SLOW != 0 {
                return mutant(46) && seen & SLOW == 0;
            }
            let order = if mutant(45) {
                Ordering::Relaxed
            } else {
                Ordering::Acquire
            };
            match word.compare_exchange_weak(seen, seen & !place.mask(), order, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// A word, for [`put`].
    pub(super) fn word(&self, word: u32) -> &AtomicU64 {
        &self.words[word as usize]
    }

    /// Sets SLOW word by word until an idle slot turns up, and takes that one. Under the lock.
    ///
    /// Whoever gets `None` has marked every word and seen nothing idle in any of them: each slot
    /// that comes back from here on comes to the lock.
    pub(super) fn mark_or_take(&self, home: usize) -> Option<Place> {
        let wrap = self.words.len() - 1;
        for step in 0..self.words.len() {
            let at = (home + step) & wrap;
            if mutant(10) && step > 0 {
                continue;
            }
            let word = &*self.words[at];
            let order = if mutant(60) {
                Ordering::Relaxed
            } else {
                Ordering::AcqRel
            };
            let idle = word.fetch_or(SLOW, order) & IDLE;
            if idle == 0 || mutant(11) {
                continue;
            }
            let bit = idle & idle.wrapping_neg();
            word.fetch_and(!bit, Ordering::Acquire);
            return Some(place(at, bit.trailing_zeros()));
        }
        None
    }

    /// Sets SLOW in a word and takes all that was idle in it. Under the lock.
    pub(super) fn sweep(&self, word: usize) -> u64 {
        let word = &*self.words[word];
        if mutant(13) {
            return word.fetch_and(!IDLE, Ordering::AcqRel) & IDLE;
        }
        // Acquire: everything the last holders did to what we take.
        let order = if mutant(20) {
            Ordering::Relaxed
        } else {
            Ordering::AcqRel
        };
        word.swap(SLOW, order) & IDLE
    }

    /// Sets idle bits regardless of SLOW, which the caller is about to clear. Under the lock.
    pub(super) fn publish(&self, place: Place) {
        self.words[place.word as usize].fetch_or(place.mask(), Ordering::Release);
    }

    /// Clears SLOW everywhere: nothing needs to be asked any more. Under the lock.
    pub(super) fn clear_slow(&self) {
        let order = if mutant(12) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        for word in &self.words {
            word.fetch_and(!SLOW, order);
        }
    }

    /// The idle bits of a word, for whoever looks before it takes; none if somebody must be asked
    /// first.
    #[inline]
    pub(super) fn peek(&self, word: usize) -> u64 {
        // Acquire, with the Release of `put` and `publish`: that the slots exist. Between such a
        // store and this load a word is changed by read-modify-writes alone.
        let order = if mutant(47) {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        let seen = self.words[word].load(order);
        if seen & SLOW == 0 { seen & IDLE } else { 0 }
    }

    /// The idle bits of a word at some moment, for snapshots.
    pub(super) fn idle_bits(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::Relaxed) & IDLE
    }

    /// Whether any word has SLOW set, for models and snapshots.
    pub(super) fn any_slow(&self) -> bool {
        self.words
            .iter()
            .any(|word| word.load(Ordering::Relaxed) & SLOW != 0)
    }
}

/// Puts a slot back, unless SLOW is set. After `true` the caller owns nothing any more and must
/// not touch the queue again; nor does this function, which therefore knows the one word alone.
#[inline(always)]
pub(super) fn put(word: &AtomicU64, bit: u64) -> bool {
    let mut seen = word.load(Ordering::Relaxed);
    if mutant(22) {
        // Publish first, look afterwards.
        return word.fetch_or(bit, Ordering::Release) & SLOW == 0
            || word.fetch_and(!bit, Ordering::Acquire) & bit == 0;
    }
    loop {
        if seen & SLOW != 0 && !mutant(4) {
            return false;
        }
        // Release, with the Acquire of `take` and `sweep`: this holder's writes to the slot.
        let order = if mutant(5) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        match word.compare_exchange_weak(seen, seen | bit, order, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
}

/// In models, the end of the words is a write to them, so that a use after the end is a race. For loom
/// to see it, the memory must outlast the use.
#[cfg(pool_loom)]
impl Drop for Words {
    fn drop(&mut self) {
        static GRAVES: std::sync::Mutex<std::collections::VecDeque<Storage>> =
            std::sync::Mutex::new(std::collections::VecDeque::new());

        for word in &mut self.words {
            word.with_mut(|_| ());
        }
        let mut graves = GRAVES
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        graves.push_back(std::mem::take(&mut self.words));
        if graves.len() > 1024 {
            graves.pop_front();
        }
    }
}
