//! The only door to atomics, cells and locks for the queue: the real ones, or loom's in models.
//!
//! The switch is a cfg of our own (`pool_loom`): loom's usual `--cfg loom` would reach every
//! dependency as well.

#[cfg(pool_loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

#[cfg(not(pool_loom))]
pub use self::real::*;

/// Atomics that no ordering argument rests on (a snapshot's stage, say, or what is ordered by
/// something else already). Never loom's: they would only blow up the state space.
pub mod diagnostic {
    pub use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
}

#[cfg(not(pool_loom))]
mod real {
    pub use std::sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64, Ordering},
    };

    /// `std::cell::UnsafeCell` with loom's interface.
    #[derive(Debug)]
    #[repr(transparent)]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// A cell with `value` in it.
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Shows the value to `f` for reading.
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Shows the value to `f` for writing.
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
