//! The gate on cost: instructions and allocations of the pool's paths, held against those stored.
//!
//! Times differ from machine to machine and from minute to minute, so that no test can hold them to
//! a few percent. Instructions are exact, as long as compiler and target are the same: a slower path
//! shows at once, and on a busy machine too. What an instruction costs they do not say; the benches
//! do.
//!
//! `benches/counts.toml` has, for each compiler and target, the instructions that were last
//! accepted; the allocations, which depend on neither; and limits, which are promises and outlast
//! any accepting. With another compiler, or without valgrind, there is nothing to hold instructions
//! against: that is said, and is no failure. Allocations and their limits are checked everywhere.
//!
//! The part of the C library is counted too: with another version of it, a path that allocates or
//! copies may move by a few instructions.

mod judge;
mod measure;
mod program;
mod stored;
#[cfg(test)]
mod tests;
mod toolchain;

use std::process::ExitCode;

use self::{
    judge::{Judged, Weight},
    measure::Counts,
    program::Path,
    stored::Stored,
    toolchain::Toolchain,
};
use crate::{
    exit_code,
    screen::{Screen, table},
    workspace::Workspace,
};

/// How to take what was accepted anew.
const ACCEPT: &str = "cargo xtask counts --accept";

/// What to do with the counts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Store them as what the paths may cost from now on: with this compiler for this target, and
    /// the allocations for all. Limits stay.
    #[arg(long)]
    accept: bool,
}

/// Counts, shows and compares. The last line of the output is the result in a few words.
pub(crate) fn run(workspace: &Workspace, screen: Screen, args: &Args) -> anyhow::Result<ExitCode> {
    let mut stored = Stored::read(workspace)?;
    let toolchain = Toolchain::of(workspace)?;
    let (paths, counts) = measure::all(workspace, screen)?;
    if args.accept {
        stored.accept(&toolchain, &counts);
        stored.write(workspace)?;
    }
    let judged = judge::judge(&stored, &toolchain, &counts);
    show(&paths, &counts, &judged);
    for finding in &judged.findings {
        println!("{finding}");
    }
    println!("{}", last_line(args.accept, &counts, &judged));
    Ok(exit_code(judged.paths(Weight::Fails).is_empty()))
}

fn show(paths: &[Path], counts: &Counts, judged: &Judged) {
    let mut rows = table([
        "path",
        "one operation",
        "instructions",
        "without the harness",
        "accepted",
        "limit",
        "allocations",
    ]);
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    for path in paths {
        let now = counts.instructions_of(&path.name);
        let harness = path.harness.as_deref();
        let beside = harness.and_then(|harness| counts.instructions_of(harness));
        let net = now
            .zip(beside)
            .map(|(now, beside)| now.saturating_sub(beside));
        let allocations = counts.allocations.get(&path.name);
        rows.add_row([
            path.name.clone(),
            path.what.clone(),
            number(now),
            number(net),
            number(judged.accepted.get(&path.name).copied()),
            number(judged.limits.get(&path.name).copied()),
            allocations.map_or("-".to_owned(), f64::to_string),
        ]);
    }
    println!("{rows}");
}

fn last_line(accepted: bool, counts: &Counts, judged: &Judged) -> String {
    let stored = if accepted { "stored; " } else { "" };
    let paths = counts.allocations.len();
    let compared = match &judged.not_compared {
        None => "instructions and allocations compared".to_owned(),
        Some(reason) => format!("allocations compared, instructions not: {reason}"),
    };
    let list = |word: &str, weight| {
        let paths = Vec::from_iter(judged.paths(weight)).join(", ");
        (!paths.is_empty()).then(|| format!("; {word}: {paths}"))
    };
    let refused = list("refused", Weight::Fails).unwrap_or_else(|| "; none refused".to_owned());
    let better = list("better than stored", Weight::Better).unwrap_or_default();
    format!("{stored}{paths} paths: {compared}{refused}{better}")
}
