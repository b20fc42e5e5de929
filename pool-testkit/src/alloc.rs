//! An allocator that counts, so that "allocates nothing" is a test and not a hope.
//!
//! Counts are kept per thread: other tests of the same binary do not disturb them. Work that a
//! runtime moves to another thread is not seen.
//!
//! A test binary installs it once:
//!
//! ```
//! use pool_testkit::alloc::{CountingAllocator, measure};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::new();
//!
//! let (text, cost) = measure(|| String::from("on the heap"));
//! assert_eq!((cost.allocations, cost.bytes), (1, 11));
//! # drop(text);
//! ```
//!
//! This module is the one place outside `pool-core` with unsafe code: an allocator cannot be
//! written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Const and without a destructor: reading it neither allocates nor ever fails.
    static COST: Cell<Cost> = const { Cell::new(Cost::ZERO) };
}

/// What a thread asked of the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// Calls that got memory; one that grows or shrinks a block in place counts too.
    pub allocations: u64,
    /// Calls that gave memory back.
    pub deallocations: u64,
    /// Bytes asked for, not minus those given back.
    pub bytes: u64,
    /// Bytes given back. A block that grows or shrinks is given back and asked for anew.
    pub freed: u64,
}

impl Cost {
    const ZERO: Self = Self {
        allocations: 0,
        deallocations: 0,
        bytes: 0,
        freed: 0,
    };

    /// Bytes asked for and not given back; less than none where a thread gives back more of what
    /// others have asked for.
    #[must_use]
    pub const fn live(self) -> i64 {
        self.bytes.wrapping_sub(self.freed).cast_signed()
    }

    const fn since(self, before: Self) -> Self {
        Self {
            allocations: self.allocations - before.allocations,
            deallocations: self.deallocations - before.deallocations,
            bytes: self.bytes - before.bytes,
            freed: self.freed - before.freed,
        }
    }
}

/// Everything this thread has asked of the allocator; zero where it is not installed.
#[must_use]
pub fn thread_cost() -> Cost {
    COST.get()
}

/// Runs `work` and tells what it cost on this thread. The drop of its result is not included.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let before = thread_cost();
    // Kept from the optimiser, which may otherwise drop an allocation nobody looks at.
    let result = std::hint::black_box(work());
    (result, thread_cost().since(before))
}

/// The system's allocator with a counter per thread.
#[derive(Debug, Default)]
pub struct CountingAllocator(());

impl CountingAllocator {
    /// For a `static` with `#[global_allocator]`.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

fn count(change: impl FnOnce(&mut Cost)) {
    let mut cost = COST.get();
    change(&mut cost);
    COST.set(cost);
}

fn count_allocation(size: usize) {
    count(|cost| {
        cost.allocations += 1;
        cost.bytes += size as u64;
    });
}

// SAFETY: every call goes unchanged to the system's allocator, whose answers are passed back
// unchanged; the counting in between neither allocates nor panics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocation(layout.size());
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(|cost| {
            cost.deallocations += 1;
            cost.freed += layout.size() as u64;
        });
        // SAFETY: `block` came from `System` with this layout, by the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_allocation(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_allocation(size);
        count(|cost| cost.freed += layout.size() as u64);
        // SAFETY: as for `dealloc`; the caller vouches for `size` too.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[cfg(test)]
mod tests;
