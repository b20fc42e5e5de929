//! The main job: many tasks, few connections, money that must not get lost, and sessions that must
//! not meet.
//!
//! A pool is easy to get right while everything goes well. This job keeps the books while tasks
//! are cancelled in the middle of a transaction, panic with a connection in their hands, and lose
//! their server, and then checks over a connection outside the pool that nothing was lost, made up
//! or done twice.
//!
//! ```text
//! cargo run --release -p pool-facade --features sqlite,postgres --example demo
//! cargo run --release -p pool-facade --features sqlite,postgres --example demo -- --chaos
//! cargo run --release -p pool-facade --features sqlite,postgres --example demo -- --postgres --chaos
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use pool_facade::Pool;
use pool_facade::health::{AdaptiveHealth, Breaker, Mode};

use crate::bank::Bank;
use crate::bank::postgres::PostgresBank;
use crate::bank::sqlite::SqliteBank;
use crate::checks::Check;
use crate::crowd::Job;
use crate::crowd::postgres::PostgresCrowd;
use crate::crowd::sqlite::SqliteCrowd;
use crate::options::Options;
use crate::workload::Workload;

mod bank;
mod chaos;
mod checks;
mod clock;
mod crowd;
mod live;
mod options;
mod owners;
mod records;
mod report;
mod workload;

/// How long the pool may take to close all connections.
const CLOSING: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = both(&options).await;
    match outcome {
        Ok(checks) if checks.iter().all(|check| check.holds) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The money, then the sessions.
async fn both(options: &Options) -> anyhow::Result<Vec<Check>> {
    let mut checks = match options.postgres.clone() {
        None => demo(SqliteBank::new(options.database.clone())?, options).await?,
        Some(url) => {
            let bank = PostgresBank::new(url, options.connections).await?;
            demo(bank, options).await?
        }
    };
    let job = Job {
        sessions: options.sessions,
        rounds: options.rounds,
        seed: options.seed,
    };
    let sessions = match options.postgres.clone() {
        _ if options.sessions == 0 => Vec::new(),
        None => crowd::run(SqliteCrowd::new()?, job).await?,
        Some(url) => crowd::run(PostgresCrowd::new(url).await?, job).await?,
    };
    if !sessions.is_empty() {
        println!("{}", report::verdict(&sessions));
    }
    checks.extend(sessions);
    Ok(checks)
}

/// The whole job on one bank.
async fn demo<B: Bank>(bank: B, options: &Options) -> anyhow::Result<Vec<Check>> {
    eprintln!(
        "{} tasks over {} connections to {}, {} s, seed {}{}",
        options.tasks,
        options.connections,
        bank.name(),
        options.seconds,
        options.seed,
        if options.chaos { ", chaos" } else { "" },
    );
    bank.prepare(options.accounts).await?;
    let health = health()?;
    let builder = Pool::builder(bank.manager()?)
        .max_size(options.connections)
        .name("demo");
    let pool = health.attach(builder).build().await?;
    let load = Workload::new(bank, pool, options.accounts, options.length());
    let load = Arc::new(load);
    let began = clock::now();
    work(&load, options).await?;
    let took = clock::now() - began;

    let mut checks = vec![checks::one_owner(load.owners.violations())];
    checks.push(checks::counts_agree(&load).await?);
    let report = load.pool.close(CLOSING).await;
    checks.push(checks::nothing_left_open(&load, &report).await?);
    // Read last: a commit in doubt may go on for as long as its connection is open.
    let audit = load.bank.audit().await?;
    let notes = load.records.notes().clone();
    checks.extend(checks::books(&audit, &notes, options.accounts));

    println!("{}", report::numbers(&notes, &load.pool.status(), took));
    println!("{}", report::health(&health.statistics()));
    println!("{}", report::verdict(&checks));
    Ok(checks)
}

/// Looks after the connections; a breaker decides and stays in the shadow, so that chaos reaches the
/// pool itself.
fn health() -> anyhow::Result<Arc<AdaptiveHealth>> {
    let breaker = Breaker::builder().build()?;
    let health = AdaptiveHealth::builder()
        .oltp()
        .breaker(breaker, Mode::Shadow)
        .build()?;
    Ok(Arc::new(health))
}

/// The tasks, the live line and, if asked for, chaos.
async fn work<B: Bank>(load: &Arc<Workload<B>>, options: &Options) -> anyhow::Result<()> {
    let chaos = options
        .chaos
        .then(|| clock::spawn(chaos::run(Arc::clone(load), options.seed)));
    tokio::select! {
        done = workload::run(load, options.tasks, options.seed) => done.context("the tasks")?,
        () = live::show(load) => {}
    }
    if let Some(chaos) = chaos {
        chaos.await?.context("chaos")?;
    }
    Ok(())
}
