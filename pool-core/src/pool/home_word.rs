//! Which word of the idle set a thread looks at first.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static HOME: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// A number that spreads threads over the words; a hint, no more.
#[inline(always)]
pub(crate) fn home() -> usize {
    match HOME.get() {
        usize::MAX => assign(),
        home => home,
    }
}

#[cold]
fn assign() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let home = NEXT.fetch_add(1, Ordering::Relaxed);
    HOME.set(home);
    home
}
