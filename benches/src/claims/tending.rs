//! A pool in model time whose connections fail, and whoever looks after them.
//!
//! The traffic: a hundred connections, half of them busy, the one used last given out first. Each
//! lease sends four to seven queries of eight kinds, with time to think between them, and lasts 49 ms
//! in the mean. One query in 165 meets a *benign pause*: its reply takes lognormal(80 ms, σ 1), and the
//! connection is well; that makes 20,000 pauses in 600 s, 100,000 over five seeds.
//!
//! The faults: a connection is reset, or becomes a black hole, once a second somewhere, three times out
//! of four while it is leased. That is far more often than in life, so that there is
//! something to count. Twice in a run the endpoint goes away for a second: all connections become
//! black holes for good, and connects begun meanwhile end after it. A caller that is owed a reply for
//! 6 s gives up, and its connection, with a reply outstanding, is closed: longer than the most patient
//! baseline needs.
//!
//! Connections are as a pool has them: real [`Vitals`](pool_core::Vitals), written as an adapter would
//! write them, [`Subject`](pool_core::Subject)s made of them, and the [`Order`](pool_core::Order)s of a
//! [`HealthPolicy`](pool_core::HealthPolicy) carried out as a pool carries them out. Of the pool's own
//! settings these matter: a connection that was idle for 500 ms is checked before it is given out (the
//! default), a check may take 500 ms, and a closed socket is noticed before a lease and after it. The
//! baselines do without; see [`Care`].
//!
//! A connection counts as *hot* if it was leased ten times in the second before its fault, and is
//! leased when it fails or within a tenth of a second after it: it is used ten times a second. One that
//! falls idle just then is cold, as nothing is asked of it from which anybody could learn. A connection
//! is *out of rotation* once nobody can be given it any more: in quarantine, to be closed on its
//! return, flushed, or closed.

mod care;
mod checks;
mod connection;
mod faults;
mod leases;
mod orders;
mod tally;
mod traffic;
mod world;

use std::time::Duration;

pub(crate) use self::{
    care::{Care, Watchdog},
    tally::{Class, Found, Tally},
    world::{Run, World},
};

/// Connections, open all the time but for the time it takes to replace one.
pub(crate) const CONNECTIONS: usize = 100;
/// A round trip without work.
const PING: Duration = Duration::from_millis(1);
/// How long a check may take where no policy says.
const CHECK_LIMIT: Duration = Duration::from_millis(500);
/// How long a connection is trusted unasked (`validation_bypass`).
const BYPASS: Duration = Duration::from_millis(500);
/// How long a connect takes.
const CONNECT: Duration = Duration::from_millis(15);
/// How long a caller waits for a reply.
const PATIENCE: Duration = Duration::from_secs(6);
/// How soon the user of a connection knows that it was reset.
const NOTICE: Duration = Duration::from_micros(500);
/// From one outage of the endpoint to the next.
const OUTAGES: Duration = Duration::from_secs(300);
/// How long the endpoint is away.
const OUTAGE: Duration = Duration::from_secs(1);
/// The pool asks a policy no sooner than after this.
const REVIEW: Duration = Duration::from_millis(10);
/// When it asks one that does not say when.
const SELDOM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
