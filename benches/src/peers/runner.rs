//! Who runs when, and what becomes of the figures.
//!
//! Rounds are interleaved: in each, every contestant of a scenario runs once before anybody runs
//! again, since a shared machine is another machine a minute later; ratios are to be taken within
//! a round. Within a round the order begins with another contestant each time, drawn by the run's
//! seed. A contestant that got stuck does not take part again in the variant it got stuck in, nor in
//! those where it would be the same.

mod summary;
mod table;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::scenario::Round;
use crate::collected::{Collected, Place};
use crate::machine::watch::Watch;
use crate::progress::Progress;
use crate::record::{Contestant, Record, Run, VERSION};

use self::table::Entry;

pub use self::summary::summary;
pub use self::table::names;

/// Rounds of a full run, and of a quick one.
const ROUNDS: (usize, usize) = (13, 5);

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Fewer and shorter rounds.
    pub quick: bool,
    /// Rounds, if not the usual number.
    pub rounds: Option<usize>,
    /// Where chance begins.
    pub seed: u64,
    /// Names of scenarios; all if empty.
    pub scenarios: Vec<String>,
    /// Names of contestants; all if empty.
    pub contestants: Vec<String>,
}

/// Runs what is planned.
///
/// # Errors
///
/// If a name in the plan is unknown, with all names that are known.
pub fn run(plan: &Plan) -> Result<Record, String> {
    let entries = table::entries(plan)?;
    let rounds = plan
        .rounds
        .unwrap_or(if plan.quick { ROUNDS.1 } else { ROUNDS.0 });
    let began = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let watch = Watch::start();
    let start = Instant::now();
    let mut runner = Runner {
        plan,
        progress: Progress::of(samples(&entries, rounds)),
        chance: fastrand::Rng::with_seed(plan.seed),
        collected: entries.iter().map(|_| Collected::default()).collect(),
        entries,
    };
    for round in 0..rounds {
        runner.round(
            round,
            |entry| !entry.once && round < entry.enough,
            &format!("round {} of {rounds}", round + 1),
        );
    }
    runner.round(0, |entry| entry.once, "what chance has no part in");
    Ok(runner.record(
        Run {
            kind: "peers".to_owned(),
            quick: plan.quick,
            rounds,
            seconds: start.elapsed().as_secs_f64(),
            began: began.as_secs(),
            seed: plan.seed,
        },
        watch,
    ))
}

fn samples(entries: &[Entry], rounds: usize) -> usize {
    let each = |entry: &Entry| match entry.once {
        true => 1,
        false => rounds.min(entry.enough),
    };
    entries.iter().map(each).sum()
}

/// Samples a pause apart disturb each other less: threads of the last one end in it.
const PAUSE: Duration = Duration::from_millis(1);

struct Runner<'a> {
    plan: &'a Plan,
    progress: Progress,
    chance: fastrand::Rng,
    entries: Vec<Entry>,
    collected: Vec<Collected>,
}

impl Runner<'_> {
    /// Runs everything that is `wanted` once.
    fn round(&mut self, round: usize, wanted: impl Fn(&Entry) -> bool, name: &str) {
        let start = Instant::now();
        let seed = self.chance.u64(..);
        let mut first = 0;
        while first < self.entries.len() {
            let entry = &self.entries[first];
            let same = |other: &&Entry| other.is_beside(entry);
            let count = self.entries[first..].iter().take_while(same).count();
            if wanted(entry) {
                let offset = self.chance.usize(..count);
                for number in 0..count {
                    self.sample(first + (offset + number) % count, round, seed);
                }
            }
            first += count;
        }
        self.progress.part(name, start.elapsed());
    }

    fn sample(&mut self, index: usize, round: usize, seed: u64) {
        let entry = &self.entries[index];
        let collected = &mut self.collected[index];
        if collected.is_out() {
            collected.skip(round);
        } else {
            self.progress.doing(&entry.title());
            let outcome = (entry.run)(&Round {
                variant: entry.variant_number,
                round,
                quick: self.plan.quick,
                seed,
            });
            for fault in &outcome.faults {
                if collected.is_new(fault) {
                    self.progress.say(&format!("{}: {fault}", entry.title()));
                }
            }
            let stuck = outcome.stuck;
            collected.add(round, outcome);
            if stuck {
                self.retire(index);
            }
            std::thread::sleep(PAUSE);
        }
        self.progress.done();
    }

    /// Spares the run what a contestant that got stuck would do to it again.
    fn retire(&mut self, index: usize) {
        let stuck = &self.entries[index];
        for (entry, collected) in self.entries.iter().zip(&mut self.collected) {
            if stuck.foretells(entry) {
                collected.retire();
            }
        }
    }

    fn record(self, run: Run, watch: Watch) -> Record {
        let mut record = Record {
            version: VERSION,
            machine: watch.end(),
            run,
            contestants: Vec::new(),
            series: Vec::new(),
            distributions: Vec::new(),
            faults: Vec::new(),
        };
        for (entry, collected) in self.entries.iter().zip(self.collected) {
            let known = |contestant: &Contestant| contestant.name == entry.about.name;
            if !record.contestants.iter().any(known) {
                record.contestants.push(entry.contestant());
            }
            let place = Place {
                scenario: entry.scenario,
                variant: &entry.variant,
                contestant: entry.about.name,
            };
            collected.into_record(place, &mut record);
        }
        // In the order of tables, whoever had the first word in the first scenario.
        let order = |name: &str| {
            let all = super::contestants::all();
            all.iter().position(|about| about.name == name)
        };
        record
            .contestants
            .sort_by_key(|contestant| order(&contestant.name));
        record
    }
}
