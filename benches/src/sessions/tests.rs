//! What the harness finds in contestants with a flaw, on a server of their own.

use std::time::Duration;

use tokio_postgres::NoTls;

use super::contestant::{Client, Contestant};
use super::contestants::Direct;
use super::site::{Site, login};
use super::turn::{self, THROUGHPUT, Times};
use super::work::{Identity, READ, Seen, Work};
use crate::outcome::Outcome;
use crate::record::Group;

const NONE: u8 = 0;
const MISTAKEN: u8 = 1;
const FORGETFUL: u8 = 2;
const GREEDY: u8 = 3;
const PARTIAL: u8 = 4;

/// Direct connections, but for its flaw.
struct Flawed<const FLAW: u8> {
    direct: Direct,
    /// One connection more than allowed.
    _more: Option<tokio_postgres::Client>,
}

/// A direct connection, but for the flaw.
struct FlawedClient<const FLAW: u8> {
    wire: <Direct as Contestant>::Client,
    number: i64,
}

impl<const FLAW: u8> Contestant for Flawed<FLAW> {
    const NAME: &'static str = "flawed";
    const GROUP: Group = Group::Peer;
    const REMARKS: &'static [&'static str] = &[];

    type Client = FlawedClient<FLAW>;

    fn version() -> anyhow::Result<String> {
        Direct::version()
    }

    fn admits(_work: Work) -> bool {
        true
    }

    fn clients(site: &Site) -> usize {
        site.connections()
    }

    async fn open(site: &Site, work: Work) -> anyhow::Result<Self> {
        let more = if FLAW == GREEDY {
            let (client, io) = login(site.port()).connect(NoTls).await?;
            tokio::spawn(io);
            Some(client)
        } else {
            None
        };
        Ok(Self {
            direct: Direct::open(site, work).await?,
            _more: more,
        })
    }

    async fn client(&self, who: &Identity, work: Work) -> anyhow::Result<Self::Client> {
        // Logged in as its neighbour, for the settings alone.
        let taken_for = if FLAW == MISTAKEN {
            Identity::of(who.number as usize)
        } else {
            who.clone()
        };
        Ok(FlawedClient {
            wire: self.direct.client(&taken_for, work).await?,
            number: who.number,
        })
    }

    async fn close(self) {}
}

impl<const FLAW: u8> Client for FlawedClient<FLAW> {
    async fn read_only(&mut self, item: i64) -> anyhow::Result<i64> {
        if FLAW == PARTIAL && self.number == 2 {
            // Longer than the turn, shorter than the harness waits.
            tokio::time::sleep(Duration::from_millis(800)).await;
        }
        let item = if FLAW == MISTAKEN { item + 1 } else { item };
        self.wire.read_only(item).await
    }

    async fn read_write(&mut self, item: i64, own: i64) -> anyhow::Result<i64> {
        if FLAW == FORGETFUL {
            return self.wire.read_only(item).await;
        }
        self.wire.read_write(item, own).await
    }

    async fn read_back(&mut self) -> anyhow::Result<Seen> {
        self.wire.read_back().await
    }

    async fn prepared(&mut self, item: i64) -> anyhow::Result<i64> {
        self.wire.prepared(item).await
    }
}

fn run<const FLAW: u8>(site: &Site, work: Work) -> Outcome {
    let times = Times {
        warm_up: Duration::from_millis(50),
        window: Duration::from_millis(250),
    };
    turn::run::<Flawed<FLAW>>(site, work, times)
}

fn site() -> Site {
    Site::start(8, 3).expect("a private server starts")
}

#[test]
fn a_contestant_without_a_flaw_does_all_work_with_all_its_connections() {
    let site = site();
    for work in Work::ALL.into_iter().filter(|work| Direct::admits(*work)) {
        let outcome = run::<NONE>(&site, work);
        assert_eq!(outcome.faults, [""; 0], "{work:?}");
        let value = |metric: &str| {
            let found = outcome.values.iter().find(|value| value.metric == metric);
            found.expect("it is taken").value
        };
        assert!(value(THROUGHPUT) > 0.0, "{work:?}");
        assert_eq!(value("connections") as usize, 3, "{work:?}");
    }
}

#[test]
fn settings_of_another_client_are_found() {
    let outcome = run::<MISTAKEN>(&site(), Work::Stateful);
    assert_eq!(outcome.faults, ["a client read back what is not its own"]);
    assert!(outcome.values.is_empty(), "no figures of a wrong turn");
}

#[test]
fn a_reply_to_another_query_is_found() {
    let outcome = run::<MISTAKEN>(&site(), Work::ReadOnly);
    assert_eq!(
        outcome.faults,
        ["a reply was that of another query"],
        "{READ}"
    );
}

#[test]
fn a_write_that_the_server_never_saw_is_found() {
    let outcome = run::<FORGETFUL>(&site(), Work::ReadWrite);
    let fault = "the server has other writes than clients were told of";
    assert_eq!(outcome.faults, [fault]);
}

#[test]
fn a_connection_too_many_is_found() {
    let outcome = run::<GREEDY>(&site(), Work::ReadOnly);
    let fault = "more than 3 connections of the server were open";
    assert_eq!(outcome.faults, [fault]);
}

#[test]
fn a_client_that_got_nothing_done_is_found() {
    let outcome = run::<PARTIAL>(&site(), Work::ReadOnly);
    assert_eq!(outcome.faults, ["a client got nothing done"]);
}
