//! Shows a record: tables in the terminal, and a page, a Markdown file or a saved copy if asked for.
//!
//! `cargo xtask bench` starts it after a run. It measures nothing, and needs no peers to be built.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::Parser;
use pool_benches::{
    machine,
    record::{Contestant, Group, Record, Run, VERSION},
    report::{
        Report,
        catalogue::MICRO,
        criterion::{self, OURS},
        markdown, page,
        store::{self, Name, Store},
        terminal, verdict,
    },
};

/// Shows a record of a benchmark.
#[derive(Debug, Parser)]
#[command(name = "bench-report")]
struct Args {
    /// The record to show; without one, a record is made from criterion's samples.
    #[arg(required_unless_present_any = ["criterion", "check"])]
    record: Option<PathBuf>,
    /// Add the samples that criterion left in this folder.
    #[arg(long, value_name = "FOLDER")]
    criterion: Option<PathBuf>,
    /// Only samples written at this time or later, in seconds since 1970.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    since: u64,
    /// Criterion took a few samples only.
    #[arg(long)]
    quick: bool,
    /// Write the record to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file as one page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report to this file as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Keep the record under this name.
    #[arg(long, value_name = "NAME")]
    save: Option<Name>,
    /// Compare with the record kept under this name.
    #[arg(long, value_name = "NAME")]
    compare: Option<Name>,
    /// Where records are kept.
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    saved: PathBuf,
    /// Look only whether names and folders will do, and read what is to be compared with.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = Store::new(args.saved.clone());
    // Before anything is saved: the two names may be the same.
    let before = match &args.compare {
        Some(name) => Some((name.as_str(), store.load(name)?)),
        None => None,
    };
    for path in [&args.json, &args.html, &args.markdown]
        .into_iter()
        .flatten()
    {
        store::check_folder(path)?;
    }
    if args.check {
        return Ok(ExitCode::SUCCESS);
    }
    let record = record(args)?;
    // Kept first: whatever goes wrong with a report, the run was not in vain.
    if let Some(path) = &args.json {
        store::write(path, &record)?;
    }
    if let Some(name) = &args.save {
        let place = store.save(name, &record)?;
        eprintln!("saved as `{}`: {}", name.as_str(), place.display());
    }
    let report = Report::new(
        &record,
        before.as_ref().map(|(name, record)| (*name, record)),
    );
    if let Some(path) = &args.html {
        store::write_text(path, &page::render(&report)?)?;
    }
    if let Some(path) = &args.markdown {
        store::write_text(path, &markdown::render(&report))?;
    }
    // A reader that has seen enough may close the pipe.
    match io::stdout().write_all(terminal::render(&report).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to the standard output")?
        }
        _ => {}
    }
    if verdict::ours_is_faulty(&record) {
        eprintln!("error: a contestant of ours did what it must not do: see the faults");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The record that was given, criterion's samples, or both in one.
fn record(args: &Args) -> anyhow::Result<Record> {
    let given = args.record.as_deref().map(store::read).transpose()?;
    let Some(folder) = &args.criterion else {
        return given.context("no record was given: name a file, or `--criterion FOLDER`");
    };
    let samples = criterion::series(folder, args.since)?;
    let mut record = given.unwrap_or_else(|| empty(args));
    record.run.seconds += elapsed(args.since);
    if record.run.kind != MICRO {
        "all".clone_into(&mut record.run.kind);
    }
    if !record.contestants.iter().any(|one| one.name == OURS) {
        record.contestants.push(ours());
    }
    record.series.extend(samples);
    Ok(record)
}

/// A record of criterion's benches alone, as yet without samples.
fn empty(args: &Args) -> Record {
    Record {
        version: VERSION,
        machine: machine::here(),
        run: Run {
            kind: MICRO.to_owned(),
            quick: args.quick,
            rounds: 1,
            seconds: 0.0,
            began: args.since,
            seed: 0,
        },
        contestants: Vec::new(),
        series: Vec::new(),
        distributions: Vec::new(),
        faults: Vec::new(),
    }
}

/// Seconds since then; none if it is not said when criterion began.
fn elapsed(since: u64) -> f64 {
    let then = UNIX_EPOCH.checked_add(Duration::from_secs(since));
    let elapsed = then.and_then(|then| SystemTime::now().duration_since(then).ok());
    elapsed
        .filter(|_| since > 0)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

fn ours() -> Contestant {
    Contestant {
        name: OURS.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        group: Group::Ours,
        remarks: Vec::new(),
    }
}
