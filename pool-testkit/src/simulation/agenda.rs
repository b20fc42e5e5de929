//! Events to come, in the order of their times.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

/// What is to happen, and when. Times count from the beginning of the model.
///
/// Nothing is ever taken off: an event that may have become void carries what tells so (the number
/// of a connection's life, say), and whoever handles it looks.
#[derive(Debug)]
pub struct Agenda<E> {
    now: Duration,
    entered: u64,
    handled: u64,
    entries: BinaryHeap<Reverse<Entry<E>>>,
}

#[derive(Debug)]
struct Entry<E> {
    at: Duration,
    /// Which of those of one time comes first.
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    /// An empty one, at time zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            now: Duration::ZERO,
            entered: 0,
            handled: 0,
            entries: BinaryHeap::new(),
        }
    }

    /// The time of the event handed out last.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// How many events were handed out.
    #[must_use]
    pub const fn handled(&self) -> u64 {
        self.handled
    }

    /// Enters an event for then; for now, if that is over.
    pub fn at(&mut self, then: Duration, event: E) {
        self.entries.push(Reverse(Entry {
            at: then.max(self.now),
            number: self.entered,
            event,
        }));
        self.entered += 1;
    }

    /// Enters an event for when `delay` has passed.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.at(self.now.saturating_add(delay), event);
    }

    /// Goes to the next event and hands it out; `None` when there is none.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator could not be added to while it runs"
    )]
    pub fn next(&mut self) -> Option<E> {
        let Reverse(entry) = self.entries.pop()?;
        self.now = entry.at;
        self.handled += 1;
        Some(entry.event)
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}
