//! Starts and stops the real servers that the test suites of the adapters want.
//!
//! `up` leaves a private PostgreSQL running and prints the variable that the tests read; `down`
//! stops exactly that one. What runs is remembered in a file below the target folder, so both can
//! be repeated without harm.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pool_testkit::postgres::{DetachedServer, ServerOptions};

/// Private servers for the tests.
#[derive(Debug, Parser)]
#[command(name = "pool-services")]
struct Arguments {
    /// Where to remember what runs [default: services/ in the target folder]
    #[arg(long, global = true)]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts what does not run yet and prints where it is
    Up {
        /// How many connections PostgreSQL accepts
        #[arg(long, default_value_t = 200)]
        max_connections: u32,
    },
    /// Stops what `up` has started
    Down,
    /// Prints where the running servers are; fails when one does not run
    Status,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pool-services: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let folder = arguments.state.clone().unwrap_or_else(default_folder);
    fs::create_dir_all(&folder)?;
    // Two calls at once must not start two servers.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let record = folder.join("postgres.json");
    match arguments.command {
        Command::Up { max_connections } => up(&record, max_connections),
        Command::Down => down(&record),
        Command::Status => status(&record),
    }
}

fn up(record: &Path, max_connections: u32) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(server) = recorded(record)? {
        if server.is_running() {
            return Ok(announce(&server));
        }
        server.stop()?;
    }
    let options = ServerOptions::new().max_connections(max_connections);
    let server = DetachedServer::start(&options)?;
    if let Err(error) = fs::write(record, serde_json::to_string_pretty(&server)?) {
        server.stop()?;
        return Err(error.into());
    }
    Ok(announce(&server))
}

fn down(record: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let Some(server) = recorded(record)? else {
        println!("postgres: not running");
        return Ok(ExitCode::SUCCESS);
    };
    server.stop()?;
    fs::remove_file(record)?;
    println!("postgres: stopped");
    Ok(ExitCode::SUCCESS)
}

fn status(record: &Path) -> Result<ExitCode, Box<dyn Error>> {
    match recorded(record)?.filter(DetachedServer::is_running) {
        Some(server) => Ok(announce(&server)),
        None => {
            println!("postgres: not running");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What the last `up` left, running or not.
fn recorded(record: &Path) -> Result<Option<DetachedServer>, Box<dyn Error>> {
    match fs::read(record) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn announce(server: &DetachedServer) -> ExitCode {
    println!("POOL_POSTGRES_URL={}", server.url());
    ExitCode::SUCCESS
}

fn default_folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    target.join("services")
}
