//! The program `peers`: the command line, and what is done with a record.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use super::costs::Child;
use super::runner::{self, Plan};
use crate::record::Record;

/// Measures this pool beside others, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "peers")]
struct Arguments {
    /// Fewer and shorter rounds.
    #[arg(long)]
    quick: bool,
    /// Where to write the record, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run this scenario; may be given repeatedly. All by default.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Measure this contestant; may be given repeatedly. All by default.
    #[arg(long, value_name = "NAME")]
    contestant: Vec<String>,
    /// Rounds of each scenario.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Where chance begins.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Name the scenarios and contestants there are.
    #[arg(long)]
    list: bool,
    /// Be a child that measures one thing.
    #[arg(long, hide = true)]
    child: Option<Child>,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(child) = arguments.child {
        return child.run(arguments.contestant.first().map_or("", String::as_str));
    }
    if arguments.list {
        println!("{}", runner::names());
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let record = runner::run(&Plan {
        quick: arguments.quick,
        rounds: arguments.rounds.map(usize::from),
        seed: arguments.seed,
        scenarios: arguments.only,
        contestants: arguments.contestant,
    })?;
    if let Some(path) = &arguments.json {
        write(&record, path)?;
    }
    println!("{}", runner::summary(&record));
    Ok(())
}

/// Writes a record so that there is either all of it or none.
fn write(record: &Record, path: &Path) -> Result<(), Box<dyn Error>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, record)?;
    file.write_all(b"\n")?;
    file.persist(path)?;
    Ok(())
}
