//! The rule by which counts are compared; nothing here counts or reads a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
};

use super::{
    ACCEPT,
    measure::Counts,
    stored::{FILE, Limit, Stored},
    toolchain::Toolchain,
};

/// A path must cost more by both of these to be worse. A few instructions come and go where the
/// compiler lays code out anew, and on a long path so do a few percent.
const INSTRUCTIONS: u64 = 5;
/// See [`INSTRUCTIONS`].
const PERCENT: u64 = 3;

/// Something to say about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) weight: Weight,
    /// What follows the name of the path.
    pub(super) text: String,
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// The gate fails.
    Fails,
    /// It costs less than was accepted, which a later change could use up unseen.
    Better,
    /// Worth knowing.
    Note,
}

impl Finding {
    fn new(weight: Weight, path: &str, text: String) -> Self {
        let path = path.to_owned();
        Self { path, weight, text }
    }
}

impl Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path, self.text)
    }
}

/// How the counts compare.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    /// Why instructions were held against nothing.
    pub(super) not_compared: Option<String>,
    /// The instructions that were accepted with the same compiler, by path.
    pub(super) accepted: BTreeMap<String, u64>,
    /// The limits of instructions, by path.
    pub(super) limits: BTreeMap<String, u64>,
}

impl Judged {
    /// The paths with findings of this weight, each once.
    pub(super) fn paths(&self, weight: Weight) -> BTreeSet<&str> {
        let such = self.findings.iter().filter(|one| one.weight == weight);
        such.map(|one| one.path.as_str()).collect()
    }
}

/// How a count went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Worse,
    Better,
    Within,
}

/// How instructions went from `before` to `after`.
pub(super) fn change(before: u64, after: u64) -> Change {
    let difference = before.abs_diff(after);
    if difference <= INSTRUCTIONS || difference * 100 <= before * PERCENT {
        Change::Within
    } else if after > before {
        Change::Worse
    } else {
        Change::Better
    }
}

/// Compares with what is stored.
pub(super) fn judge(stored: &Stored, toolchain: &Toolchain, counts: &Counts) -> Judged {
    let mut judged = Judged::default();
    let findings = &mut judged.findings;
    judge_allocations(stored, counts, findings);
    for (name, limit) in &stored.limits {
        findings.extend(broken_allocations(name, limit, counts));
        let most = limit.instructions.map(|most| (name.clone(), most));
        judged.limits.extend(most);
    }
    let now = match &counts.instructions {
        Ok(now) => now,
        Err(reason) => {
            judged.not_compared = Some(reason.clone());
            return judged;
        }
    };
    let accepted = stored.accepted(toolchain);
    // A limit is meant for code as a known compiler makes it; with another it is told, no more.
    let weight = accepted.map_or(Weight::Note, |_| Weight::Fails);
    for (name, limit) in &stored.limits {
        findings.extend(broken_instructions(name, limit, now, weight));
    }
    match accepted {
        Some(accepted) => {
            judge_instructions(&accepted.paths, now, findings);
            judged.accepted.clone_from(&accepted.paths);
        }
        None => judged.not_compared = Some(format!("none are stored for {toolchain}")),
    }
    judged
}

/// Every path has a stored number of allocations, and none has more.
fn judge_allocations(stored: &Stored, counts: &Counts, findings: &mut Vec<Finding>) {
    for (name, now) in &counts.allocations {
        let Some(before) = stored.allocations.get(name) else {
            let text = format!("{FILE} has nothing about this path; store it: {ACCEPT}");
            findings.push(Finding::new(Weight::Fails, name, text));
            continue;
        };
        let went = format!("{before} allocations before, {now} now");
        if now > before {
            let text = format!("{went}; {}", how_to_accept());
            findings.push(Finding::new(Weight::Fails, name, text));
        } else if now < before {
            let text = format!("{went}; keep it: {ACCEPT}");
            findings.push(Finding::new(Weight::Better, name, text));
        }
    }
    let counted = |name: &&String| counts.allocations.contains_key(*name);
    for name in stored.allocations.keys().filter(|name| !counted(name)) {
        let text = format!("stored and no longer counted; if it is meant to go: {ACCEPT}");
        findings.push(Finding::new(Weight::Fails, name, text));
    }
}

fn judge_instructions(
    accepted: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    findings: &mut Vec<Finding>,
) {
    for (name, &after) in now {
        let Some(&before) = accepted.get(name) else {
            let text =
                format!("no instructions are stored for this compiler; store them: {ACCEPT}");
            findings.push(Finding::new(Weight::Note, name, text));
            continue;
        };
        let by = before.abs_diff(after);
        let percent = share(by, before);
        let went = format!("{before} instructions before, {after} now");
        match change(before, after) {
            Change::Within => {}
            Change::Worse => {
                let text = format!(
                    "{went}: {by} more ({percent}), over both {INSTRUCTIONS} and {PERCENT} %; {}",
                    how_to_accept()
                );
                findings.push(Finding::new(Weight::Fails, name, text));
            }
            Change::Better => {
                let text = format!("{went}: {by} fewer ({percent}); keep it: {ACCEPT}");
                findings.push(Finding::new(Weight::Better, name, text));
            }
        }
    }
}

fn broken_allocations(name: &str, limit: &Limit, counts: &Counts) -> Option<Finding> {
    let Some(&now) = counts.allocations.get(name) else {
        let text = format!("{FILE} has a limit for it, and no such path is counted");
        return Some(Finding::new(Weight::Fails, name, text));
    };
    let most = limit.allocations.filter(|most| now > *most)?;
    let text = over(&now, &most, "allocations", limit);
    Some(Finding::new(Weight::Fails, name, text))
}

fn broken_instructions(
    name: &str,
    limit: &Limit,
    now: &BTreeMap<String, u64>,
    weight: Weight,
) -> Option<Finding> {
    let now = *now.get(name)?;
    let most = limit.instructions.filter(|most| now > *most)?;
    let text = over(&now, &most, "instructions", limit);
    Some(Finding::new(weight, name, text))
}

fn over(now: &dyn Display, most: &dyn Display, what: &str, limit: &Limit) -> String {
    format!(
        "{now} {what} now, over the limit of {most}, which accepting does not lift: {}",
        limit.reason
    )
}

fn how_to_accept() -> String {
    format!("if it must cost that, say why in the commit and store it: {ACCEPT}")
}

/// `part` of `whole` in percent, with one decimal.
fn share(part: u64, whole: u64) -> String {
    let tenths = (part * 1000 + whole / 2).checked_div(whole);
    tenths.map_or("from nothing".to_owned(), |tenths| {
        format!("{}.{} %", tenths / 10, tenths % 10)
    })
}
