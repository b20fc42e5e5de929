//! P3: a hundred clients that want to change the same row.
//!
//! The model is that of AWS on backoff and jitter (`aws-samples/aws-arch-backoff-simulator`): each
//! client reads the version of a row and writes it back; the write fails if another came between, and
//! the client pauses and begins anew. Each message takes the folded N(10, 2) ms of one way; the base
//! is 5 ms, the cap 2 s. What is shown is the mean of a hundred herds, as there.

use std::time::Duration;

use pool_health::{Backoff, Jitter};
use pool_testkit::simulation::{Agenda, Chance, Spread};

use crate::claims::row::{Bound, Contender, Experiment, Landing, Outcome, Row, Target, Trial};

const CLIENTS: usize = 100;
const HERDS: u64 = 100;
const BASE: Duration = Duration::from_millis(5);
const CAP: Duration = Duration::from_secs(2);
const NETWORK: Spread = Spread::Normal {
    mean: Duration::from_millis(10),
    deviation: Duration::from_millis(2),
};

const CALLS: &str = "calls";
const TIME: &str = "until all are done";

const ROWS: &[Row] = &[Row {
    id: "P3",
    claim: "jitter thins a thundering herd out",
    baseline: "exponential backoff without jitter",
    lands: &[
        Landing {
            figure: CALLS,
            at: 1834.0,
            within: 0.1,
        },
        Landing {
            figure: TIME,
            at: 61.7e9,
            within: 0.1,
        },
    ],
    targets: &[
        Target {
            figure: CALLS,
            bound: Bound::AtMost(900.0),
            stretch: None,
        },
        Target {
            figure: TIME,
            bound: Bound::AtMost(6e9),
            stretch: None,
        },
    ],
    beside: &["failed calls", "longest pause"],
}];

/// The model of P3.
#[derive(Clone, Copy, Debug)]
pub struct Herd;

impl Experiment for Herd {
    fn rows(&self) -> &'static [Row] {
        ROWS
    }

    fn run(&self, trial: Trial) -> Outcome {
        let jitter = match trial.contender {
            Contender::Ours => Jitter::default(),
            Contender::Baseline(_) => Jitter::None,
        };
        let herds = trial.part_of(HERDS);
        let mut sum = Sum::default();
        for herd in 0..herds {
            sum.add(&run_herd(trial.seed, herd, jitter));
        }
        let mean = |sum: f64| sum / herds as f64;
        let mut outcome = Outcome {
            events: sum.events,
            ..Outcome::default()
        };
        outcome.push(CALLS, "", mean(sum.calls));
        outcome.time(TIME, mean(sum.seconds));
        outcome.push("failed calls", "", mean(sum.failed));
        outcome.time("longest pause", sum.longest.as_secs_f64());
        outcome
    }
}

/// One client.
struct Client {
    backoff: Backoff,
    network: Chance,
    /// The version it has read.
    read: u64,
}

/// A message arrives, by the index of its client.
enum Message {
    ReadAsked(usize),
    ReadTold(usize, u64),
    WriteAsked(usize),
    WriteTold(usize, bool),
}

#[derive(Default)]
struct Sum {
    calls: f64,
    failed: f64,
    seconds: f64,
    longest: Duration,
    events: u64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.seconds += other.seconds;
        self.longest = self.longest.max(other.longest);
        self.events += other.events;
    }
}

fn run_herd(seed: u64, herd: u64, jitter: Jitter) -> Sum {
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|one| client(seed, herd, one, jitter))
        .collect();
    let mut agenda = Agenda::new();
    let mut version = 0;
    let mut sum = Sum::default();
    for (one, client) in clients.iter_mut().enumerate() {
        agenda.after(client.network.draw(NETWORK), Message::ReadAsked(one));
    }
    while let Some(message) = agenda.next() {
        let (one, pause, next) = match message {
            Message::ReadAsked(one) => (one, Duration::ZERO, Message::ReadTold(one, version)),
            Message::ReadTold(one, version) => {
                clients[one].read = version;
                (one, Duration::ZERO, Message::WriteAsked(one))
            }
            Message::WriteAsked(one) => {
                sum.calls += 1.0;
                let written = clients[one].read == version;
                version += u64::from(written);
                (one, Duration::ZERO, Message::WriteTold(one, written))
            }
            Message::WriteTold(_, true) => continue,
            Message::WriteTold(one, false) => {
                sum.failed += 1.0;
                let pause = clients[one].backoff.after_failure();
                sum.longest = sum.longest.max(pause);
                (one, pause, Message::ReadAsked(one))
            }
        };
        agenda.after(pause + clients[one].network.draw(NETWORK), next);
    }
    sum.seconds = agenda.now().as_secs_f64();
    sum.events = agenda.handled();
    sum
}

/// Each has chance of its own, so that what one does moves nothing about another's network.
fn client(seed: u64, herd: u64, number: usize, jitter: Jitter) -> Client {
    let mut network = Chance::new(seed, &format!("network of {number} in herd {herd}"));
    let backoff = Backoff::new(BASE, CAP).expect("the base is below the cap");
    Client {
        backoff: backoff.with_jitter(jitter).with_seed(network.number()),
        network,
        read: 0,
    }
}
