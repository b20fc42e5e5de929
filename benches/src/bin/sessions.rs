//! Measures sessions beside PgBouncer; see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pool_benches::sessions::command::main()
}
