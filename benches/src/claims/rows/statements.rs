//! A1: how often a statement is prepared already on the connection that a request gets.
//!
//! A hundred connections, half of them busy; a thousand sessions, each of one of eight modules with a
//! hundred statements each, drawn by Zipf's law with exponent 1; each connection caches a hundred
//! statements, and drops the one that was not used for longest. A hundred thousand pieces of work, of
//! which the last 70 % count.
//!
//! Hits alone would be easy: do all work of a module on few connections. So the load counts as well:
//! the leases of the busiest connection, beside the mean of all.
//!
//! The baseline takes any idle connection. That a session comes back to its last one if that is idle
//! changes nothing about it: half of the time it is busy, and others have used it meanwhile.

use std::collections::VecDeque;

use pool_affinity::statement_set;
use pool_core::{Candidate, Profile, RequestInfo};
use pool_testkit::simulation::{Account, Agenda, Chance, Spread};
use std::time::Duration;

use crate::claims::placing::{Chooser, Floor, request};
use crate::claims::row::{Bound, Experiment, Landing, Outcome, Row, Target, Trial};

const CONNECTIONS: u32 = 100;
const CACHE: usize = 100;
const SESSIONS: usize = 1000;
const MODULES: usize = 8;
const STATEMENTS: usize = 100;
const WORK: u64 = 100_000;
/// The part that does not count, in percent.
const WARMING: u64 = 30;
const HOLD: Spread = Spread::Exponential {
    mean: Duration::from_millis(50),
};
const BETWEEN: Spread = Spread::Exponential {
    mean: Duration::from_millis(1),
};

const HITS: &str = "prepared already";
const LOAD: &str = "busiest connection / mean";

const ROWS: &[Row] = &[Row {
    id: "A1",
    claim: "hits of the statement cache 45 → 92 %",
    baseline: "any idle connection",
    lands: &[Landing {
        figure: HITS,
        at: 45.1,
        within: 0.1,
    }],
    targets: &[
        Target {
            figure: HITS,
            bound: Bound::AtLeast(92.0),
            stretch: Some(Bound::AtLeast(96.0)),
        },
        Target {
            figure: LOAD,
            bound: Bound::AtMost(1.25),
            stretch: None,
        },
    ],
    beside: &["idlest connection / mean", "no connection was idle"],
}];

/// The model of A1.
#[derive(Clone, Copy, Debug)]
pub struct Statements;

impl Experiment for Statements {
    fn rows(&self) -> &'static [Row] {
        ROWS
    }

    fn run(&self, trial: Trial) -> Outcome {
        Model::new(trial).run()
    }
}

enum Event {
    Begins,
    Ends(RequestInfo, Candidate, Duration),
}

struct Model {
    trial: Trial,
    floor: Floor,
    /// Of each connection, the one used last in front.
    caches: Vec<VecDeque<u32>>,
    last: Vec<Option<Candidate>>,
    /// Leases of each connection that count.
    leases: Vec<u64>,
    hits: u64,
    refused: u64,
    arrivals: Chance,
    work: Chance,
    /// The sums of the frequencies of statements.
    zipf: Vec<f64>,
}

impl Model {
    fn new(trial: Trial) -> Self {
        let shares = (1..=STATEMENTS).map(|rank| 1.0 / rank as f64);
        let sums = shares.scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        });
        Self {
            trial,
            floor: Floor::new(CONNECTIONS, Chooser::of(trial)),
            caches: vec![VecDeque::new(); CONNECTIONS as usize],
            last: vec![None; SESSIONS],
            leases: vec![0; CONNECTIONS as usize],
            hits: 0,
            refused: 0,
            arrivals: Chance::new(trial.seed, "arrivals"),
            work: Chance::new(trial.seed, "work"),
            zipf: sums.collect(),
        }
    }

    fn run(mut self) -> Outcome {
        let (mut agenda, mut account) = (Agenda::new(), Account::new());
        let all = self.trial.part_of(WORK);
        let first = all * WARMING / 100;
        agenda.after(self.arrivals.draw(BETWEEN), Event::Begins);
        while let Some(event) = agenda.next() {
            let now = agenda.now();
            match event {
                Event::Begins => {
                    let counts = account.came() >= first;
                    account.enter(now);
                    if account.came() < all {
                        agenda.after(self.arrivals.draw(BETWEEN), Event::Begins);
                    }
                    let hold = self.work.draw(HOLD);
                    match self.begin(counts) {
                        Some((request, at)) => agenda.after(hold, Event::Ends(request, at, now)),
                        // With half of them busy this does not happen.
                        None => account.leave(now, now),
                    }
                }
                Event::Ends(request, at, began) => {
                    account.leave(now, began);
                    self.floor.end(&request, at);
                    self.floor.put(at);
                }
            }
        }
        let mut outcome = Outcome {
            events: agenda.handled(),
            law_error: Some(account.error(agenda.now())),
            ..Outcome::default()
        };
        self.tell(&mut outcome);
        outcome
    }

    /// A piece of work of any session.
    fn begin(&mut self, counts: bool) -> Option<(RequestInfo, Candidate)> {
        let session = self.work.below(SESSIONS);
        let (module, statement) = (session % MODULES, self.draw());
        let statement = 1 + module * STATEMENTS + statement;
        let statement = u32::try_from(statement).expect("there are eight hundred");
        let profile = Profile::new(session as u64 + 1)
            .statements(statement_set(format!("module {module}")))
            .statement(statement)
            .last(self.last[session]);
        let request = request(profile);
        let Some(at) = self.floor.take(&request) else {
            self.refused += 1;
            return None;
        };
        self.last[session] = Some(at);
        let hit = self.prepare(at, statement);
        if counts {
            self.hits += u64::from(hit);
            self.leases[at.slot as usize] += 1;
        }
        Some((request, at))
    }

    /// A rank, by Zipf's law.
    fn draw(&mut self) -> usize {
        let whole = self.zipf.last().copied().unwrap_or(0.0);
        let drawn = self.work.unit() * whole;
        self.zipf
            .partition_point(|sum| *sum <= drawn)
            .min(STATEMENTS - 1)
    }

    /// Whether it was prepared already.
    fn prepare(&mut self, at: Candidate, statement: u32) -> bool {
        let cache = &mut self.caches[at.slot as usize];
        let found = cache.iter().position(|cached| *cached == statement);
        if let Some(place) = found {
            cache.remove(place);
        }
        cache.push_front(statement);
        if found.is_none() {
            let dropped = (cache.len() > CACHE).then(|| cache.pop_back()).flatten();
            self.floor.cached(at, statement, dropped);
        }
        found.is_some()
    }

    fn tell(&self, outcome: &mut Outcome) {
        let all: u64 = self.leases.iter().sum();
        let mean = all as f64 / f64::from(CONNECTIONS);
        let beside_mean = |leases: Option<&u64>| leases.map_or(0.0, |leases| *leases as f64 / mean);
        outcome.share(HITS, self.hits as f64, all as f64);
        outcome.push(LOAD, "", beside_mean(self.leases.iter().max()));
        outcome.push(
            "idlest connection / mean",
            "",
            beside_mean(self.leases.iter().min()),
        );
        outcome.push("no connection was idle", "", self.refused as f64);
    }
}
