//! The table of seeded bugs: `pool-core/tests/mutants.toml`.

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::process::End;

/// What loom says when every thread waits.
const DEADLOCK: &str = "deadlock; threads";

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MutantTable {
    /// Bugs that a model must catch.
    #[serde(default)]
    pub(crate) mutant: Vec<Mutant>,
    /// Changes that no test can see, because they are no bugs.
    #[serde(default)]
    pub(crate) equivalent: Vec<Equivalent>,
}

/// A seeded bug.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutant {
    /// What `POOL_MUTANT` is set to.
    pub(crate) number: u32,
    /// What is wrong in it.
    pub(crate) bug: String,
    /// The model that must catch it, or several of which one must.
    pub(crate) model: Models,
    /// Texts of which the failing output must contain one.
    #[serde(default)]
    pub(crate) expect: Vec<String>,
    /// Whether loom's own "deadlock" is an expected text too.
    #[serde(default)]
    pub(crate) deadlock: bool,
}

/// One name or a list of names.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Models {
    One(String),
    Several(Vec<String>),
}

impl Models {
    /// The names.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// A change that looks like a bug and is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Equivalent {
    /// Its number, for `POOL_MUTANT`.
    pub(crate) number: u32,
    /// What it changes.
    pub(crate) bug: String,
    /// Why no run can tell it from the original.
    pub(crate) reason: String,
}

impl MutantTable {
    /// Reads the table and refuses one that could let a bug pass for caught.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let table: Self = toml::from_str(text).context("the table of mutants cannot be read")?;
        ensure!(
            !table.mutant.is_empty(),
            "the table has no [[mutant]]: it would prove nothing"
        );
        let mut numbers: Vec<u32> = table.mutant.iter().map(|mutant| mutant.number).collect();
        numbers.extend(table.equivalent.iter().map(|equivalent| equivalent.number));
        numbers.sort_unstable();
        let double = numbers.windows(2).find(|pair| pair[0] == pair[1]);
        ensure!(
            double.is_none(),
            "number {:?} is used twice",
            double.unwrap_or_default()
        );
        for mutant in &table.mutant {
            mutant.check()?;
        }
        Ok(table)
    }
}

impl Mutant {
    fn check(&self) -> anyhow::Result<()> {
        let number = self.number;
        ensure!(
            !self.model.names().is_empty(),
            "mutant {number} names no model"
        );
        ensure!(
            self.deadlock || !self.expect.is_empty(),
            "mutant {number} says nothing about how it is caught: `expect` or `deadlock = true`"
        );
        ensure!(
            self.expect.iter().all(|text| !text.trim().is_empty()),
            "mutant {number} expects an empty text, which every output contains"
        );
        let models = self.model.names();
        let named = |text: &&String| models.iter().any(|model| model.contains(text.as_str()));
        if let Some(text) = self.expect.iter().find(named) {
            bail!("mutant {number} expects `{text}`, which the name of its model contains");
        }
        Ok(())
    }

    /// The expected text that caught the bug, if this run did.
    ///
    /// A run that was stopped at its wall limit catches nothing, whatever it printed, and neither
    /// does a failure with a text that nobody expected.
    pub(crate) fn caught_by(&self, end: End, output: &str) -> Option<String> {
        if !matches!(end, End::Failed(_)) {
            return None;
        }
        if self.deadlock && output.contains(DEADLOCK) {
            return Some("deadlock".to_owned());
        }
        self.expect
            .iter()
            .find(|text| output.contains(text.as_str()))
            .cloned()
    }
}
