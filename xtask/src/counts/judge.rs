//! The rule by which counts are compared; nothing here counts or reads a file.

use std::{collections::BTreeMap, fmt::Display};

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
pub(super) enum Finding {
    /// Fails the gate.
    Worse(String),
    /// It costs less than was accepted, which a later change could use up unseen.
    Better(String),
    /// Worth knowing.
    Note(String),
}

impl Finding {
    /// Whether the gate fails by it.
    pub(super) fn fails(&self) -> bool {
        matches!(self, Self::Worse(_))
    }

    /// The sentence.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Worse(text) | Self::Better(text) | Self::Note(text) => text,
        }
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
    /// Whether nothing fails.
    pub(super) fn is_well(&self) -> bool {
        !self.findings.iter().any(Finding::fails)
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
    judge_allocations(stored, counts, &mut judged.findings);
    for (name, limit) in &stored.limits {
        judged
            .findings
            .extend(broken_allocations(name, limit, counts));
        let instructions = limit.instructions.map(|most| (name.clone(), most));
        judged.limits.extend(instructions);
    }
    match (&counts.instructions, stored.accepted(toolchain)) {
        (Err(reason), _) => judged.not_compared = Some(reason.clone()),
        (Ok(now), accepted) => {
            let known = accepted.is_some();
            for (name, limit) in &stored.limits {
                judged
                    .findings
                    .extend(broken_instructions(name, limit, now, known));
            }
            match accepted {
                Some(accepted) => {
                    judge_instructions(&accepted.paths, now, &mut judged.findings);
                    judged.accepted.clone_from(&accepted.paths);
                }
                None => judged.not_compared = Some(format!("none are stored for {toolchain}")),
            }
        }
    }
    judged
}

/// Every path has a stored number of allocations, and none has more.
fn judge_allocations(stored: &Stored, counts: &Counts, findings: &mut Vec<Finding>) {
    for (name, now) in &counts.allocations {
        match stored.allocations.get(name) {
            None => findings.push(Finding::Worse(format!(
                "{name}: {FILE} has nothing about this path; store it: {ACCEPT}"
            ))),
            Some(before) if now > before => findings.push(Finding::Worse(format!(
                "{name}: {before} allocations before, {now} now; {}",
                how_to_accept()
            ))),
            Some(before) if now < before => findings.push(Finding::Better(format!(
                "{name}: {before} allocations before, {now} now; keep it: {ACCEPT}"
            ))),
            Some(_) => {}
        }
    }
    let counted = |name: &&String| counts.allocations.contains_key(*name);
    for name in stored.allocations.keys().filter(|name| !counted(name)) {
        findings.push(Finding::Worse(format!(
            "{name}: stored in {FILE} and no longer counted; if it is meant to go: {ACCEPT}"
        )));
    }
}

fn judge_instructions(
    accepted: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    findings: &mut Vec<Finding>,
) {
    for (name, &after) in now {
        let Some(&before) = accepted.get(name) else {
            findings.push(Finding::Note(format!(
                "{name}: no instructions stored for this compiler; store them: {ACCEPT}"
            )));
            continue;
        };
        let went = format!("{name}: {before} instructions before, {after} now");
        let by = before.abs_diff(after);
        let percent = share(by, before);
        match change(before, after) {
            Change::Within => {}
            Change::Worse => findings.push(Finding::Worse(format!(
                "{went}: {by} more ({percent}), and {INSTRUCTIONS} or {PERCENT} % are allowed; {}",
                how_to_accept()
            ))),
            Change::Better => findings.push(Finding::Better(format!(
                "{went}: {by} fewer ({percent}); keep it: {ACCEPT}"
            ))),
        }
    }
}

fn broken_allocations(name: &str, limit: &Limit, counts: &Counts) -> Option<Finding> {
    let Some(&now) = counts.allocations.get(name) else {
        return Some(Finding::Worse(format!(
            "{name}: {FILE} has a limit for it, but no path of that name is counted"
        )));
    };
    let most = limit.allocations.filter(|most| now > *most)?;
    Some(Finding::Worse(over(
        name,
        &now,
        &most,
        "allocations",
        limit,
    )))
}

/// A limit is meant for code as a known compiler makes it; with another it is told, not enforced.
fn broken_instructions(
    name: &str,
    limit: &Limit,
    now: &BTreeMap<String, u64>,
    known: bool,
) -> Option<Finding> {
    let &now = now.get(name)?;
    let most = limit.instructions.filter(|most| now > *most)?;
    let text = over(name, &now, &most, "instructions", limit);
    Some(if known {
        Finding::Worse(text)
    } else {
        Finding::Note(text)
    })
}

fn over(name: &str, now: &dyn Display, most: &dyn Display, what: &str, limit: &Limit) -> String {
    let reason = &limit.reason;
    format!("{name}: {now} {what}, over the limit of {most} in {FILE} ({reason})")
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
