//! Which crate of the workspace may know which, and why.
//!
//! The shape of the house is in this table alone. A wish to add an edge is a wish to change the
//! shape: talk about it first, then change the row and `ARCHITECTURE.md` in the same commit.

/// A set of crates of this workspace.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Set {
    /// Exactly these.
    Only(&'static [&'static str]),
    /// All but these.
    AllBut(&'static [&'static str]),
}

impl Set {
    /// Whether `name` is one of them.
    pub(crate) fn contains(self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(&name),
            Self::AllBut(names) => !names.contains(&name),
        }
    }
}

/// What one crate may know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// The crate.
    pub(crate) owner: &'static str,
    /// What it may depend on, for its users' builds and for building.
    pub(crate) normal: Set,
    /// What its tests may depend on besides.
    pub(crate) tests: Set,
    /// Why.
    pub(crate) reason: &'static str,
    /// What usually helps somebody who wanted another edge.
    pub(crate) cure: &'static str,
}

const NOTHING: Set = Set::Only(&[]);
const TESTKIT: Set = Set::Only(&["pool-testkit"]);

const fn optimization(owner: &'static str) -> Rule {
    Rule {
        owner,
        normal: Set::Only(&["pool-core"]),
        tests: TESTKIT,
        reason: "an optimization knows pool-core alone, so that each can be used without the others",
        cure: "two that must cooperate meet in a trait of pool-core, and pool-facade wires them",
    }
}

const fn adapter(owner: &'static str) -> Rule {
    Rule {
        owner,
        normal: Set::Only(&["pool-core", "pool-multiplex"]),
        tests: TESTKIT,
        reason: "an adapter knows pool-core, and pool-multiplex for its session traits",
        cure: "move what it needs into a trait of pool-core, or do the wiring in pool-facade",
    }
}

/// One row for each crate; a crate without a row is refused.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        owner: "pool-core",
        normal: NOTHING,
        tests: NOTHING,
        reason: "everything rests on pool-core, so it rests on nothing here",
        cure: "put a trait into pool-core and the implementation where the edge would lead",
    },
    optimization("pool-affinity"),
    optimization("pool-drain"),
    optimization("pool-health"),
    optimization("pool-limits"),
    optimization("pool-metrics"),
    optimization("pool-multiplex"),
    optimization("pool-partition"),
    optimization("pool-sizing"),
    adapter("pool-compat"),
    adapter("pool-http"),
    adapter("pool-mysql"),
    adapter("pool-postgres"),
    adapter("pool-redis"),
    adapter("pool-sqlite"),
    adapter("pool-websocket"),
    Rule {
        owner: "pool-testkit",
        normal: Set::Only(&["pool-core"]),
        tests: NOTHING,
        reason: "every crate's tests use the testkit, so it may know none of them but pool-core",
        cure: "let the crate's own tests bring what the testkit would need, through a trait",
    },
    Rule {
        owner: "pool-admin",
        normal: Set::Only(&["pool-core", "pool-metrics"]),
        tests: TESTKIT,
        reason: "the page shows what the inspection traits of pool-core and the metrics say",
        cure: "add what it needs to an inspection trait of pool-core",
    },
    Rule {
        owner: "pool-facade",
        normal: Set::AllBut(&["xtask", "pool-benches", "pool-testkit"]),
        tests: TESTKIT,
        reason: "the facade wires everything that is published, and nothing else",
        cure: "use pool-testkit as a dev-dependency; leave tools and benches out",
    },
    Rule {
        owner: "pool-benches",
        normal: Set::AllBut(&["xtask"]),
        tests: NOTHING,
        reason: "benches measure every crate",
        cure: "start xtask from outside; it is no library",
    },
    Rule {
        owner: "xtask",
        normal: NOTHING,
        tests: NOTHING,
        reason: "xtask must build and report while the crates do not",
        cure: "start a program or cargo, and read its output",
    },
];

/// Where `unsafe` may stand, with the reason. Folders end in a slash.
pub(crate) const UNSAFE: &[(&str, &str)] = &[
    (
        "pool-core/src/queue/",
        "slots own connections in place; the models check it",
    ),
    (
        "pool-core/tests/loom/",
        "the models pin waiters and hold slots by hand, as the pool does",
    ),
    (
        "pool-core/src/pool/body.rs",
        "a lease finds its pool without a reference count",
    ),
    (
        "pool-core/src/pool/lease.rs",
        "a lease is consumed without running its destructor",
    ),
    (
        "pool-core/src/pool/acquire.rs",
        "the waiter is pinned inside the acquiring future",
    ),
    (
        "pool-core/src/pool/acquire/room.rs",
        "steps of the acquiring future share its memory",
    ),
    (
        "pool-testkit/src/alloc.rs",
        "a counting allocator is a GlobalAlloc, which is an unsafe trait",
    ),
];

/// The files through which the queue reaches atomics, so that models can put loom's there.
pub(crate) const SHIM: &[&str] = &["pool-core/src/queue/sync.rs"];
