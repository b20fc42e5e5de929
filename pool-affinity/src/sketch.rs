//! Which statements are cached on a connection, roughly.
//!
//! A driver's cache holds a hundred statements or so, known by small dense numbers. One bit for each,
//! modulo 1,024, answers in one load. Beyond 1,024 statements two may share a bit: then one in ten
//! answers (with a hundred cached) is a wrong yes, which costs what no answer would have cost, and
//! dropping one forgets the other, which is noticed when that is used next and told again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const BITS: u32 = 1024;
const WORDS: usize = (BITS / 64) as usize;

/// The statements of one connection.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    words: [AtomicU64; WORDS],
    /// Bits that are set.
    count: AtomicU32,
}

const fn place(statement: u32) -> (usize, u64) {
    let bit = statement % BITS;
    ((bit / 64) as usize, 1 << (bit % 64))
}

impl Sketch {
    pub(crate) fn has(&self, statement: u32) -> bool {
        let (word, bit) = place(statement);
        self.words[word].load(Ordering::Relaxed) & bit != 0
    }

    /// Whether it is new.
    pub(crate) fn add(&self, statement: u32) -> bool {
        let (word, bit) = place(statement);
        let new = self.words[word].fetch_or(bit, Ordering::Relaxed) & bit == 0;
        if new {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        new
    }

    pub(crate) fn remove(&self, statement: u32) {
        let (word, bit) = place(statement);
        if self.words[word].fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn clear(&self) {
        for word in &self.words {
            let were = word.swap(0, Ordering::Relaxed).count_ones();
            self.count.fetch_sub(were, Ordering::Relaxed);
        }
    }

    /// How many are cached.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed).min(BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_until_it_is_removed() {
        let sketch = Sketch::default();
        assert!(sketch.add(5) && !sketch.add(5) && sketch.add(1023));
        assert!(sketch.has(5) && sketch.has(1023) && !sketch.has(6));
        assert_eq!(sketch.count(), 2);
        sketch.remove(5);
        sketch.remove(5);
        assert!(!sketch.has(5) && sketch.count() == 1);
        sketch.clear();
        assert!(!sketch.has(1023) && sketch.count() == 0);
    }

    #[test]
    fn statements_a_thousand_apart_may_be_taken_for_each_other_and_none_nearer() {
        let sketch = Sketch::default();
        sketch.add(u32::MAX);
        assert!(sketch.has(u32::MAX - BITS));
        assert_eq!((0..BITS).filter(|one| sketch.has(*one)).count(), 1);
    }
}
