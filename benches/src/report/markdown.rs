//! The report as Markdown, for a file in the repository.
//!
//! It is generated whole, remarks included, so that nobody can improve a figure by hand without the
//! next run taking it back.

use super::{Report, table::Table};
use crate::record::{Group, SESSIONS};

const POOLS: &str = "\
# Benchmarks

Written by `cargo xtask bench` with `--markdown BENCHMARKS.md` from one run; edit nothing here, the next \
run would undo it. Sessions beside PgBouncer: [BENCHMARKS-SESSIONS.md](BENCHMARKS-SESSIONS.md).

To repeat it, in a clone and on a quiet machine:

```sh
cargo xtask bench all --html report.html   # full; about ten minutes after the build
cargo xtask bench all --quick              # a look; about three minutes
cargo xtask bench peers --only heavy       # one scenario
```
";

const OF_SESSIONS: &str = "\
# Sessions beside PgBouncer

Written by `cargo xtask bench` from one run; edit nothing here, the next run would undo it. The pool \
beside other pools: [BENCHMARKS.md](BENCHMARKS.md).

To repeat it, in a clone and on a quiet machine; servers of its own are started and stopped:

```sh
cargo xtask bench sessions --rounds 9 --json sessions.json   # about twelve minutes after the build
cargo xtask bench show sessions.json --markdown BENCHMARKS-SESSIONS.md
cargo xtask bench sessions --quick                           # a look
```
";

/// How to read the figures; also on the page.
pub const HOW_TO_READ: &[&str] = &[
    "A figure is the median over all rounds, with the least and the greatest round in brackets. \
     Nothing was left out as an outlier.",
    "Rounds are interleaved: in each, all contestants run one after the other. A ratio is taken within \
     a round, and shown as the median of these ratios with their range. It can differ from the ratio of \
     the medians. Where fewer than all rounds count, their number stands beside it, as in 7 of 9.",
    "A ratio is this row's figure divided by the other's, whichever way is good: below 1× is better \
     for times, above 1× for throughput.",
    "Where several workers must run side by side, a round counts only if they did for both sides \
     (overlap of 1.7 or more).",
    "Limits are no pools: they leave out what a pool must do (opening, checking, deadlines, closing), \
     and show how much of a figure is the hardware's.",
    "Two figures whose ranges overlap are level, unless one is better in every round. Figures of \
     another machine, or of the same one when it is busy, will differ; ratios less so.",
    "The benchmark was written by the authors of this pool. Peers are set up as their documentation \
     advises for speed, with comparable duties; what could not be made comparable is listed by \
     contestant.",
];

/// What stands above the table of where this pool stands; also on the page.
pub const STANDING: &str = "The pool with its defaults, beside the limit and the best peer that did \
    nothing wrong in the scenario. All other contestants and settings stand in the tables below.";

/// The whole report.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let introduction = match report.record.run.kind.starts_with(SESSIONS) {
        true => OF_SESSIONS,
        false => POOLS,
    };
    let mut out = introduction.to_owned();
    out.push_str("\n## Machine and run\n\n| | |\n| --- | --- |\n");
    for (word, fact) in &report.facts {
        out.push_str(&format!("| {word} | {} |\n", escape(fact)));
    }
    out.push_str("\n## How to read the figures\n\n");
    for line in HOW_TO_READ {
        out.push_str(&format!("- {line}\n"));
    }
    verdicts(&mut out, report);
    for section in &report.sections {
        out.push_str(&format!("\n## {}\n\n", escape(section.title)));
        if !section.measures.is_empty() {
            out.push_str(&format!("{}\n\n", escape(section.measures)));
        }
        for panel in &section.panels {
            if !panel.heading.is_empty() {
                out.push_str(&format!("### {}\n\n", escape(&panel.heading)));
            }
            push(&mut out, &panel.table);
        }
    }
    // One empty line between parts, and none at the end.
    let mut out = out.trim_end().to_owned();
    out.push('\n');
    out
}

fn verdicts(out: &mut String, report: &Report<'_>) {
    if report.has_peers {
        out.push_str(&format!("\n## Where this pool stands\n\n{STANDING}\n\n"));
        push(out, &report.standing);
        out.push_str(&format!(
            "\n## Where a peer is better\n\n{}\n\n",
            report.wins_note
        ));
        push(out, &report.wins);
        out.push_str("\n## Faults\n\n");
        if report.faults.rows.is_empty() {
            out.push_str("None was seen: nobody was over the maximum, lost a connection or left a waiter behind.\n");
        } else {
            out.push_str("Figures of a contestant in a scenario where it did this say nothing about its speed.\n\n");
            push(out, &report.faults);
        }
    }
    if !report.remarks.is_empty() {
        out.push_str("\n## What is not comparable\n\n");
        for one in &report.remarks {
            let kind = kind(one.group);
            out.push_str(&format!(
                "- **{}** {} ({kind})\n",
                escape(&one.name),
                escape(&one.version)
            ));
            for remark in &one.remarks {
                out.push_str(&format!("  - {}\n", escape(remark)));
            }
        }
    }
    if let Some(comparison) = &report.comparison {
        out.push_str(&format!("\n## Compared with `{}`\n\n", comparison.name));
        for caution in &comparison.cautions {
            out.push_str(&format!("- **Caution.** {}\n", escape(caution)));
        }
        out.push_str(&format!("\n{}\n\n", comparison.summary()));
        push(out, &comparison.changed());
    }
}

/// The word for a group.
#[must_use]
pub fn kind(group: Group) -> &'static str {
    match group {
        Group::Ours => "ours",
        Group::Peer => "peer",
        Group::Limit => "limit",
    }
}

fn push(out: &mut String, table: &Table) {
    if table.rows.is_empty() {
        return;
    }
    let heads = table.columns.iter().map(|column| escape(&column.line()));
    row(out, heads.collect());
    let rules = table.columns.iter();
    let rules = rules.map(|column| if column.number { "--:" } else { "---" }.to_owned());
    row(out, rules.collect());
    for one in &table.rows {
        let mut cells: Vec<String> = one.cells.iter().map(|cell| escape(&cell.line())).collect();
        if let (true, Some(first)) = (one.group == Some(Group::Ours), cells.first_mut()) {
            *first = format!("**{first}**");
        }
        row(out, cells);
    }
    out.push('\n');
}

fn row(out: &mut String, cells: Vec<String>) {
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// Text that cannot end a cell, a line or a paragraph, nor become markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '|' | '*' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
