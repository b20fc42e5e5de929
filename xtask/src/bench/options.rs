//! Options that are passed on.
//!
//! They are declared here and not passed on unread, so that `--help` shows them and their order does
//! not matter; what `peers` learns besides can be given after `--`.

use std::{ffi::OsString, path::PathBuf};

/// What is to be made of a run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Output {
    /// Write the record to this file: every value of every round.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file, as one page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report to this file, as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Keep the record under this name, to compare with later.
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    /// Compare with the record that was kept under this name.
    #[arg(long, value_name = "NAME")]
    compare: Option<String>,
}

impl Output {
    /// The same for `bench-report`.
    pub(super) fn for_report(&self) -> Vec<OsString> {
        let files = [
            ("--json", &self.json),
            ("--html", &self.html),
            ("--markdown", &self.markdown),
        ];
        let names = [("--save", &self.save), ("--compare", &self.compare)];
        let files = files
            .into_iter()
            .filter_map(|(option, file)| Some((option, file.as_ref()?.into())));
        let names = names
            .into_iter()
            .filter_map(|(option, name)| Some((option, name.as_ref()?.into())));
        pairs(files.chain(names))
    }
}

/// What `peers` is to do.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Choice {
    /// Fewer and shorter rounds: a look, not figures.
    #[arg(long)]
    pub(super) quick: bool,
    /// Print the scenarios and contestants, and measure nothing.
    #[arg(long)]
    pub(super) list: bool,
    /// Only this scenario; can be given more than once.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Only this contestant; can be given more than once.
    #[arg(long, value_name = "NAME")]
    contestant: Vec<String>,
    /// Rounds of each scenario.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// The seed of whatever is drawn by chance.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// More options for the program `peers`, as they are.
    #[arg(last = true)]
    more: Vec<OsString>,
}

impl Choice {
    /// The same for `peers`.
    pub(super) fn for_peers(&self) -> Vec<OsString> {
        let only = self.only.iter().map(|one| ("--only", one.into()));
        let contestants = self.contestant.iter();
        let contestants = contestants.map(|one| ("--contestant", one.into()));
        let rounds = self.rounds.map(|n| ("--rounds", n.to_string().into()));
        let seed = self.seed.map(|n| ("--seed", n.to_string().into()));
        let mut all: Vec<OsString> = Vec::new();
        if self.quick {
            all.push("--quick".into());
        }
        all.extend(pairs(only.chain(contestants).chain(rounds).chain(seed)));
        all.extend(self.more.iter().cloned());
        all
    }
}

/// What `claims` is to do.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Claims {
    /// Only this row; can be given more than once.
    #[arg(long, value_name = "ID")]
    row: Vec<String>,
    /// How many seeds; the worst of them counts.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// Put the naive policies in the place of the pool's: every row must then miss its target.
    #[arg(long)]
    sabotage: bool,
    /// Write all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the rows, and run nothing.
    #[arg(long)]
    list: bool,
}

impl Claims {
    /// The same for `claims`.
    pub(super) fn for_claims(&self) -> Vec<OsString> {
        let rows = self.row.iter().map(|one| ("--row", one.into()));
        let seeds = self.seeds.map(|n| ("--seeds", n.to_string().into()));
        let json = self.json.iter().map(|file| ("--json", file.into()));
        let mut all = pairs(rows.chain(seeds).chain(json));
        let flags = [("--sabotage", self.sabotage), ("--list", self.list)];
        let set = flags.into_iter().filter(|(_, set)| *set);
        all.extend(set.map(|(flag, _)| flag.into()));
        all
    }
}

/// What `sessions` is to do.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Sessions {
    /// Fewer clients, fewer and shorter rounds: a look, not figures.
    #[arg(long)]
    quick: bool,
    /// Write the record to this file: every value of every round.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Clients that share the connections.
    #[arg(long, value_name = "N")]
    clients: Option<usize>,
    /// Only this scenario; can be given more than once.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Only this contestant; can be given more than once.
    #[arg(long, value_name = "NAME")]
    contestant: Vec<String>,
    /// Fail unless sessions are ahead of PgBouncer.
    #[arg(long)]
    assert: bool,
    /// Print the scenarios and contestants, and measure nothing.
    #[arg(long)]
    list: bool,
}

impl Sessions {
    /// The same for `sessions`.
    pub(super) fn for_sessions(&self) -> Vec<OsString> {
        let json = self.json.iter().map(|file| ("--json", file.into()));
        let rounds = self.rounds.map(|n| ("--rounds", n.to_string().into()));
        let clients = self.clients.map(|n| ("--clients", n.to_string().into()));
        let only = self.only.iter().map(|one| ("--only", one.into()));
        let contestants = self.contestant.iter();
        let contestants = contestants.map(|one| ("--contestant", one.into()));
        let valued = json.chain(rounds).chain(clients).chain(only);
        let mut all = pairs(valued.chain(contestants));
        let flags = [
            ("--quick", self.quick),
            ("--assert", self.assert),
            ("--list", self.list),
        ];
        let set = flags.into_iter().filter(|(_, set)| *set);
        all.extend(set.map(|(flag, _)| flag.into()));
        all
    }
}

fn pairs(options: impl Iterator<Item = (&'static str, OsString)>) -> Vec<OsString> {
    options
        .flat_map(|(option, value)| [option.into(), value])
        .collect()
}
