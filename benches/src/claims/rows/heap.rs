//! M3: what a session costs while nobody uses it.
//!
//! Ten thousand sessions, each used and left to itself: no connection, six settings (three that it
//! began with and three that it has set, one of them its own), and a hundred statements, drawn from a
//! thousand in another selection for each. Counted is live memory, by an allocator that keeps count of
//! what is asked for and given back; the statements' texts, which all sessions share, stand apart, and
//! so does what the pool and its hundred connections need themselves.
//!
//! The baseline is a connection for each session, as a driver keeps one: two buffers of 8 KiB and the
//! hundred statements with a text of its own for each. That is a floor; real drivers keep types,
//! columns and TLS besides. The seed of this claim says 1 MB per connection, and 100 KB per session as
//! ten share one. That is arithmetic and cannot be counted here; it is shown beside as what it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pool_facade::Pool;
use pool_multiplex::{
    Session, SessionConfig, SessionOptions, SessionPool, Sessions, Statement, Work,
};
use pool_testkit::alloc::thread_cost;
use pool_testkit::clock::ManualClock;
use pool_testkit::simulation::Chance;

use crate::claims::multiplexed::{Query, Server};
use crate::claims::row::{Bound, Contender, Experiment, Landing, Outcome, Row, Target, Trial};

const SESSIONS: u64 = 10_000;
const CONNECTIONS: u32 = 100;
const STATEMENTS: usize = 1_000;
const EACH: usize = 100;
const BUFFER: usize = 8 << 10;
/// The seed's figure.
const MEGABYTE: f64 = 1e6;

const HEAP: &str = "live heap per session";
const TEXTS: &str = "shared by all: statements";
const BY_ARITHMETIC: &str = "the seed's figure per connection, arithmetic and not counted";

const ROWS: &[Row] = &[Row {
    id: "M3",
    claim: "8 KiB for a session that is not in use",
    baseline: "a connection for each, with a driver's buffers",
    lands: &[Landing {
        figure: HEAP,
        at: 40_000.0,
        within: 0.1,
    }],
    targets: &[Target {
        figure: HEAP,
        bound: Bound::AtMost(8192.0),
        stretch: Some(Bound::AtMost(4096.0)),
    }],
    beside: &[TEXTS, BY_ARITHMETIC, "sessions"],
}];

/// The model of M3.
#[derive(Clone, Copy, Debug)]
pub struct Heap;

impl Experiment for Heap {
    fn rows(&self) -> &'static [Row] {
        ROWS
    }

    fn run(&self, trial: Trial) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without drivers needs nothing");
        let sessions = trial.part_of(SESSIONS);
        let (heap, texts) = match trial.contender {
            Contender::Ours => runtime.block_on(ours(trial.seed, sessions)),
            Contender::Baseline(_) => baseline(trial.seed, sessions / 10),
        };
        let mut outcome = Outcome {
            events: sessions,
            ..Outcome::default()
        };
        outcome.push(HEAP, "B", heap);
        outcome.measured(TEXTS, "B", texts);
        outcome.push(BY_ARITHMETIC, "B", MEGABYTE);
        outcome.push("sessions", "", sessions as f64);
        outcome
    }
}

/// Bytes that this thread has asked for and not given back; not a number where nobody counts.
fn live() -> f64 {
    let cost = thread_cost();
    match cost.allocations {
        0 => f64::NAN,
        _ => cost.live() as f64,
    }
}

fn text(number: usize, chance: &mut Chance) -> String {
    let columns = "column, ".repeat(5 + chance.below(30));
    format!("SELECT {columns} id FROM a_table WHERE id = {number}")
}

/// A selection of so many out of all.
fn selection(chance: &mut Chance) -> Vec<usize> {
    let mut all: Vec<usize> = (0..STATEMENTS).collect();
    for at in 0..EACH {
        let other = at + chance.below(STATEMENTS - at);
        all.swap(at, other);
    }
    all.truncate(EACH);
    all
}

/// The heap per session, and of what all share.
async fn ours(seed: u64, sessions: u64) -> (f64, f64) {
    let registry = registry().await;
    let mut chance = Chance::new(seed, "statements");
    let before = live();
    let statements: Vec<Arc<Statement>> = (0..STATEMENTS)
        .map(|number| {
            let text = text(number, &mut chance);
            registry.catalogue().intern(&text, &[23], "public")
        })
        .collect();
    let shared = live() - before;
    // One that is not counted brings along what grows once.
    let _first = used(0, &registry, &statements, &mut chance).await;
    let mut all = Vec::with_capacity(usize::try_from(sessions).unwrap_or(usize::MAX));
    let before = live();
    for number in 1..=sessions {
        all.push(used(number, &registry, &statements, &mut chance).await);
    }
    let per_session = (live() - before) / sessions as f64;
    (per_session, shared)
}

async fn registry() -> Sessions<Server> {
    let clock = ManualClock::new();
    let config = SessionConfig::new()
        .session_timeout(None)
        .max_sessions(usize::MAX);
    let pool = Pool::builder(Server::timeless(clock.clone()))
        .max_size(CONNECTIONS)
        .initial_size(CONNECTIONS)
        .max_connecting(CONNECTIONS)
        .seed(1)
        .extension(config)
        .clock(Arc::new(clock))
        .build()
        .await;
    pool.expect("everything can be opened").sessions()
}

/// A session that has run something and is idle since.
async fn used(
    number: u64,
    registry: &Sessions<Server>,
    statements: &[Arc<Statement>],
    chance: &mut Chance,
) -> Session<Server> {
    let mut any = |name: &str, of: usize| format!("{name} {}", chance.below(of));
    let options = SessionOptions::new()
        .setting("timezone", any("zone", 8))
        .setting("search_path", any("schema", 20))
        .setting("application_name", any("application", 5));
    let more = [
        ("role", any("role", 10)),
        ("work_mem", any("megabytes", 4)),
        ("app.id", format!("{number}")),
    ];
    let mut session = registry.create_with(options).expect("there is room");
    let changed = session.change(|state| {
        for (name, value) in more {
            state.want(name, value);
        }
        for which in selection(chance) {
            state.statements_mut().touch(&statements[which]);
        }
    });
    changed.expect("nothing times out here");
    let query = Query {
        user: number,
        statement: 0,
        work: Duration::ZERO,
    };
    let ran = session.run(query, Work::default()).await;
    ran.expect("nothing fails here");
    session
}

/// A connection as a driver keeps it.
struct Driver {
    _buffers: [Vec<u8>; 2],
    _statements: HashMap<usize, String>,
}

fn baseline(seed: u64, connections: u64) -> (f64, f64) {
    let mut chance = Chance::new(seed, "statements");
    let texts: Vec<String> = (0..STATEMENTS)
        .map(|number| text(number, &mut chance))
        .collect();
    let mut all = Vec::with_capacity(usize::try_from(connections).unwrap_or(usize::MAX));
    let before = live();
    for _ in 0..connections {
        let own = selection(&mut chance).into_iter();
        all.push(Driver {
            _buffers: [0; 2].map(|_| Vec::with_capacity(BUFFER)),
            _statements: own.map(|which| (which, texts[which].clone())).collect(),
        });
    }
    let per_session = (live() - before) / connections as f64;
    drop(std::hint::black_box(all));
    (per_session, 0.0)
}
