//! One copy of each set of settings, and what it costs to go from one to another.
//!
//! Sets are made here and nowhere else, so that equal ones are the same copy. The interner owns none of
//! them: a set goes with the last session or connection that has it.
//!
//! It also answers the question that a placement asks of each candidate: how many settings would have
//! to change? The first answer for a pair of labels costs a walk over two short lists; it is remembered
//! in a small table without locks, in which pairs that happen to share a place replace each other. A
//! number that was given to another set meanwhile makes an answer wrong. That costs a few settings
//! more than need be, once: whoever replays them compares the sets themselves.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use pool_core::Labels;

use crate::settings::{Difference, Entry, Set, Settings, compare_names, same_entries};
use crate::table::Table;

const REMEMBERED: usize = 1 << 12;
const MOST_NAMES: usize = 1024;
/// The part of a remembered answer that is the number of steps, plus one; the rest says of which pair.
const STEPS: u64 = 0xffff;

/// Makes [`Settings`], one copy of each. Cloning it gives another handle on the same interner.
#[derive(Clone)]
pub struct Interner(Arc<Inner>);

struct Inner {
    sets: Arc<Table<Set>>,
    names: RwLock<HashMap<String, Arc<str>>>,
    memo: Box<[AtomicU64]>,
}

impl Interner {
    /// One that shares at most `capacity` living sets. Further ones are made all the same, each with
    /// a number of its own, but equal ones are separate copies and have no cost.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Inner {
            sets: Arc::new(Table::new(capacity)),
            names: RwLock::default(),
            memo: (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect(),
        }))
    }

    /// The set of these. Of two values for one name the later counts.
    pub fn intern<N: AsRef<str>, V: Into<Arc<str>>>(
        &self,
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Settings {
        let entry = |(name, value): (N, V)| (self.name(name.as_ref()), value.into());
        let mut entries: Vec<Entry> = settings.into_iter().map(entry).collect();
        entries.sort_by(|one, other| compare_names(&one.0, &other.0));
        entries.dedup_by(|later, earlier| {
            let same = later.0.eq_ignore_ascii_case(&earlier.0);
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        self.share(entries)
    }

    /// The same settings, but for one that has this value.
    #[must_use]
    pub fn with(
        &self,
        settings: &Settings,
        name: impl AsRef<str>,
        value: impl AsRef<str> + Into<Arc<str>>,
    ) -> Settings {
        let name = name.as_ref();
        let old = settings.entries();
        let (before, after) = match settings.position(name) {
            Ok(at) if *old[at].1 == *value.as_ref() => return settings.clone(),
            Ok(at) => (at, at + 1),
            Err(at) => (at, at),
        };
        let name = match old[before..after].first() {
            Some((first_seen, _)) => Arc::clone(first_seen),
            None => self.name(name),
        };
        let mut entries = Vec::with_capacity(old.len() + 1);
        entries.extend_from_slice(&old[..before]);
        entries.push((name, value.into()));
        entries.extend_from_slice(&old[after..]);
        self.share(entries)
    }

    /// The same settings, but for one that is not set.
    #[must_use]
    pub fn without(&self, settings: &Settings, name: impl AsRef<str>) -> Settings {
        let Ok(at) = settings.position(name.as_ref()) else {
            return settings.clone();
        };
        let mut entries = settings.entries().to_vec();
        entries.remove(at);
        self.share(entries)
    }

    /// How many sets live and are shared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.sets.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The set of these entries, which are in order.
    pub(crate) fn share(&self, entries: Vec<Entry>) -> Settings {
        if entries.is_empty() {
            return Settings::default();
        }
        let sets = &self.0.sets;
        let hash = sets.hash(|hasher| write(&entries, hasher));
        let equal = |set: &Set, entries: &Vec<Entry>| same_entries(&set.entries, entries);
        let make = |entries: Vec<Entry>, ticket| Set {
            entries: entries.into_boxed_slice(),
            ticket,
        };
        Settings::of(sets.share(hash, entries, equal, make))
    }

    /// The one spelling of a name. All are forgotten when there are too many: from then on there may be
    /// two copies of one, which is a matter of memory only.
    fn name(&self, name: &str) -> Arc<str> {
        let folded = name.to_ascii_lowercase();
        let known = self.0.names.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&folded) {
            return Arc::clone(known);
        }
        drop(known);
        let mut known = self.0.names.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_NAMES {
            known.clear();
        }
        Arc::clone(known.entry(folded).or_insert_with(|| name.into()))
    }

    fn step_count(&self, from: u32, to: u32) -> Option<u32> {
        let settings = |id| match id {
            0 => Some(Settings::default()),
            _ => self.0.sets.by_id(id).map(Settings::of),
        };
        let steps = Difference::count(&settings(from)?, &settings(to)?);
        u32::try_from(steps).ok()
    }
}

/// Each name and value is followed by a byte that is in no text.
fn write(entries: &[Entry], hasher: &mut dyn Hasher) {
    for (name, value) in entries {
        for byte in name.bytes() {
            hasher.write_u8(byte.to_ascii_lowercase());
        }
        hasher.write_u8(0xff);
        hasher.write(value.as_bytes());
        hasher.write_u8(0xff);
    }
}

impl Labels for Interner {
    fn cost(&self, from: u32, to: u32) -> Option<u32> {
        if from == to {
            return Some(0);
        }
        let (place, tag) = memo_place(from, to);
        let known = self.0.memo[place].load(Ordering::Relaxed);
        if known & !STEPS == tag && known & STEPS > 0 {
            return Some((known & STEPS) as u32 - 1);
        }
        let steps = self.step_count(from, to)?;
        let kept = tag | (u64::from(steps) + 1).min(STEPS);
        self.0.memo[place].store(kept, Ordering::Relaxed);
        Some(steps)
    }
}

/// Where a pair is remembered, and what distinguishes it there from others. The mixing is that of
/// SplitMix64, which maps different pairs to different numbers: two pairs are taken for each other
/// only if they differ in the four bits that neither place nor tag keeps.
const fn memo_place(from: u32, to: u32) -> (usize, u64) {
    let mut mixed = (from as u64) << 32 | to as u64;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed as usize % REMEMBERED, mixed & !STEPS)
}

impl fmt::Debug for Interner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interner")
            .field("sets", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
