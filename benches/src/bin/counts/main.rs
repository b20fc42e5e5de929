//! Runs one path of the pool as often as it is told, for counting its instructions and
//! allocations: `cargo xtask counts` calls it, with and without callgrind.
//!
//! Called twice with different numbers of rounds, the difference of what was counted divided by the
//! difference of the operations is the cost of one operation: whatever happens once, from the
//! loader to the first connects, cancels out. For that to hold to the instruction nothing here may
//! depend on chance or on the time of day:
//!
//! - One thread. The free path asks nothing of the runtime but to be polled, so it costs what it
//!   costs on a worker of a big runtime; but no other thread ticks beside it.
//! - Paths that wait run with a clock of their own, see [`pools`]; a ticker and a driver that woke
//!   by themselves would be counted as often as the machine is slow.
//! - The process keeps to two cores, because the pool lays out its idle set by how many there are.
//!
//! The allocator counts as well, which costs an instruction or two where something is allocated;
//! nothing where nothing is.

mod paths;
mod pools;

use std::{env, process::ExitCode, thread};

use pool_testkit::alloc::{CountingAllocator, thread_cost};
use serde::Serialize;

use self::paths::{PATHS, Path};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

/// What a run has done.
#[derive(Debug, Serialize)]
struct Done {
    operations: u64,
    /// Of the whole process: its start is in here too.
    allocations: u64,
    /// How many cores the pool was laid out for.
    cores: usize,
}

fn main() -> ExitCode {
    keep_to_two_cores();
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            print_json(&PATHS);
            ExitCode::SUCCESS
        }
        [name, rounds] => match (find(name), rounds.parse()) {
            (Some(path), Ok(rounds)) => {
                print_json(&run(path, rounds));
                ExitCode::SUCCESS
            }
            _ => usage(),
        },
        _ => usage(),
    }
}

fn find(name: &str) -> Option<&'static Path> {
    PATHS.iter().find(|path| path.name == name)
}

fn run(path: &Path, rounds: u64) -> Done {
    let operations = (path.run)(rounds);
    Done {
        operations,
        allocations: thread_cost().allocations,
        cores: thread::available_parallelism().map_or(1, usize::from),
    }
}

fn print_json(what: &impl Serialize) {
    let text = serde_json::to_string(what).expect("names and numbers can be written as JSON");
    println!("{text}");
}

fn usage() -> ExitCode {
    eprintln!("usage: counts [PATH ROUNDS]; without arguments it lists the paths");
    ExitCode::FAILURE
}

/// Keeps to the first two cores it may use; with fewer, or elsewhere, `cores` tells.
fn keep_to_two_cores() {
    #[cfg(target_os = "linux")]
    {
        use nix::{
            sched::{CpuSet, sched_getaffinity, sched_setaffinity},
            unistd::Pid,
        };
        let this = Pid::from_raw(0);
        let Ok(allowed) = sched_getaffinity(this) else {
            return;
        };
        let usable = (0..CpuSet::count()).filter(|core| allowed.is_set(*core) == Ok(true));
        let mut two = CpuSet::new();
        for core in usable.take(2) {
            // A number below `count` is always taken.
            let _ = two.set(core);
        }
        // If it is refused, the number of cores that is reported says so.
        let _ = sched_setaffinity(this, &two);
    }
}
