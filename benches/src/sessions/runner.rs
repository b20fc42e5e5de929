//! Who runs when, and what becomes of the figures.
//!
//! Rounds are interleaved: in each, every contestant does every kind of work once before anybody does
//! it again, and begins one place later than in the round before, so that nobody always runs first.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;

use super::contestants::{self, Entry};
use super::limits;
use super::site::Site;
use super::turn::Times;
use super::work::Work;
use crate::collected::{Collected, Place};
use crate::machine::watch::Watch;
use crate::progress::Progress;
use crate::record::{Contestant, Record, Run, SESSIONS, VERSION};

/// Connections of the server.
const CONNECTIONS: usize = 20;
/// Clients of a full run and of a quick one.
const CLIENTS: (usize, usize) = (1_000, 200);
/// Rounds of a full run and of a quick one.
const ROUNDS: (usize, usize) = (7, 2);
/// Turns of a full run.
const FULL: Times = Times {
    warm_up: Duration::from_secs(1),
    window: Duration::from_secs(4),
};
/// Turns of a quick run.
const QUICK: Times = Times {
    warm_up: Duration::from_millis(300),
    window: Duration::from_secs(1),
};

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Fewer clients, fewer and shorter rounds.
    pub quick: bool,
    /// Rounds, if not the usual number.
    pub rounds: Option<usize>,
    /// Clients, if not the usual number.
    pub clients: Option<usize>,
    /// Names of scenarios; all if empty.
    pub scenarios: Vec<String>,
    /// Names of contestants; all if empty.
    pub contestants: Vec<String>,
}

impl Plan {
    const fn choose<T: Copy>(&self, (full, quick): (T, T)) -> T {
        if self.quick { quick } else { full }
    }
}

/// Someone who does something, over all rounds.
struct Part {
    entry: Entry,
    work: Work,
    collected: Collected,
}

/// Runs what is planned.
///
/// # Errors
///
/// When a name in the plan is unknown, or a contestant or the server cannot be had.
pub fn run(plan: &Plan) -> anyhow::Result<Record> {
    let mut parts = parts(plan)?;
    let introduced = introduce(&parts)?;
    let clients = plan.clients.unwrap_or(plan.choose(CLIENTS));
    limits::make_room(clients)?;
    let site = Site::start(clients, CONNECTIONS)?;
    let rounds = plan.rounds.unwrap_or(plan.choose(ROUNDS));
    let began = SystemTime::now().duration_since(UNIX_EPOCH);
    let (watch, start) = (Watch::start(), Instant::now());
    let progress = Progress::of(rounds * parts.len());
    for round in 0..rounds {
        let begun = Instant::now();
        for index in order(&parts, round) {
            turn(
                &mut parts[index],
                &site,
                plan.choose((FULL, QUICK)),
                round,
                &progress,
            );
        }
        progress.part(&format!("round {} of {rounds}", round + 1), begun.elapsed());
    }
    let run = Run {
        kind: format!("{SESSIONS}, {clients} clients on {CONNECTIONS} connections"),
        quick: plan.quick,
        rounds,
        seconds: start.elapsed().as_secs_f64(),
        began: began.unwrap_or_default().as_secs(),
        seed: 0,
    };
    Ok(record(run, watch, introduced, parts))
}

/// Every kind of work, with all who can do it side by side.
fn parts(plan: &Plan) -> anyhow::Result<Vec<Part>> {
    let all = contestants::all();
    let names = all.map(|one| one.name);
    let scenarios = Work::ALL.map(Work::scenario);
    check("contestant", &plan.contestants, &names)?;
    check("scenario", &plan.scenarios, &scenarios)?;
    let wanted =
        |chosen: &[String], name| chosen.is_empty() || chosen.iter().any(|one| one == name);
    let works = Work::ALL.into_iter();
    let works = works.filter(|work| wanted(&plan.scenarios, work.scenario()));
    let part = |work, entry| Part {
        entry,
        work,
        collected: Collected::default(),
    };
    let parts: Vec<Part> = works
        .flat_map(|work| all.into_iter().map(move |entry| part(work, entry)))
        .filter(|part| wanted(&plan.contestants, part.entry.name) && (part.entry.admits)(part.work))
        .collect();
    if parts.is_empty() {
        bail!("none of the contestants can do any of this");
    }
    Ok(parts)
}

fn check(kind: &str, chosen: &[String], known: &[&str]) -> anyhow::Result<()> {
    for name in chosen {
        if !known.contains(&name.as_str()) {
            let mut known = known.to_vec();
            known.dedup();
            bail!(
                "there is no {kind} {name:?}; there are {}",
                known.join(", ")
            );
        }
    }
    Ok(())
}

/// Who takes part; installs what they need.
fn introduce(parts: &[Part]) -> anyhow::Result<Vec<Contestant>> {
    let mut introduced: Vec<Contestant> = Vec::new();
    for entry in parts.iter().map(|part| part.entry) {
        if introduced.iter().any(|one| one.name == entry.name) {
            continue;
        }
        introduced.push(Contestant {
            name: entry.name.to_owned(),
            version: (entry.version)()?,
            group: entry.group,
            remarks: entry.remarks.iter().map(|&one| one.to_owned()).collect(),
        });
    }
    Ok(introduced)
}

/// The order of a round: each kind of work begins with another contestant than in the round before.
fn order(parts: &[Part], round: usize) -> Vec<usize> {
    let mut order = Vec::with_capacity(parts.len());
    let mut first = 0;
    while let Some(part) = parts.get(first) {
        let beside = parts[first..]
            .iter()
            .take_while(|one| one.work == part.work);
        let count = beside.count();
        order.extend((0..count).map(|number| first + (round + number) % count));
        first += count;
    }
    order
}

fn turn(part: &mut Part, site: &Site, times: Times, round: usize, progress: &Progress) {
    let (name, work) = (part.entry.name, part.work);
    let title = format!("{name}, {} {}", work.scenario(), work.variant());
    progress.doing(title.trim_end());
    let outcome = (part.entry.turn)(site, work, times);
    for fault in outcome
        .faults
        .iter()
        .filter(|fault| part.collected.is_new(fault))
    {
        progress.say(&format!("{}: {fault}", title.trim_end()));
    }
    part.collected.add(round, outcome);
    progress.done();
}

fn record(run: Run, watch: Watch, contestants: Vec<Contestant>, parts: Vec<Part>) -> Record {
    let mut record = Record {
        version: VERSION,
        machine: watch.end(),
        run,
        contestants,
        series: Vec::new(),
        distributions: Vec::new(),
        faults: Vec::new(),
    };
    for part in parts {
        let place = Place {
            scenario: part.work.scenario(),
            variant: part.work.variant(),
            contestant: part.entry.name,
        };
        part.collected.into_record(place, &mut record);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_runs_first_in_two_rounds_in_a_row_and_nobody_is_left_out() {
        let parts = parts(&Plan::default()).expect("the plan has no names");
        let rounds: Vec<_> = (0..2).map(|round| order(&parts, round)).collect();
        for order in &rounds {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..parts.len()));
        }
        assert_eq!(rounds[0][..3], [0, 1, 2]);
        assert_eq!(rounds[1][..3], [1, 2, 0]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let plan = Plan {
            contestants: vec!["odyssey".to_owned()],
            ..Plan::default()
        };
        let error = parts(&plan)
            .err()
            .expect("nobody has that name")
            .to_string();
        assert!(
            error.contains("odyssey") && error.contains("pgbouncer"),
            "{error}"
        );
    }
}
