//! Instructions of an operation, by callgrind, where there is one.
//!
//! The child works in two stretches of different length with marks around them, and has callgrind
//! write down its count at each mark: the difference of the stretches, divided by the difference of
//! their operations, has neither start nor end in it.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::child::{Child, alone};
use super::work::{LONG, SHORT, pool, work};
use crate::peers::contestant::Contestant;
use crate::peers::workers::Beat;

/// As callgrind knows [`mark`].
const MARK: &str = "--dump-before=*costs*instructions*mark*";

/// Callgrind writes its counts down when this is entered.
#[inline(never)]
fn mark(number: u8) {
    black_box(number);
}

/// What the child does.
pub(super) fn child<C: Contestant>(busy: bool) {
    alone(async move {
        let beat = Arc::new(Beat::default());
        let pool = pool::<C>(busy).await;
        work(&pool, busy, SHORT, &beat).await;
        mark(0);
        work(&pool, busy, SHORT, &beat).await;
        mark(1);
        work(&pool, busy, LONG, &beat).await;
        mark(2);
    });
}

/// Instructions of one operation of a contestant; `None` if callgrind is not there or the child failed.
pub(super) fn per_operation(contestant: &str, busy: bool) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let folder = tempfile::tempdir().ok()?;
    let output = folder.path().join("count");
    let child = if busy { Child::Busy } else { Child::Free };
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", MARK])
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(program)
        .args(child.arguments(contestant))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    if !status.success() {
        return None;
    }
    // The first is of what came before the first mark.
    let short = total(&output, 2)?;
    let long = total(&output, 3)?;
    Some((long - short) / (LONG - SHORT) as f64)
}

/// The count in one of callgrind's files.
fn total(output: &Path, number: u8) -> Option<f64> {
    let mut path = output.as_os_str().to_owned();
    path.push(format!(".{number}"));
    total_of(&fs::read_to_string(path).ok()?)
}

fn total_of(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        let text = "version: 1\nevents: Ir\n\nfn=(1) main\n1 5\n\ntotals: 12345\n";
        assert_eq!(total_of(text), Some(12_345.0));
        assert_eq!(total_of("events: Ir\n"), None);
    }
}
