//! What is known of each scenario beside its figures: what it measures, which figure is the one to
//! look at, and what it is held against.
//!
//! A scenario that is not in the list is shown all the same, with its own name for a title.

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
    /// Metrics that decide, the most important first; the first one that a variant has is the headline.
    pub headlines: &'static [&'static str],
    /// The name of the limit that it is held against.
    pub limit: Option<&'static str>,
}

/// The best plain construction that waits.
const WAITING: Option<&str> = Some("semaphore + queue");

/// All scenarios, in the order of the report.
pub const ALL: &[About] = &[
    About {
        scenario: "free",
        title: "Free: one task, an idle connection",
        measures: "One task takes a connection that is idle, touches it and gives it back. Nobody \
            waits and nobody else asks, so this is the bare cost of the bookkeeping.",
        headlines: &["time", "instructions"],
        limit: Some("bitmap"),
    },
    About {
        scenario: "parallel",
        title: "Parallel: a task on every core",
        measures: "One task per core, each with connections to spare; time is wall time per \
            operation of all tasks together. A pool that scales needs less of it with two cores than \
            with one. Workers are pinned, and a round counts in ratios only if they ran side by side \
            (overlap of 1.7 or more).",
        headlines: &["time", "throughput"],
        limit: Some("sharded bitmap"),
    },
    About {
        scenario: "oversubscribed",
        title: "Oversubscribed: 64 tasks on 8 connections",
        measures: "Eight tasks for each connection; each yields once while it holds. Almost every \
            acquire waits, so what counts is the hand-off.",
        headlines: &["throughput"],
        limit: WAITING,
    },
    About {
        scenario: "heavy",
        title: "Heavy: 10,000 tasks on 100 connections",
        measures: "A long queue. Throughput says what a hand-off costs when tasks no longer fit \
            into the cache; the distribution of waiting times says whether anybody is passed over. A \
            pool that lets newcomers overtake has a tiny median and a long tail.",
        headlines: &["throughput", "p99"],
        limit: WAITING,
    },
    About {
        scenario: "timed hold",
        title: "Timed hold: 256 tasks on 16 connections held for milliseconds",
        measures: "Connections are held as a query holds them. Throughput cannot pass what the \
            connections allow (the ideal), so what differs is who waits how long.",
        headlines: &["p99", "of ideal", "throughput"],
        limit: WAITING,
    },
    About {
        scenario: "sweep",
        title: "Throughput against oversubscription",
        measures: "The same work with more and more tasks for the same connections, from the edge of \
            waiting on.",
        headlines: &["throughput"],
        limit: WAITING,
    },
    About {
        scenario: "fairness",
        title: "Fairness: who gets how much",
        measures: "Equal tasks ask for equal shares. Jain's index is 1 when all get the same and \
            1/n when one gets everything; the least share over the greatest says the same of the two \
            extremes.",
        headlines: &["jain", "min/max"],
        limit: WAITING,
    },
    About {
        scenario: "cancel waiting",
        title: "Cancelled while waiting",
        measures: "Half of the tasks give up while they wait. What counts is how many of the patient \
            ones are served meanwhile, and that no connection and no waiter is lost.",
        headlines: &["throughput", "served"],
        limit: WAITING,
    },
    About {
        scenario: "cancel connecting",
        title: "Cancelled while connecting",
        measures: "The one who asked gives up while the connection is being opened. What counts is \
            when the next in line is served, and what is thrown away.",
        headlines: &["next served"],
        limit: None,
    },
    About {
        scenario: "cancel checking",
        title: "Cancelled while checking",
        measures: "The one who asked gives up while the connection is being checked. What counts is \
            when the next in line is served, and how many connections are thrown away that a second \
            check could have kept.",
        headlines: &["next served", "thrown away"],
        limit: None,
    },
    About {
        scenario: "herd",
        title: "Thundering herd on an empty pool",
        measures: "Many tasks ask at once and nothing is open. The limit on connects at a time is the \
            maximum, as the peers have none. No more connections should be opened than are needed.",
        headlines: &["all served", "opened"],
        limit: None,
    },
    About {
        scenario: "spike",
        title: "A spike while connects are slow",
        measures: "A burst on a pool with a few connections, where a connect takes far longer than a \
            use. Whoever opens a connection for each request is late and opens too many.",
        headlines: &["all served", "opened"],
        limit: None,
    },
    About {
        scenario: "churn",
        title: "Connections that keep breaking",
        measures: "Connections are replaced all the time; the cost of opening, closing and counting.",
        headlines: &["throughput"],
        limit: None,
    },
    About {
        scenario: "uneven",
        title: "Uneven hold times",
        measures: "Most hold a connection briefly and some for long.",
        headlines: &["p99", "throughput"],
        limit: WAITING,
    },
    About {
        scenario: "many pools",
        title: "Many small pools",
        measures: "A thousand pools of two connections: what a pool costs that has little to do.",
        headlines: &["bytes per pool", "wake-ups"],
        limit: None,
    },
    About {
        scenario: "cost",
        title: "Instructions, allocations and bytes",
        measures: "Counts, not times: they do not depend on what else the machine does.",
        headlines: &["instructions", "allocations"],
        limit: None,
    },
    About {
        scenario: MICRO,
        title: "Single operations of this pool",
        measures: "Criterion's samples of single operations, without peers. The range is that of the \
            samples.",
        headlines: &["time"],
        limit: None,
    },
];

/// The scenario of criterion's benches.
pub const MICRO: &str = "micro";

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

/// The limit that a scenario is held against, if it took part in the run.
#[must_use]
pub fn named_limit<'r>(record: &'r Record, scenario: &str) -> Option<&'r str> {
    let wanted = about(scenario)?.limit?;
    let is_it = |one: &&Contestant| one.group == Group::Limit && one.name == wanted;
    let limit = record.contestants.iter().find(is_it)?;
    Some(&limit.name)
}

/// The limit that `spot` is held against, if it has a figure there.
#[must_use]
pub fn limit<'r>(record: &'r Record, spot: Spot<'_>) -> Option<&'r str> {
    let limit = named_limit(record, spot.scenario)?;
    find(record, spot, limit)?;
    Some(limit)
}

/// Whether a picture of many lines shows the contestant: pools, and the limit that they are held
/// against; another limit would push them all into a corner.
#[must_use]
pub fn is_drawn(record: &Record, scenario: &str, name: &str) -> bool {
    group(record, name) != Group::Limit || named_limit(record, scenario) == Some(name)
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
