//! Models of the queue: every order in which two to four threads can meet in it.
//!
//! ```text
//! RUSTFLAGS="--cfg pool_loom -C debug-assertions" LOOM_MAX_PREEMPTIONS=3 LOOM_MAX_BRANCHES=20000 \
//!     cargo test --release -p pool-core --no-default-features --test loom
//! ```
//!
//! Without `--cfg pool_loom` the same bodies run as ordinary tests on real threads, which proves
//! little but keeps them compiling.
//!
//! Each model is named for the rule it holds and numbered as in the design. Each ends with an
//! assertion after the fact (what is idle, that SLOW has no reason left, what was dropped, that the
//! memory was freed): a model that only waits for a deadlock misses half of the seeded bugs. Those
//! are listed in `tests/mutants.toml`, each with the model that must notice it.
//!
//! Four models of the design's list are not here, because what they model is not: L7, L8, L9 and
//! L16 are about the baton of a queue that lets newcomers pass, and this one does not; T1 is
//! about a stack of idle slots, and there is none.

mod acquire;
mod cancel;
mod connect;
mod deadline;
mod exchange;
mod harness;
mod lease;
mod lifetime;
mod look;
mod maintain;
mod matching;
// Some bugs are seeded in what the models do with the queue.
#[path = "../../src/mutant.rs"]
mod mutant;
mod resize;
mod revision;
mod shim;
mod skew;
mod stop;
