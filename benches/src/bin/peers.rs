//! Measures this pool beside others; see `--help`.

use std::process::ExitCode;

use pool_testkit::alloc::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn main() -> ExitCode {
    pool_benches::peers::command::main()
}
