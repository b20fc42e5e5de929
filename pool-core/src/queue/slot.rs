//! Slots: where connections live.
//!
//! A slot is the permit: whoever has it in hands may have a connection, nobody else. Slots are
//! allocated one by one on demand and never move, so that a pointer to one is valid as long as the
//! queue. What a thread holds is told by type: a [`Loan`] is a slot with a value in it, a [`Berth`]
//! one without. Neither can be copied, and dropping one by mistake leaks its slot, nothing worse.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::Kind;
use super::sync::diagnostic::{AtomicPtr, AtomicU8, Ordering};
use super::sync::{AtomicU64, UnsafeCell};
use super::words::{Place, SLOTS_PER_WORD, Words};

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

/// Cells of a first table.
const FIRST_CELLS: usize = 4;

/// One place for a connection.
#[repr(C, align(128))]
pub(super) struct Slot<K: Kind> {
    /// The word of `place`, at hand for the put. Lives as long as the queue.
    pub(super) word: NonNull<AtomicU64>,
    /// The bit of `place`.
    pub(super) bit: u64,
    /// The ticket of the waiter this slot was handed to and that has not collected it yet; else 0.
    pub(super) claim: AtomicU64,
    /// The claim the last sweep saw. Guarded by the queue's lock.
    pub(super) swept: UnsafeCell<u64>,
    pub(super) index: u32,
    pub(super) place: Place,
    stage: AtomicU8,
    /// What everybody may read at any time.
    pub(super) face: K::Face,
    /// Initialised exactly while the stage is neither vacant, connecting nor closing; accessible to
    /// whoever holds the slot.
    value: UnsafeCell<MaybeUninit<K::Value>>,
}

impl<K: Kind> Slot<K> {
    fn new(index: usize, words: &Words) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the ceiling fits 32 bits")]
        let (index, count) = (index as u32, words.len() as u32);
        let place = Place {
            word: index % count,
            bit: index / count,
        };
        Self {
            index,
            place,
            word: NonNull::from(words.word(place.word)),
            bit: place.mask(),
            stage: AtomicU8::new(Stage::Vacant as u8),
            claim: AtomicU64::new(0),
            swept: UnsafeCell::new(0),
            face: K::Face::default(),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    #[inline]
    pub(super) fn stage(&self) -> Stage {
        Stage::ALL[usize::from(self.stage.load(Ordering::Relaxed))]
    }

    /// Whether it is idle, leased or on its way to a waiter.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == Stage::Open as u8
    }

    /// The one place where a slot's stage changes.
    #[inline]
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
    pub fn empty(self) -> (Berth<K>, K::Value) {
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

/// All slots up to the ceiling, each allocated when it is first needed.
///
/// Most pools are small, however far they may grow: so the table grows with the slots that are in
/// use, under the queue's lock, while others read it without. A table that was outgrown stays, for
/// those who are still looking into it: all of them together are as long as the last.
pub(super) struct Slots<K: Kind> {
    /// How to get from a place to an index: words are a power of two.
    shift: u32,
    ceiling: usize,
    /// The cells of the last table. A pointer in a cell is written once, under the queue's lock, before
    /// its slot becomes known to anybody; it is read under the lock or by somebody who got to know the
    /// slot.
    cells: AtomicPtr<Cell<K>>,
    /// Guarded by the queue's lock.
    tables: UnsafeCell<Vec<NonNull<[Cell<K>]>>>,
}

/// Where to find a slot, once it is allocated.
type Cell<K> = UnsafeCell<Option<NonNull<Slot<K>>>>;

impl<K: Kind> Slots<K> {
    pub(super) fn new(ceiling: usize, words: usize) -> Self {
        debug_assert!(ceiling <= words * SLOTS_PER_WORD);
        Self {
            shift: words.trailing_zeros(),
            ceiling,
            cells: AtomicPtr::new(NonNull::dangling().as_ptr()),
            tables: UnsafeCell::new(Vec::new()),
        }
    }

    pub(super) fn ceiling(&self) -> usize {
        self.ceiling
    }

    /// The slot at a place that was just taken from the idle set.
    #[inline(always)]
    pub(super) fn at(&self, place: Place) -> NonNull<Slot<K>> {
        let index = (place.bit as usize) << self.shift | place.word as usize;
        debug_assert!(index < self.ceiling, "no bit without a slot");
        // Relaxed: the table that has this slot was in place before the slot's bit was first set, by a
        // Release that whoever has seen the bit has acquired. A later table has it too.
        let cells = self.cells.load(Ordering::Relaxed);
        // SAFETY: tables stay until the end, and as said, this one is long enough.
        let cell = unsafe { &*cells.add(index) };
        // SAFETY: see `cells`: no write runs at the same time; and a slot was allocated before its
        // bit was first set.
        cell.with(|cell| unsafe { (*cell).unwrap_unchecked() })
    }

    /// The slot with this index, if it was ever needed. Under the lock.
    #[inline]
    pub(super) fn known(&self, index: usize) -> Option<NonNull<Slot<K>>> {
        // SAFETY: see `cells`: no write runs at the same time.
        self.table().get(index)?.with(|cell| unsafe { *cell })
    }

    /// The slots that were ever needed, which are the first ones. Under the lock.
    pub(super) fn all_known(&self) -> impl Iterator<Item = NonNull<Slot<K>>> {
        // SAFETY: see `cells`: no write runs at the same time.
        let known = |cell: &Cell<K>| cell.with(|cell| unsafe { *cell });
        self.table().iter().map_while(known)
    }

    /// The slot with this index; allocates it at need. Under the lock.
    pub(super) fn ensure(&self, index: usize, words: &Words) -> NonNull<Slot<K>> {
        if let Some(slot) = self.known(index) {
            return slot;
        }
        if index >= self.table().len() {
            self.grow(index + 1);
        }
        let slot = NonNull::from(Box::leak(Box::new(Slot::new(index, words))));
        self.table()[index].with_mut(|cell| {
            // SAFETY: see `cells`: under the lock, and nobody knows this slot yet.
            unsafe { *cell = Some(slot) };
        });
        slot
    }

    /// The last table. Under the lock.
    fn table(&self) -> &[Cell<K>] {
        // SAFETY: under the lock; a table is changed through its cells alone, and stays until the end.
        self.tables.with(|tables| unsafe {
            match (*tables).last() {
                Some(last) => last.as_ref(),
                None => &[],
            }
        })
    }

    /// Puts a longer table in place. Under the lock.
    #[cold]
    fn grow(&self, least: usize) {
        let known = self.table();
        let len = least
            .max(known.len() * 2)
            .max(FIRST_CELLS)
            .min(self.ceiling);
        let cells = (0..len).map(|index| UnsafeCell::new(self.known(index)));
        let table = NonNull::from(Box::leak(cells.collect::<Box<[_]>>()));
        // SAFETY: under the lock, and no reference to the list is held.
        self.tables
            .with_mut(|tables| unsafe { (*tables).push(table) });
        // Relaxed, see `at`.
        self.cells.store(table.as_ptr().cast(), Ordering::Relaxed);
    }
}

impl<K: Kind> Drop for Slots<K> {
    fn drop(&mut self) {
        for cell in self.table() {
            // SAFETY: `&mut self`: nobody else has access.
            if let Some(slot) = cell.with(|cell| unsafe { *cell }) {
                // SAFETY: made by `Box::leak` in `ensure`. A value still inside is the queue's to
                // drop first.
                drop(unsafe { Box::from_raw(slot.as_ptr()) });
            }
        }
        // SAFETY: `&mut self`; each was made by `Box::leak` in `grow`, and nobody looks any more.
        self.tables.with_mut(|tables| unsafe {
            for table in (*tables).drain(..) {
                drop(Box::from_raw(table.as_ptr()));
            }
        });
    }
}
