//! Slots: where connections live.
//!
//! A slot is the permit: whoever has it in hands may have a connection, nobody else. Slots are
//! allocated in chunks on demand and never move, so that a pointer to one is valid as long as the
//! queue. What a thread holds is told by type: a [`Loan`] is a slot with a value in it, a [`Berth`]
//! one without. Neither can be copied, and dropping one by mistake leaks its slot, nothing worse.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::Kind;
use super::sync::diagnostic::{AtomicU8, Ordering};
use super::sync::{AtomicU64, UnsafeCell};
use super::words::{Place, SLOTS_PER_WORD};

/// Slots per chunk.
const CHUNK: usize = 8;

/// What is going on with a slot. Serves snapshots, and tells the queue which counter a slot leaves;
/// only its holder changes it.
///
/// `Open` covers idle, leased and handed: those three are told apart by the idle bit and the
/// hand-off claim, because they change on the fast path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Nothing is in it; it may be claimed for a connect.
    Vacant,
    /// A task opens a connection for it.
    Connecting,
    /// It holds a connection that is idle, leased, or on its way to a waiter.
    Open,
    /// Taken out by maintenance, or by an acquire that asks the far end first.
    Checking,
    /// Returned dirty; the recycler makes it clean before anybody sees it.
    Resetting,
    /// Its connection is being closed; it counts until that has ended.
    Closing,
}

impl Stage {
    const ALL: [Self; 6] = [
        Self::Vacant,
        Self::Connecting,
        Self::Open,
        Self::Checking,
        Self::Resetting,
        Self::Closing,
    ];

    /// Whether the queue counts the slots in this stage.
    const fn is_counted(&self) -> bool {
        matches!(self, Self::Vacant | Self::Connecting | Self::Closing)
    }
}

/// One place for a connection.
#[repr(align(128))]
pub(super) struct Slot<K: Kind> {
    pub(super) index: u32,
    pub(super) place: Place,
    stage: AtomicU8,
    /// The ticket of the waiter this slot was handed to and that has not collected it yet; else 0.
    pub(super) claim: AtomicU64,
    /// The claim the last sweep saw. Guarded by the queue's lock.
    pub(super) swept: UnsafeCell<u64>,
    /// What everybody may read at any time.
    pub(super) face: K::Face,
    /// Initialised exactly while the stage is neither vacant, connecting nor closing; accessible to
    /// whoever holds the slot.
    value: UnsafeCell<MaybeUninit<K::Value>>,
}

impl<K: Kind> Slot<K> {
    fn new(index: usize, words: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the ceiling fits 32 bits")]
        let (index, word, bit) = (index as u32, (index % words) as u32, (index / words) as u32);
        Self {
            index,
            place: Place { word, bit },
            stage: AtomicU8::new(Stage::Vacant as u8),
            claim: AtomicU64::new(0),
            swept: UnsafeCell::new(0),
            face: K::Face::default(),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        Stage::ALL[usize::from(self.stage.load(Ordering::Relaxed))]
    }

    /// The one place where a slot's stage changes.
    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }
}

/// A slot with a value, in nobody else's hands.
pub struct Loan<K: Kind>(pub(super) NonNull<Slot<K>>);

/// A slot without a value, in nobody else's hands, counted as occupied.
pub struct Berth<K: Kind>(pub(super) NonNull<Slot<K>>);

// SAFETY: both are exclusive owners of a slot's value, so sending one sends a `K::Value`; the rest
// of a slot is made of atomics, or guarded by the queue's lock, or a `Sync` face.
unsafe impl<K: Kind> Send for Loan<K> {}
// SAFETY: a shared `Loan` gives out `&K::Value`, which is `Sync` by the bound, and the face.
unsafe impl<K: Kind> Sync for Loan<K> where K::Value: Sync {}
// SAFETY: as for `Loan`; there is no value in it.
unsafe impl<K: Kind> Send for Berth<K> {}
// SAFETY: a shared `Berth` gives access to nothing but the face, which is `Sync`.
unsafe impl<K: Kind> Sync for Berth<K> {}

impl<K: Kind> Loan<K> {
    #[inline(always)]
    pub(super) fn slot(&self) -> &Slot<K> {
        // SAFETY: slots live as long as the queue, and the queue as long as anything is lent.
        unsafe { self.0.as_ref() }
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> &K::Value {
        // SAFETY: a loan is the only holder of its slot, whose value is initialised.
        self.slot()
            .value
            .with(|value| unsafe { (*value).assume_init_ref() })
    }

    /// The value, for writing.
    #[inline(always)]
    pub fn get_mut(&mut self) -> &mut K::Value {
        // SAFETY: a loan is the only holder of its slot, whose value is initialised.
        self.slot()
            .value
            .with_mut(|value| unsafe { (*value).assume_init_mut() })
    }

    /// What everybody may read of the slot.
    #[inline(always)]
    pub fn face(&self) -> &K::Face {
        &self.slot().face
    }

    /// The slot's dense index.
    pub fn index(&self) -> u32 {
        self.slot().index
    }

    /// A second owner of the slot: a seeded bug.
    #[cfg(pool_mutant)]
    pub(crate) fn twin(&self) -> Self {
        Self(self.0)
    }

    /// Says what the holder is about to do, for snapshots: a check, a reset, or that it is over.
    /// The queue alone moves a slot into the stages it counts.
    pub fn enter(&self, stage: Stage) {
        debug_assert!(
            ![self.slot().stage(), stage].iter().any(Stage::is_counted),
            "connects and closes are counted by the queue"
        );
        self.slot().enter(stage);
    }

    /// Takes the value out. What is left must be vacated.
    pub(super) fn empty(self) -> (Berth<K>, K::Value) {
        // SAFETY: a loan is the only holder of its slot, whose value is initialised; it is consumed
        // here, so nobody reads the value again.
        let value = self
            .slot()
            .value
            .with_mut(|value| unsafe { (*value).assume_init_read() });
        (Berth(self.0), value)
    }
}

impl<K: Kind> Berth<K> {
    pub(super) fn slot(&self) -> &Slot<K> {
        // SAFETY: as for `Loan::slot`.
        unsafe { self.0.as_ref() }
    }

    /// What everybody may read of the slot.
    pub fn face(&self) -> &K::Face {
        &self.slot().face
    }

    /// The slot's dense index.
    pub fn index(&self) -> u32 {
        self.slot().index
    }

    /// Puts a value in.
    pub fn fill(self, value: K::Value) -> Loan<K> {
        self.slot().value.with_mut(|cell| {
            // SAFETY: a berth is the only holder of its slot, which has no value to overwrite.
            unsafe { (*cell).write(value) };
        });
        Loan(self.0)
    }
}

impl<K: Kind> fmt::Debug for Loan<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loan").field(&self.index()).finish()
    }
}

impl<K: Kind> fmt::Debug for Berth<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Berth").field(&self.index()).finish()
    }
}

/// All slots up to the ceiling, allocated chunk by chunk.
pub(super) struct Slots<K: Kind> {
    words: usize,
    ceiling: usize,
    /// A chunk's pointer is written once, under the queue's lock, before any of its slots becomes
    /// known to anybody; it is read under the lock or by somebody who got to know a slot.
    chunks: Box<[Chunk<K>]>,
}

/// The first of `CHUNK` slots, once they are allocated.
type Chunk<K> = UnsafeCell<Option<NonNull<Slot<K>>>>;

impl<K: Kind> Slots<K> {
    pub(super) fn new(ceiling: usize, words: usize) -> Self {
        debug_assert!(ceiling <= words * SLOTS_PER_WORD);
        let chunks = (0..ceiling.div_ceil(CHUNK)).map(|_| UnsafeCell::new(None));
        Self {
            words,
            ceiling,
            chunks: chunks.collect(),
        }
    }

    pub(super) fn ceiling(&self) -> usize {
        self.ceiling
    }

    /// The slot at a place that was just taken from the idle set.
    #[inline(always)]
    pub(super) fn at(&self, place: Place) -> NonNull<Slot<K>> {
        let index = place.bit as usize * self.words + place.word as usize;
        self.known(index)
            .expect("an idle slot's chunk is allocated")
    }

    /// The slot with this index, if its chunk was ever needed. Under the lock, or for a slot that
    /// the caller got to know.
    #[inline(always)]
    pub(super) fn known(&self, index: usize) -> Option<NonNull<Slot<K>>> {
        // SAFETY: see `chunks`: no write runs at the same time.
        let chunk = self.chunks[index / CHUNK].with(|chunk| unsafe { *chunk })?;
        // SAFETY: a chunk has `CHUNK` slots.
        Some(unsafe { chunk.add(index % CHUNK) })
    }

    /// The slot with this index; allocates its chunk at need. Under the lock.
    pub(super) fn ensure(&self, index: usize) -> NonNull<Slot<K>> {
        if let Some(slot) = self.known(index) {
            return slot;
        }
        let first = index / CHUNK * CHUNK;
        let slots: Box<[Slot<K>]> = (first..first + CHUNK)
            .map(|index| Slot::new(index, self.words))
            .collect();
        let chunk = NonNull::from(Box::leak(slots)).cast::<Slot<K>>();
        self.chunks[index / CHUNK].with_mut(|cell| {
            // SAFETY: see `chunks`: under the lock, and nobody knows a slot of this chunk yet.
            unsafe { *cell = Some(chunk) };
        });
        // SAFETY: a chunk has `CHUNK` slots.
        unsafe { chunk.add(index % CHUNK) }
    }
}

impl<K: Kind> Drop for Slots<K> {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: `&mut self`: nobody else has access.
            if let Some(chunk) = chunk.with(|chunk| unsafe { *chunk }) {
                let slots = NonNull::slice_from_raw_parts(chunk, CHUNK);
                // SAFETY: made by `Box::leak` of a slice of `CHUNK` slots in `ensure`. Values still
                // inside are the queue's to drop first.
                drop(unsafe { Box::from_raw(slots.as_ptr()) });
            }
        }
    }
}
