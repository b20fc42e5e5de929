//! The program: options, files, and the exit status.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::contestants;
use super::judge;
use super::runner::{self, Plan};
use super::work::Work;
use crate::report::{Report, store, terminal};

/// Measures sessions beside PgBouncer and direct connections, on a private PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "sessions")]
struct Arguments {
    /// Fewer clients, fewer and shorter rounds: a look, not figures.
    #[arg(long)]
    quick: bool,
    /// Where to write the record, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Clients that share the connections.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    clients: Option<u16>,
    /// Run this scenario; may be given repeatedly. All by default.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Measure this contestant; may be given repeatedly. All by default.
    #[arg(long, value_name = "NAME")]
    contestant: Vec<String>,
    /// Fail unless sessions are ahead of PgBouncer.
    #[arg(long)]
    assert: bool,
    /// Name the scenarios and contestants there are.
    #[arg(long)]
    list: bool,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        println!("{}", list());
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sessions: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went as it should.
fn run(arguments: Arguments) -> anyhow::Result<bool> {
    if let Some(path) = &arguments.json {
        store::check_folder(path)?;
    }
    let record = runner::run(&Plan {
        quick: arguments.quick,
        rounds: arguments.rounds.map(usize::from),
        clients: arguments.clients.map(usize::from),
        scenarios: arguments.only,
        contestants: arguments.contestant,
    })?;
    if let Some(path) = &arguments.json {
        store::write(path, &record)?;
    }
    println!("{}", terminal::render(&Report::new(&record, None)));
    println!("{}", judge::render(&record));
    let ahead = judge::all_ahead(&judge::verdicts(&record));
    Ok(record.faults.is_empty() && (ahead || !arguments.assert))
}

fn list() -> String {
    let mut scenarios = Work::ALL.map(Work::scenario).to_vec();
    scenarios.dedup();
    let names = contestants::all().map(|one| one.name);
    format!(
        "scenarios: {}\ncontestants: {}",
        scenarios.join(", "),
        names.join(", ")
    )
}
