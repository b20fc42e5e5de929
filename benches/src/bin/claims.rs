//! Holds the pool against what is claimed for it; see `--help`.

use std::process::ExitCode;

use pool_testkit::alloc::CountingAllocator;

/// For the row that counts memory.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn main() -> ExitCode {
    pool_benches::claims::command::main()
}
