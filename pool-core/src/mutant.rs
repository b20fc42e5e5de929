//! Seeded bugs, to show that the models and tests can fail.
//!
//! Compiled in by `--cfg pool_mutant` alone; the number of the bug to switch on is read at run
//! time, so that one build serves them all. `cargo xtask loom --mutants` and `cargo xtask mutants`
//! run them. Numbers below 100 are for the models of the queue, which include this file for the bugs
//! in what they do themselves; from 100 on for the tests of the pool.

/// Whether seeded bug `number` is switched on. Always false, at no cost, in a normal build.
#[cfg(not(pool_mutant))]
#[inline(always)]
pub(crate) const fn mutant(_number: u32) -> bool {
    false
}

/// Whether seeded bug `number` is switched on by the environment variable `POOL_MUTANT`.
#[cfg(pool_mutant)]
pub(crate) fn mutant(number: u32) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<u32>> =
        std::sync::LazyLock::new(|| std::env::var("POOL_MUTANT").ok()?.parse().ok());
    *CHOSEN == Some(number)
}
