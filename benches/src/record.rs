//! What a run of the benchmarks leaves behind: one record, written as JSON, from which tables, plots,
//! the report and comparisons are made.
//!
//! A record holds the value of every round, not only medians, so that ratios can be taken within a
//! round (rounds are interleaved; times of different rounds are not comparable on a shared machine).

use serde::{Deserialize, Serialize};

/// The version of this format.
pub const VERSION: u32 = 1;

/// What the kind of a run of sessions begins with.
pub const SESSIONS: &str = "sessions";

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] when it was written.
    pub version: u32,
    /// Where it was made.
    pub machine: Machine,
    /// How it was made.
    pub run: Run,
    /// Who took part.
    pub contestants: Vec<Contestant>,
    /// What was measured.
    pub series: Vec<Series>,
    /// Latencies as a whole, for plots.
    pub distributions: Vec<Distribution>,
    /// What went wrong in a contestant: a stall, a connection lost, more than the maximum.
    pub faults: Vec<Fault>,
}

/// Facts about the machine; none of them names a person, a path or a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that the run could use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Operating system and its version.
    pub system: String,
    /// Compiler and its version.
    pub compiler: String,
    /// Target triple.
    pub target: String,
    /// Share of processor time that the host of a virtual machine took away, in percent, if known.
    pub steal_percent: Option<f64>,
    /// Load average over one minute when the run began, if known.
    pub load_before: Option<f64>,
}

/// How a run was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// `micro`, `peers`, `all`, or [`SESSIONS`] with how many clients and connections.
    pub kind: String,
    /// Fewer and shorter rounds.
    pub quick: bool,
    /// Rounds of each scenario.
    pub rounds: usize,
    /// Seconds that it took, without building.
    pub seconds: f64,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// The seed of whatever is drawn by chance.
    pub seed: u64,
}

/// Who a contestant is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contestant {
    /// Unique, as in tables.
    pub name: String,
    /// Version of the crate.
    pub version: String,
    /// Kind of contestant.
    pub group: Group,
    /// Settings that could not be made comparable, and other honest remarks.
    pub remarks: Vec<String>,
}

/// Kinds of contestants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// A pool of this workspace, in some configuration.
    Ours,
    /// A pool of others.
    Peer,
    /// Not a pool, but what the hardware or a plain construction allows.
    Limit,
}

/// One figure of one contestant in one scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// For instance `oversubscribed`.
    pub scenario: String,
    /// What of the scenario: `64 on 8`, `deadline off` …; empty if there is but one.
    pub variant: String,
    /// The contestant's name.
    pub contestant: String,
    /// For instance `throughput`, `p99`, `jain`, `overlap`.
    pub metric: String,
    /// For instance `ops/s`, `ns`, `B`, empty for plain numbers.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// One value a round, in the order of rounds; `None` where the contestant failed in that round.
    pub values: Vec<Option<f64>>,
}

/// Which way of a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Shown, not compared.
    Neither,
}

/// A distribution of latencies over all rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Distribution {
    /// As in [`Series`].
    pub scenario: String,
    /// As in [`Series`].
    pub variant: String,
    /// As in [`Series`].
    pub contestant: String,
    /// For instance `ns`.
    pub unit: String,
    /// Pairs of quantile (0 to 1, rising) and value.
    pub quantiles: Vec<(f64, f64)>,
}

/// Something a contestant must not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// As in [`Series`].
    pub scenario: String,
    /// As in [`Series`].
    pub variant: String,
    /// As in [`Series`].
    pub contestant: String,
    /// What happened, for people to read.
    pub what: String,
    /// In how many rounds.
    pub rounds: usize,
}
