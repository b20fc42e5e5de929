//! Whom a slot goes to that comes back with a label, where waiters are matched.
//!
//! A connection that carries state is worth more to a request that wants this state than to one that
//! must put its own in place first. Where such requests wait side by side, a little disorder saves
//! work: a slot goes to the first of those next in line who wishes for its label, and to the first in
//! line if nobody does. What this costs the others is bounded, each bound by itself:
//!
//! - **Who is looked at**: the first [`LOOKED_AT`] of the class whose turn it is, and of these only
//!   whoever comes before the next of all other classes. So no waiter of another class is passed by
//!   anybody who would not have been served before it anyway.
//! - **How often anybody is passed**: [`MOST_SKIPS`] times in all, also if it leaves the line in
//!   between to join again. Nobody passes one who was passed as often.
//! - **How late**: nobody is passed whose deadline is near. Once passed, a waiter stands among the
//!   first seven still, and each hand-off of its class either goes to one before it or passes it. Should
//!   it not be passed again it is served within eight hand-offs, and before each one that would pass it
//!   the question is asked anew. *Near* is twice as many at the pace of the class, and
//!   [`COARSE`] more, by which the time may lag.
//!
//! The pace is the longest that one hand-off took lately: it grows at once and shrinks by an eighth
//! with each that is faster.
//!
//! Only numbers are compared, in memory of the lane's own: the nodes of those who are passed are not
//! touched, unless several classes wait. It takes constant time: gaps between those who wait are passed
//! over, but no more than [`WITHIN`] places in all are looked at.

use std::collections::VecDeque;
use std::ptr::NonNull;

use super::Kind;
use super::join::Request;
use super::lane::{Entry, Lane, is_before};
use super::lanes::Turn;
use super::waiter::Waiter;
use crate::mutant::mutant;

/// How many of those next in line may get a slot out of turn, the first included.
const LOOKED_AT: usize = 8;
/// How often anybody may be passed.
pub(super) const MOST_SKIPS: u8 = 8;
/// Places of a lane that are looked at, gaps included.
const WITHIN: usize = 64;
/// Hand-offs within which the deadline of one that may be passed must not come.
const NEAR: u64 = 2 * LOOKED_AT as u64;
/// Milliseconds by which the time of a return may lag.
const COARSE: u64 = 250;

/// What those who wait in a lane wish for, in step with the lane's own lists.
#[derive(Default)]
pub(super) struct Wishes {
    /// Of each place of the ring.
    ring: Vec<Wish>,
    /// Of those that joined again.
    again: VecDeque<Wish>,
    /// Since when those who wait have waited for a hand-off, in milliseconds.
    since: u64,
    /// The longest that one took lately, in milliseconds.
    pace: u64,
    pub(super) tally: Tally,
}

/// What a waiter wishes for, and how often it was passed.
#[derive(Clone, Copy, Default)]
struct Wish {
    label: u32,
    skips: u8,
}

/// How waiters were matched so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Hand-offs to one who wished for the label.
    pub(super) matched: u64,
    /// Times that one was passed.
    pub(super) skipped: u64,
    /// The most times that the same one was.
    pub(super) longest: u8,
}

impl Tally {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            matched: self.matched + other.matched,
            skipped: self.skipped + other.skipped,
            longest: self.longest.max(other.longest),
        }
    }
}

/// Where in a lane somebody stands.
#[derive(Clone, Copy)]
enum Spot {
    /// At this index of the ring.
    Ring(usize),
    /// At this index of those that joined again.
    Again(usize),
}

impl Wish {
    fn of(request: &Request) -> Self {
        Self {
            label: request.wish,
            skips: request.skips,
        }
    }
}

impl Wishes {
    pub(super) fn push(&mut self, at: usize, request: &Request) {
        self.ring[at] = Wish::of(request);
    }

    pub(super) fn push_again(&mut self, at: usize, request: &Request) {
        self.again.insert(at, Wish::of(request));
    }

    /// Follows the ring to one of so many places, whose first are those that stood at `from`.
    pub(super) fn move_to(&mut self, places: usize, from: &[usize]) {
        let mut ring: Vec<_> = match mutant(215) {
            false => from.iter().map(|at| self.ring[*at]).collect(),
            true => self.ring.clone(),
        };
        ring.resize(places, Wish::default());
        self.ring = ring;
    }

    fn at(&mut self, spot: Spot) -> &mut Wish {
        match spot {
            Spot::Ring(at) => &mut self.ring[at],
            Spot::Again(at) => &mut self.again[at],
        }
    }

    /// Whoever must be served before this time is not passed.
    fn near(&self, now: u64) -> u64 {
        let took = now.saturating_sub(self.since).max(self.pace);
        now.saturating_add(NEAR.saturating_mul(took))
            .saturating_add(COARSE)
    }

    /// A slot is handed over.
    fn note_hand_off(&mut self, now: u64) {
        let took = now.saturating_sub(self.since);
        self.pace = took.max(self.pace - self.pace / 8);
        self.since = now;
    }

    /// One who wishes for a label gets it, and these are passed.
    fn note_match(&mut self, passed: &[Spot]) {
        self.tally.matched += 1;
        for spot in passed {
            let wish = self.at(*spot);
            wish.skips += u8::from(!mutant(94));
            let skips = wish.skips;
            self.tally.skipped += 1;
            self.tally.longest = self.tally.longest.max(skips);
        }
    }
}

impl<K: Kind> Lane<K> {
    /// Somebody is about to wait.
    #[inline(always)]
    pub(super) fn note_start(&mut self, now: u64) {
        let empty = self.is_empty();
        if let Some(wishes) = &mut self.wishes
            && empty
        {
            wishes.since = now;
        }
    }

    /// Takes out whom a slot with this label goes to; or the eldest, if its deadline has passed.
    /// `rival` is the next of all other classes.
    #[inline(never)]
    pub(super) fn pop_matching(
        &mut self,
        label: u32,
        now: u64,
        rival: Option<Turn>,
    ) -> Option<Entry<K>> {
        let first = self.first()?;
        let chosen = match is_late(&first, now) {
            true => first,
            false => self.choose(label, now, rival).unwrap_or(first),
        };
        // SAFETY: whoever stands in a lane is alive, and the lock is held by the caller's caller.
        unsafe {
            self.take_wish(chosen.waiter);
            self.remove(chosen.waiter);
        }
        if let Some(wishes) = &mut self.wishes
            && !is_late(&chosen, now)
        {
            wishes.note_hand_off(now);
        }
        Some(chosen)
    }

    /// Takes out what a waiter wishes for that is about to leave, and tells it how often it was passed.
    ///
    /// # Safety
    ///
    /// As for [`remove`](Self::remove).
    #[inline(never)]
    pub(super) unsafe fn take_wish(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        let waiter = unsafe { node.as_ref() };
        let spot = match waiter.again.get() {
            false => Spot::Ring(self.at(waiter.place.get())),
            true => Spot::Again(self.before(waiter.ticket())),
        };
        let Some(wishes) = &mut self.wishes else {
            return;
        };
        let skips = wishes.at(spot).skips;
        waiter.skips.set(if mutant(96) { 0 } else { skips });
        if let Spot::Again(at) = spot {
            wishes.again.remove(at);
        }
    }

    /// Who wishes for this label, of those who may pass all that come before them.
    fn choose(&mut self, label: u32, now: u64, rival: Option<Turn>) -> Option<Entry<K>> {
        let mut wishes = self.wishes.take()?;
        let near = wishes.near(now);
        let mut passed = [Spot::Ring(0); LOOKED_AT];
        let mut count = 0;
        let mut found = None;
        for (spot, entry) in self
            .line()
            .take(if mutant(217) { WITHIN } else { LOOKED_AT })
        {
            // SAFETY: whoever stands in a lane is alive, and the lock is held by the caller's caller.
            let in_time = |rival| unsafe { Turn::of(&entry) }.precedes(rival);
            if !rival.is_none_or(in_time) {
                break;
            }
            // The driver ends its wait.
            if is_late(&entry, now) {
                continue;
            }
            let wish = wishes.at(spot);
            if wish.label == label {
                found = Some(entry);
                break;
            }
            let hurried = entry.deadline <= near && !mutant(216);
            if hurried || (wish.skips >= MOST_SKIPS && !mutant(95)) {
                break;
            }
            passed[count] = spot;
            count += 1;
        }
        if found.is_some() {
            wishes.note_match(&passed[..count]);
        }
        self.wishes = Some(wishes);
        found
    }

    /// Those who wait in the order in which they came, as far as places are looked at.
    fn line(&self) -> impl Iterator<Item = (Spot, Entry<K>)> {
        let whole = self.places() <= WITHIN;
        let places = 0..self.places().min(WITHIN) as u32;
        let mut first_time = places
            .filter_map(|place| {
                let at = self.at(self.head.wrapping_add(place));
                Some((Spot::Ring(at), self.ring[at].entry()?))
            })
            .peekable();
        let again = self.again.iter().copied().enumerate();
        let again = again.take(if mutant(97) { 0 } else { usize::MAX });
        let mut again = again.map(|(at, entry)| (Spot::Again(at), entry)).peekable();
        std::iter::from_fn(move || match (first_time.peek(), again.peek()) {
            (Some((_, first)), Some((_, again_first))) => {
                match is_before(again_first.ticket, first.ticket) {
                    true => again.next(),
                    false => first_time.next(),
                }
            }
            // Somebody earlier may stand further back.
            (None, Some(_)) if !whole => None,
            (None, _) => again.next(),
            (Some(_), None) => first_time.next(),
        })
    }
}

/// Whether a wait is over but for being told so.
fn is_late<K: Kind>(entry: &Entry<K>, now: u64) -> bool {
    entry.deadline <= now && !entry.rough
}
