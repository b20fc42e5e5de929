//! What requests came to, until the breaker is told.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::tally::{CLASSES, FailureClass, Tally};

/// What requests came to since the breaker was told last.
#[derive(Debug, Default)]
pub(super) struct Pending {
    good: AtomicU64,
    failed: [AtomicU64; CLASSES],
    reserved_good: AtomicU64,
    reserved_failed: [AtomicU64; CLASSES],
}

impl Pending {
    pub(super) fn add(&self, ended: Result<(), FailureClass>) {
        match ended {
            Ok(()) => self.good.fetch_add(1, Relaxed),
            Err(class) => self.failed[class.index()].fetch_add(1, Relaxed),
        };
    }

    pub(super) fn add_reserved(&self, ended: Result<(), FailureClass>) {
        match ended {
            Ok(()) => self.reserved_good.fetch_add(1, Relaxed),
            Err(class) => self.reserved_failed[class.index()].fetch_add(1, Relaxed),
        };
    }

    pub(super) fn take(&self) -> (Tally, Tally) {
        let tally = |good: &AtomicU64, failed: &[AtomicU64; CLASSES]| {
            let successes = Tally::successes(good.swap(0, Relaxed));
            let add = |tally: Tally, class: FailureClass| {
                tally.and(class, failed[class.index()].swap(0, Relaxed))
            };
            FailureClass::ALL.into_iter().fold(successes, add)
        };
        (
            tally(&self.good, &self.failed),
            tally(&self.reserved_good, &self.reserved_failed),
        )
    }
}
