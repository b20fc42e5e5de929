//! What the demo can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;

/// Many tasks move money between accounts over a few pooled connections; at the end the books
/// must balance. Then many sessions, each with settings of its own, share a few connections, and must
/// see nothing of each other. Exits with 1 when a check fails.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo")]
pub(crate) struct Options {
    /// Tasks that transfer at the same time
    #[arg(long, default_value_t = 2000, value_parser = between::<u32>(1, 1_000_000))]
    pub(crate) tasks: u32,
    /// Most connections of the pool
    #[arg(long, default_value_t = 16, value_parser = between::<u32>(1, 1000))]
    pub(crate) connections: u32,
    /// Accounts, each with an opening balance of 1000
    #[arg(long, default_value_t = 10_000, value_parser = between::<u32>(2, 10_000_000))]
    pub(crate) accounts: u32,
    /// How long transfers are begun
    #[arg(long, default_value_t = 10, value_parser = between::<u64>(1, 86_400))]
    pub(crate) seconds: u64,
    /// Sessions that share the connections of a second job; 0 leaves it out
    #[arg(long, default_value_t = 10_000, value_parser = between::<u32>(0, 1_000_000))]
    pub(crate) sessions: u32,
    /// How often each session changes what it has and looks at it
    #[arg(long, default_value_t = 5, value_parser = between::<u64>(1, 10_000))]
    pub(crate) rounds: u64,
    /// Seed of accounts, amounts and disturbances
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// SQLite file, which must not exist yet [default: a temporary one]
    #[arg(long, value_name = "FILE", conflicts_with = "postgres")]
    pub(crate) database: Option<PathBuf>,
    /// Use PostgreSQL: the server at URL, or without a URL a private one
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    pub(crate) postgres: Option<Option<String>>,
    /// Disturb it about once a second: cancelled and panicking tasks, and on PostgreSQL killed
    /// backends, and on a private server also crashes, freezes and a silent network
    #[arg(long)]
    pub(crate) chaos: bool,
}

impl Options {
    pub(crate) const fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn between<T: TryFrom<u64> + Clone + Send + Sync>(
    least: u64,
    most: u64,
) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(least..=most)
}
