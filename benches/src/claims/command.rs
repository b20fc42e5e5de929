//! The program: options, files, and the exit status.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use serde::Serialize;

use super::{
    judge::{Judged, Verdict, judge},
    rows,
    run::{self, Plan},
    show,
    sound::{self, Check},
};
use crate::{machine, record::Machine, report::store};

/// The version of the file that `--json` writes.
const VERSION: u32 = 1;

/// Holds the pool's policies against what is claimed for them, in model time.
#[derive(Debug, Parser)]
#[command(name = "claims")]
struct Arguments {
    /// Run this row; may be given repeatedly. All by default.
    #[arg(long, value_name = "ID")]
    row: Vec<String>,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Put the baselines in the place of the pool's policies: every row must then miss its target.
    #[arg(long)]
    sabotage: bool,
    /// Write all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Name the rows there are.
    #[arg(long)]
    list: bool,
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Record<'a> {
    version: u32,
    machine: Machine,
    seeds: u64,
    sabotage: bool,
    /// Real time, and what was done in it.
    seconds: f64,
    events: u64,
    simulator: &'a [Check],
    rows: &'a [Judged],
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        let experiments = rows::all();
        let all: Vec<_> = experiments.iter().flat_map(|one| one.rows()).collect();
        println!("{}", show::list(&all));
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("claims: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went as it should.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(path) = &arguments.json {
        store::check_folder(path)?;
    }
    let plan = Plan {
        rows: arguments.row.clone(),
        seeds: arguments.seeds,
        sabotage: arguments.sabotage,
        percent: 100,
    };
    let began = Instant::now();
    let (runs, mut events) = run::run(&rows::all(), &plan)?;
    let checks = sound::checks(plan.percent);
    events += checks.iter().map(|check| check.events).sum::<u64>();
    let judged: Vec<Judged> = runs.iter().map(judge).collect();
    let seconds = began.elapsed().as_secs_f64();
    if let Some(path) = &arguments.json {
        let record = Record {
            version: VERSION,
            machine: machine::here(),
            seeds: plan.seeds,
            sabotage: plan.sabotage,
            seconds,
            events,
            simulator: &checks,
            rows: &judged,
        };
        store::write_text(path, &serde_json::to_string(&record)?)?;
    }
    println!("{}", show::render(&checks, &judged));
    let millions = events as f64 / 1e6;
    let rate = millions / seconds;
    println!("{millions:.1} million events in {seconds:.1} s, {rate:.1} million a second");
    let well = well(&judged, plan.sabotage) && checks.iter().all(Check::holds);
    println!("{}", conclusion(well, plan.sabotage));
    Ok(well)
}

/// Whether every row came out as it must: a pass, or under sabotage a miss and nothing else, as a
/// baseline that drifted would have failed anyway.
#[must_use]
pub fn well(rows: &[Judged], sabotage: bool) -> bool {
    let expected = if sabotage {
        Verdict::Missed
    } else {
        Verdict::Pass
    };
    rows.iter().all(|row| row.verdict == expected)
}

fn conclusion(well: bool, sabotage: bool) -> &'static str {
    match (well, sabotage) {
        (true, false) => "every row passes",
        (true, true) => "sabotaged: every row misses its target, as it must",
        (false, false) => "NOT every row passes",
        (false, true) => "sabotaged: NOT every row misses its target",
    }
}
