//! Which word of the idle set a thread looks at first.

use std::cell::{Cell, OnceCell};
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

/// How many words are worth while: one for each thread that can run at once, up to a point. To be asked
/// where a pool is built: a worker that is bound to a core knows of that one alone.
pub(crate) fn homes() -> usize {
    const MOST: usize = 16;
    // Asking the system takes several calls, and some build a pool for each of their customers.
    thread_local!(static HOMES: OnceCell<usize> = const { OnceCell::new() });
    let ask = || {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        threads.min(MOST).next_power_of_two()
    };
    HOMES.with(|homes| *homes.get_or_init(ask))
}

#[cold]
fn assign() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let home = NEXT.fetch_add(1, Ordering::Relaxed);
    HOME.set(home);
    home
}
