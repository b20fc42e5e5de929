//! What is known of each scenario beside its figures: what it measures, and what it is held against.
//!
//! The figure to look at is the first that a scenario records and that has a good side. A scenario
//! that is not in the list is shown all the same, with its own name for a title.

use super::statistics::{Spot, Summary, find, is_better};
use crate::record::{Better, Contestant, Group, Record};

/// What is known of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// As in a record.
    pub scenario: &'static str,
    /// For headings.
    pub title: &'static str,
    /// What is measured and how to read it, in a few sentences.
    pub measures: &'static str,
    /// Metrics to show in the summary beside the first.
    pub also: &'static [&'static str],
    /// The limits that it is held against; in a variant, the first that takes part there.
    pub limits: &'static [&'static str],
}

/// The best plain construction that waits.
const WAITING: &[&str] = &["semaphore + queue"];

/// All scenarios, in the order of the report.
pub const ALL: &[About] = &[
    About {
        scenario: "free",
        title: "Free: one task, an idle connection",
        measures: "One task takes a connection that is idle, touches it and gives it back. Nobody \
            waits and nobody else asks, so this is the bare cost of the bookkeeping.",
        also: &[],
        limits: &["bitmap"],
    },
    About {
        scenario: "parallel",
        title: "Parallel: a task on every core",
        measures: "As many tasks as cores, with connections to spare. Time is wall time per operation \
            of all tasks together: a pool that scales needs less of it with two tasks than with one. \
            Workers are pinned, and a round counts in ratios only if they ran side by side (overlap \
            of 1.7 or more).",
        also: &[],
        limits: &["sharded bitmap"],
    },
    About {
        scenario: "oversubscribed",
        title: "Oversubscribed: more tasks than connections",
        measures: "Each task yields once while it holds. With 64 tasks on 8 connections almost every \
            acquire waits, so what counts is the hand-off; 9 and 16 on 8 are the edge of waiting, where \
            nearly every operation changes the state of the pool. With “think” a task also yields after \
            it has returned its connection. Jain's index is 1 when all tasks get the same and 1/n when \
            one gets everything; min/max is the least share over the greatest.",
        also: &[],
        limits: WAITING,
    },
    About {
        scenario: SWEEP,
        title: "Throughput against oversubscription",
        measures: "The same work with more and more tasks for the same connections.",
        also: &[],
        limits: WAITING,
    },
    About {
        scenario: "heavy",
        title: "Heavy: 10,000 tasks on 100 connections",
        measures: "A long queue. Throughput says what a hand-off costs when tasks no longer fit into \
            the cache; waiting times say whether anybody is passed over. A pool that lets newcomers \
            overtake has a tiny median and a long tail: most acquires wait for nothing, and some tasks \
            for nearly as long as the run takes.",
        also: &["p99", "p99/p50"],
        limits: WAITING,
    },
    About {
        scenario: "timed hold",
        title: "Timed hold: connections held for milliseconds",
        measures: "256 tasks on 16 connections hold them as a query does. Throughput cannot pass what \
            the connections allow (the ideal), so what differs is who waits how long.",
        also: &["p99"],
        limits: WAITING,
    },
    About {
        scenario: "uneven",
        title: "Uneven hold times",
        measures: "64 tasks on 8 connections; most hold one briefly, one in twenty for long.",
        also: &["p99"],
        limits: WAITING,
    },
    About {
        scenario: "cancel-waiting",
        title: "Callers leave while they wait",
        measures: "Half of 64 tasks on 8 connections leave after some turns drawn by chance, some of \
            them in the very moment a connection is handed to them. What counts is how many of the \
            patient ones are served meanwhile, and that no connection and no waiter is lost.",
        also: &[],
        limits: WAITING,
    },
    About {
        scenario: "cancel-early",
        title: "Callers leave while their connection is opened or checked",
        measures: "A connect or check takes 20 ms and the caller leaves after 10. What was begun for \
            them is lost or serves the next; a connection closed in the middle of a check has to be \
            replaced.",
        also: &[],
        limits: &[],
    },
    About {
        scenario: "next-in-line",
        title: "The first in line leaves: when is the next one served?",
        measures: "One connection. The first caller causes a connect or check of 20 ms and leaves after \
            10; the second waits. It can be served 10 ms later if what was begun goes on, 20 ms later if \
            it starts over, or never if nobody tells it.",
        also: &[],
        limits: &[],
    },
    About {
        scenario: "herd",
        title: "Thundering herd on an empty pool",
        measures: "A thousand callers at once, nothing is open, fifty connections at most. The cap on \
            connects at a time is the maximum, as the peers have none. No more connections should be \
            opened than are needed.",
        also: &["opened"],
        limits: &[],
    },
    About {
        scenario: "spike",
        title: "A burst that is over before a connect is",
        measures: "Five connections are open, fifty short requests come, and a connect takes far longer \
            than the five need for all of them: each connect that is begun comes too late to help and \
            costs the server a login. Pools grow here as their defaults say.",
        also: &["connects begun"],
        limits: &[],
    },
    About {
        scenario: "churn",
        title: "Connections that keep breaking",
        measures: "After every tenth use the far end hangs up. One connect per broken connection is \
            needed; a dead one must not be handed out again, and waiters must not be forgotten for whom \
            no connection will ever be returned.",
        also: &["opened beyond need"],
        limits: &[],
    },
    About {
        scenario: "first-acquire",
        title: "A thousand small pools, used for the first time",
        measures: "One acquire in each of a thousand pools of two, all at once, as when a service with a \
            database per customer was restarted. A connect takes 10 ms; what is above that is what a \
            pool needs to get going.",
        also: &["opened"],
        limits: &[],
    },
    About {
        scenario: "many-pools",
        title: "A thousand small pools",
        measures: "A thousand pools of two connections, as a service with a database per customer has \
            them: memory before anybody has used them and after one acquire in each, and how often they \
            wake the process while nobody asks for anything.",
        also: &["after one acquire", "wake-ups while idle"],
        limits: &[],
    },
    About {
        scenario: "cost",
        title: "Instructions and allocations",
        measures: "Counts, not times: they do not depend on what else the machine does. “free” is one \
            task and an idle connection; with 64 tasks on 8 connections the task's own yield is counted \
            too.",
        also: &["allocations"],
        limits: &["bitmap", "semaphore + queue"],
    },
    About {
        scenario: "memory",
        title: "Memory of a waiting task",
        measures: "What each of many waiting tasks adds to the process, and the sizes of the acquire \
            future and of the lease. “no pool” is the task alone.",
        also: &["acquire future", "lease"],
        limits: &["no pool"],
    },
    About {
        scenario: "sessions-stateless",
        title: "Sessions: a thousand clients on twenty connections of PostgreSQL",
        measures: "Clients in a closed loop share the connections, by sessions of ours or through PgBouncer \
            in transaction mode. A transaction is BEGIN with a typed SELECT by key in one round trip (and in \
            the variant that writes, an UPDATE of the client's own row), then COMMIT. Latency is that of a \
            whole transaction, the wait for a connection included. Processor time is taken for the server, \
            PgBouncer and the clients' process, each apart.",
        also: &["p99", "CPU in all"],
        limits: &["direct"],
    },
    About {
        scenario: "sessions-stateful",
        title: "Sessions: each client with a setting, a role and a search path of its own",
        measures: "As before, but every transaction runs with the client's own app.id, role and search_path, \
            and reads all three back. A client of PgBouncer sends SET LOCAL for them with every BEGIN; a \
            session of ours has set them once.",
        also: &["p99", "CPU in all"],
        limits: &["direct"],
    },
    About {
        scenario: "sessions-prepared",
        title: "Sessions: statements that the client has prepared",
        measures: "As without state, read-only, but the SELECT is a statement that each client prepared when \
            it logged in.",
        also: &["p99", "CPU in all"],
        limits: &["direct"],
    },
    About {
        scenario: "sessions-groups",
        title: "Sessions: eight groups with settings in common, on eight connections",
        measures: "Sixteen clients in a closed loop. In each transaction a client acts for one of eight \
            groups, drawn anew, with the group's app.id, role and search_path in force, and reads all \
            three back. Contestants differ only in whether the pool prefers a connection that has these \
            already, and whether it lets those who wait pass each other for one, eight times at most.",
        also: &["settings sent", "p99", "CPU in all"],
        limits: &[],
    },
    About {
        scenario: MICRO,
        title: "Single operations of this pool",
        measures: "Criterion's samples of single operations, without peers. The range is that of the \
            samples.",
        also: &[],
        limits: &[],
    },
];

/// The scenario of criterion's benches.
pub const MICRO: &str = "micro";

/// The scenario that walks through loads.
pub const SWEEP: &str = "sweep";

/// What is known of `scenario`, if anything is.
#[must_use]
pub fn about(scenario: &str) -> Option<&'static About> {
    ALL.iter().find(|about| about.scenario == scenario)
}

/// For headings.
#[must_use]
pub fn title(scenario: &str) -> &str {
    about(scenario).map_or(scenario, |about| about.title)
}

/// The scenarios of a record: known ones in the order of the list, then others as they come.
#[must_use]
pub fn scenarios(record: &Record) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for series in &record.series {
        if !found.contains(&series.scenario.as_str()) {
            found.push(&series.scenario);
        }
    }
    let place = |scenario: &&str| {
        let at = ALL.iter().position(|about| about.scenario == *scenario);
        at.unwrap_or(ALL.len())
    };
    found.sort_by_key(place);
    found
}

/// The contestant called `name`.
#[must_use]
pub fn contestant<'r>(record: &'r Record, name: &str) -> Option<&'r Contestant> {
    record.contestants.iter().find(|one| one.name == name)
}

/// The kind of the contestant called `name`; one that no record introduces is a peer.
#[must_use]
pub fn group(record: &Record, name: &str) -> Group {
    contestant(record, name).map_or(Group::Peer, |one| one.group)
}

/// Whether `name` did something wrong in this scenario, in whatever variant.
#[must_use]
pub fn is_faulty(record: &Record, scenario: &str, name: &str) -> bool {
    record
        .faults
        .iter()
        .any(|fault| fault.scenario == scenario && fault.contestant == name)
}

/// The limits that a scenario is held against, as far as they take part in the run.
fn limits<'r>(record: &'r Record, scenario: &str) -> impl Iterator<Item = &'r str> {
    let wanted = about(scenario).map_or(&[][..], |about| about.limits);
    wanted.iter().filter_map(|wanted| {
        let mut limits = record.contestants.iter();
        let limit = limits.find(|one| one.group == Group::Limit && one.name == **wanted)?;
        Some(limit.name.as_str())
    })
}

/// The limit that `spot` is held against, if one has a figure there.
#[must_use]
pub fn limit<'r>(record: &'r Record, spot: Spot<'_>) -> Option<&'r str> {
    limits(record, spot.scenario).find(|limit| find(record, spot, limit).is_some())
}

/// Whether a picture of many lines shows the contestant: pools, and the limit that they are held
/// against; another limit would push them all into a corner.
#[must_use]
pub fn is_drawn(record: &Record, scenario: &str, name: &str) -> bool {
    group(record, name) != Group::Limit || limits(record, scenario).any(|limit| limit == name)
}

/// A note on a contestant that did nothing wrong in this scenario, but did in another.
#[must_use]
pub fn faulty_elsewhere(record: &Record, name: &str) -> &'static str {
    if record.faults.iter().any(|fault| fault.contestant == name) {
        "(faults elsewhere)"
    } else {
        ""
    }
}

/// The peer with the best median at `spot`, among those that did nothing wrong in the scenario.
#[must_use]
pub fn best_peer<'r>(record: &'r Record, spot: Spot<'_>) -> Option<&'r str> {
    let peers = record
        .contestants
        .iter()
        .filter(|one| one.group == Group::Peer && !is_faulty(record, spot.scenario, &one.name));
    let mut best: Option<(&str, f64)> = None;
    for peer in peers {
        let Some(series) = find(record, spot, &peer.name) else {
            continue;
        };
        if series.better == Better::Neither {
            continue;
        }
        let Some(summary) = Summary::of(&series.values) else {
            continue;
        };
        if best.is_none_or(|(_, median)| is_better(series.better, summary.median, median)) {
            best = Some((&peer.name, summary.median));
        }
    }
    best.map(|(name, _)| name)
}
