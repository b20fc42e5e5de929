//! Every scenario with every contestant that it admits, each a function of its own.

use std::marker::PhantomData;

use super::Plan;
use crate::peers::contestant::{About, Contestant};
use crate::peers::contestants;
use crate::peers::scenario::{self, Outcome, Round, Scenario};
use crate::peers::{costs, safety, speed};
use crate::record;

/// A scenario for one contestant: [`Scenario::run`].
type Run = fn(&Round) -> Outcome;

/// One contestant in one variant of one scenario.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) scenario: &'static str,
    pub(super) once: bool,
    pub(super) enough: usize,
    alike: bool,
    pub(super) variant: String,
    pub(super) variant_number: usize,
    pub(super) about: About,
    pub(super) run: Run,
    title: &'static str,
}

impl Entry {
    /// Whether both are of the same variant of the same scenario.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        (self.scenario, self.variant_number) == (other.scenario, other.variant_number)
    }

    /// Whether who is stuck in this entry would be in the other, too.
    pub(super) fn foretells(&self, other: &Self) -> bool {
        let same = (self.scenario, self.about.name) == (other.scenario, other.about.name);
        same && (self.alike || self.variant_number == other.variant_number)
    }

    /// What, in which variant, and who.
    pub(super) fn title(&self) -> String {
        let separator = if self.variant.is_empty() { "" } else { ", " };
        let Self {
            scenario,
            variant,
            about,
            ..
        } = self;
        format!("{scenario}{separator}{variant}: {}", about.name)
    }

    pub(super) fn contestant(&self) -> record::Contestant {
        record::Contestant {
            name: self.about.name.to_owned(),
            version: self.about.version.to_owned(),
            group: self.about.group,
            remarks: self
                .about
                .remarks
                .iter()
                .map(|&remark| remark.to_owned())
                .collect(),
        }
    }
}

/// Collects entries from scenarios.
#[derive(Default)]
struct Table(Vec<Entry>);

impl scenario::Visit for Table {
    fn visit<S: Scenario>(&mut self) {
        let mut row = Row::<S>(Vec::new(), PhantomData);
        contestants::each(&mut row);
        for (variant_number, variant) in S::variants().into_iter().enumerate() {
            let admitted = |(about, _): &&(About, Run)| S::admits(about, variant_number);
            for &(about, run) in row.0.iter().filter(admitted) {
                self.0.push(Entry {
                    scenario: S::NAME,
                    once: S::ONCE,
                    enough: S::ENOUGH,
                    alike: S::ALIKE,
                    variant: variant.clone(),
                    variant_number,
                    about,
                    run,
                    title: S::TITLE,
                });
            }
        }
    }
}

/// One scenario for all contestants. Visits are compiled for each pair: they do next to nothing.
struct Row<S>(Vec<(About, Run)>, PhantomData<S>);

impl<S: Scenario> contestants::Visit for Row<S> {
    fn visit<C: Contestant>(&mut self) {
        self.0.push((About::of::<C>(), S::run::<C>));
    }
}

/// All there is.
fn all() -> Vec<Entry> {
    let mut table = Table::default();
    speed::each(&mut table);
    safety::each(&mut table);
    costs::each(&mut table);
    table.0
}

/// What a plan asks for.
pub(super) fn entries(plan: &Plan) -> Result<Vec<Entry>, String> {
    let mut entries = all();
    check(
        "scenario",
        &plan.scenarios,
        entries.iter().map(|entry| entry.scenario),
    )?;
    check(
        "contestant",
        &plan.contestants,
        entries.iter().map(|entry| entry.about.name),
    )?;
    let wanted = |names: &[String], name: &str| {
        names.is_empty() || names.iter().any(|wanted| wanted == name)
    };
    entries.retain(|entry| {
        wanted(&plan.scenarios, entry.scenario) && wanted(&plan.contestants, entry.about.name)
    });
    Ok(entries)
}

/// Refuses names that are not `known`.
fn check(
    what: &str,
    names: &[String],
    known: impl Iterator<Item = &'static str>,
) -> Result<(), String> {
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    known.dedup();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!(
            "no {what} is called {name:?}; there are: {}",
            known.join(", ")
        )),
    }
}

/// Scenarios with their variants, and contestants with their versions, for people.
#[must_use]
pub fn names() -> String {
    let entries = all();
    let mut lines = vec!["scenarios:".to_owned()];
    for entry in &entries {
        let line = format!("  {} ({})", entry.scenario, entry.title);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.push("contestants:".to_owned());
    for about in contestants::all() {
        lines.push(format!("  {} ({})", about.name, about.version));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_entries_have_the_same_name() {
        let entries = all();
        let titles: HashSet<_> = entries.iter().map(Entry::title).collect();
        assert_eq!(titles.len(), entries.len());
    }

    #[test]
    fn being_stuck_foretells_the_same_contestant_in_scenarios_that_are_alike() {
        let entries = all();
        let of = |scenario: &str, variant, name: &str| {
            let found = |entry: &&Entry| {
                (entry.scenario, entry.variant_number, entry.about.name)
                    == (scenario, variant, name)
            };
            entries.iter().find(found).expect("there is such an entry")
        };
        assert!(of("sweep", 1, "qp").foretells(of("sweep", 2, "qp")));
        assert!(!of("sweep", 1, "qp").foretells(of("sweep", 2, "bb8")));
        assert!(!of("sweep", 1, "qp").foretells(of("heavy", 1, "qp")));
        assert!(!of("free", 1, "qp").foretells(of("free", 2, "qp")));
    }

    #[test]
    fn entries_of_one_variant_stand_side_by_side() {
        let entries = all();
        let mut seen = HashSet::new();
        for pair in entries.windows(2) {
            if !pair[0].is_beside(&pair[1]) {
                assert!(seen.insert((pair[0].scenario, pair[0].variant_number)));
            }
        }
    }

    #[test]
    fn a_name_that_nobody_has_is_refused_with_those_there_are() {
        let plan = Plan {
            contestants: vec!["bb9".to_owned()],
            ..Plan::default()
        };
        let refused = entries(&plan).expect_err("there is no bb9");
        assert!(
            refused.contains("bb9") && refused.contains("bb8"),
            "{refused}"
        );
    }

    #[test]
    fn a_plan_may_name_what_it_wants() {
        let plan = Plan {
            scenarios: vec!["free".to_owned()],
            contestants: vec!["ours".to_owned(), "bb8".to_owned()],
            ..Plan::default()
        };
        let entries = entries(&plan).expect("these exist");
        assert_eq!(entries.len(), 2 * speed::Free::variants().len());
    }
}
