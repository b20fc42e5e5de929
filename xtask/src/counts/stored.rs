//! What was accepted, as it lies in the repository.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{measure::Counts, toolchain::Toolchain};
use crate::workspace::Workspace;

/// Where it is stored, below the root.
pub(super) const FILE: &str = "benches/counts.toml";

/// What stands at the head of the file. Comments elsewhere are lost when it is written.
const HEAD: &str = "\
# What the paths of the pool may cost, per operation. `cargo xtask counts` compares, and
# `cargo xtask counts --accept` writes [allocations] and the [[instructions]] of the compiler and
# target in use. [limits] are promises: they are changed by hand, with a reason.

";

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    /// By the name of the path.
    #[serde(default)]
    pub(super) limits: BTreeMap<String, Limit>,
    /// By the name of the path.
    #[serde(default)]
    pub(super) allocations: BTreeMap<String, f64>,
    #[serde(default)]
    pub(super) instructions: Vec<Accepted>,
}

/// What a path may never cost more than.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instructions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allocations: Option<f64>,
    pub(super) reason: String,
}

/// The instructions that were accepted with one compiler for one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    pub(super) compiler: String,
    pub(super) target: String,
    /// By the name of the path.
    pub(super) paths: BTreeMap<String, u64>,
}

impl Accepted {
    fn is_of(&self, toolchain: &Toolchain) -> bool {
        self.compiler == toolchain.compiler && self.target == toolchain.target
    }
}

impl Stored {
    /// Reads the file; one that is not there has nothing in it.
    pub(super) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let path = path(workspace);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
        Self::parse(&text)
    }

    /// Reads the text of the file.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).with_context(|| format!("{FILE} is broken"))
    }

    /// The text of the file.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        let tables = toml::to_string(self).context("the counts cannot be written as TOML")?;
        Ok(format!("{HEAD}{tables}"))
    }

    /// Writes the file.
    pub(super) fn write(&self, workspace: &Workspace) -> anyhow::Result<()> {
        std::fs::write(path(workspace), self.text()?)
            .with_context(|| format!("cannot write {FILE}"))
    }

    /// What was accepted with this compiler for this target.
    pub(super) fn accepted(&self, toolchain: &Toolchain) -> Option<&Accepted> {
        self.instructions.iter().find(|one| one.is_of(toolchain))
    }

    /// Takes the counts for what the paths may cost; what belongs to other compilers stays.
    pub(super) fn accept(&mut self, toolchain: &Toolchain, counts: &Counts) {
        self.allocations.clone_from(&counts.allocations);
        let Ok(paths) = &counts.instructions else {
            return;
        };
        let fresh = Accepted {
            compiler: toolchain.compiler.clone(),
            target: toolchain.target.clone(),
            paths: paths.clone(),
        };
        match self
            .instructions
            .iter_mut()
            .find(|one| one.is_of(toolchain))
        {
            Some(old) => *old = fresh,
            None => self.instructions.push(fresh),
        }
    }
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root().join(FILE)
}
