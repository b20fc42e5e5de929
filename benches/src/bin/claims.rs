//! Holds the pool against what is claimed for it; see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pool_benches::claims::command::main()
}
