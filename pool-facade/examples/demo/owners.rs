//! One word per connection: who holds it. Two holders at once would be seen here even if the
//! database were none the wiser.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The word of a connection that nobody holds.
const NOBODY: u64 = 0;

/// The words of all connections, by the identity that the driver gives them.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    words: Mutex<HashMap<u64, Arc<AtomicU64>>>,
    violations: AtomicU64,
}

impl Owners {
    /// Claims a connection for `holder`, which is not zero.
    pub(crate) fn claim(&self, identity: u64, holder: u64) -> Claim<'_> {
        let word = {
            let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(words.entry(identity).or_default())
        };
        let claimed = word.compare_exchange(NOBODY, holder, Ordering::AcqRel, Ordering::Acquire);
        if claimed.is_err() {
            self.violated();
        }
        Claim {
            owners: self,
            word,
            holder,
        }
    }

    /// How often a connection was found in two hands.
    pub(crate) fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }

    fn violated(&self) {
        self.violations.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection's word, set. Must be dropped before the lease is.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    owners: &'a Owners,
    word: Arc<AtomicU64>,
    holder: u64,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let freed =
            self.word
                .compare_exchange(self.holder, NOBODY, Ordering::AcqRel, Ordering::Acquire);
        if freed.is_err() {
            self.owners.violated();
        }
    }
}
