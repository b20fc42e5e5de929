//! One contestant, one kind of work, once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Builder;
use tokio_postgres::Client as Owner;

use super::backends::{self, Backends};
use super::clients::{self, Shares};
use super::contestant::Contestant;
use super::site::Site;
use super::usage::Processes;
use super::work::Work;
use crate::fairness::{jain, least_by_most};
use crate::latency::latencies;
use crate::outcome::Outcome;
use crate::record::Better;

/// The figure that a verdict is on, as in records.
pub const THROUGHPUT: &str = "throughput";
/// The other one.
pub const P99: &str = "p99";

/// Settings that were sent per transaction.
pub const SETTINGS: &str = "settings sent";

/// How long a turn is.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Clients work, nothing is measured.
    pub warm_up: Duration,
    /// What counts.
    pub window: Duration,
}

/// Runs `C`. Blocks for as long as it takes. A runtime of its own, which ends with the turn, so that
/// nothing of it is left for the next one.
#[must_use]
pub fn run<C: Contestant>(site: &Site, work: Work, times: Times) -> Outcome {
    let runtime = Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(turn::<C>(site, work, times)),
        Err(error) => Err(error).context("no runtime"),
    };
    ended.unwrap_or_else(|error| Outcome {
        faults: vec![format!("{error:#}")],
        ..Outcome::default()
    })
}

async fn turn<C: Contestant>(site: &Site, work: Work, times: Times) -> anyhow::Result<Outcome> {
    let owner = site.owner().await?;
    backends::none(&owner).await?;
    site.freshen(&owner).await?;
    let counting = Backends::watch(owner);
    let contestant = Arc::new(C::open(site, work).await.context("opening")?);
    let shares = work_of_all(&contestant, site, work, times).await;
    // All clients are gone, and with them whoever held it besides.
    if let Some(contestant) = Arc::into_inner(contestant) {
        contestant.close().await;
    }
    let (owner, most) = counting.end().await?;
    let shares = shares?;
    let mut outcome = figures(&shares, most);
    outcome.faults(faults(&shares, most, site));
    outcome.faults(uncounted_writes(&owner, &shares, work).await?);
    Ok(outcome)
}

async fn work_of_all<C: Contestant>(
    contestant: &Arc<C>,
    site: &Site,
    work: Work,
    times: Times,
) -> anyhow::Result<Shares> {
    let clients = clients::log_in(contestant, C::clients(site), work)
        .await
        .context("logging in")?;
    let processes = Processes {
        server: site.process(),
        pooler: contestant.process(),
    };
    clients::measure(&**contestant, clients, work, times, processes).await
}

/// The figures of a turn.
fn figures(shares: &Shares, most: usize) -> Outcome {
    let counts: Vec<u64> = shares
        .latencies
        .iter()
        .map(|one| one.len() as u64)
        .collect();
    let count = counts.iter().sum::<u64>() as f64;
    let all = latencies(shares.latencies.iter().flatten().copied());
    let mut outcome = Outcome::default();
    let rate = count / shares.window.as_secs_f64();
    outcome.value(THROUGHPUT, "ops/s", Better::Higher, rate);
    for (metric, quantile) in [("p50", 0.5), (P99, 0.99)] {
        let value = all.value_at_quantile(quantile) as f64;
        outcome.value(metric, "ns", Better::Lower, value);
    }
    let usage = shares.usage;
    for (metric, used) in [
        ("CPU in all", usage.in_all()),
        ("CPU server", usage.server),
        ("CPU pooler", usage.pooler),
        ("CPU client", usage.client),
    ] {
        if let Some(used) = used.filter(|_| count > 0.0) {
            let each = used.as_nanos() as f64 / count;
            outcome.value(metric, "ns/op", Better::Lower, each);
        }
    }
    if let Some(settings) = shares.settings.filter(|_| count > 0.0) {
        let each = settings as f64 / count;
        outcome.value(SETTINGS, "/op", Better::Lower, each);
    }
    outcome.value("jain", "", Better::Higher, jain(&counts));
    outcome.value("min/max", "", Better::Higher, least_by_most(&counts));
    outcome.value("connections", "", Better::Neither, most as f64);
    outcome.latencies = Some(all);
    outcome
}

/// What a contestant must not do; without figures that change from round to round.
fn faults(shares: &Shares, most: usize, site: &Site) -> Vec<String> {
    let mut faults = Vec::new();
    if most > site.connections() {
        let allowed = site.connections();
        faults.push(format!(
            "more than {allowed} connections of the server were open"
        ));
    }
    if shares.latencies.iter().any(Vec::is_empty) {
        faults.push("a client got nothing done".to_owned());
    }
    faults
}

/// Whether the server has another number of writes than clients were told of.
async fn uncounted_writes(
    owner: &Owner,
    shares: &Shares,
    work: Work,
) -> anyhow::Result<Option<String>> {
    let sum = "SELECT sum(turns)::int8 FROM accounts";
    let written: i64 = owner.query_typed_one(sum, &[]).await?.try_get(0)?;
    let told = match work {
        Work::ReadWrite => shares.committed,
        Work::ReadOnly | Work::Stateful | Work::Prepared | Work::Groups => 0,
    };
    let agree = u64::try_from(written) == Ok(told);
    Ok((!agree).then(|| "the server has other writes than clients were told of".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::usage::Usage;

    fn shares(counts: &[usize]) -> Shares {
        Shares {
            latencies: counts.iter().map(|count| vec![1_000_000; *count]).collect(),
            committed: 0,
            window: Duration::from_secs(2),
            usage: Usage {
                server: Some(Duration::from_millis(400)),
                pooler: None,
                client: Some(Duration::from_millis(100)),
            },
            settings: Some(50),
        }
    }

    fn value(outcome: &Outcome, metric: &str) -> Option<f64> {
        let found = outcome.values.iter().find(|value| value.metric == metric);
        found.map(|value| value.value)
    }

    #[test]
    fn figures_are_those_of_the_measured_time() {
        let outcome = figures(&shares(&[150, 50]), 20);
        assert_eq!(value(&outcome, THROUGHPUT), Some(100.0));
        assert_eq!(value(&outcome, "CPU in all"), Some(2_500_000.0));
        assert_eq!(value(&outcome, "CPU server"), Some(2_000_000.0));
        assert_eq!(value(&outcome, "CPU pooler"), None);
        assert_eq!(value(&outcome, SETTINGS), Some(0.25));
        let share = value(&outcome, "min/max").expect("it is taken");
        assert!((share - 1.0 / 3.0).abs() < 1e-9, "{share}");
    }

    #[test]
    fn a_turn_in_which_nothing_was_done_has_no_time_for_each_transaction() {
        let outcome = figures(&shares(&[0, 0]), 0);
        assert_eq!(value(&outcome, THROUGHPUT), Some(0.0));
        assert_eq!(value(&outcome, "CPU in all"), None);
    }
}
