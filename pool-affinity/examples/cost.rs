//! What a choice costs: `cargo run --release -p pool-affinity --example cost`.
//!
//! A thousand connections, of which sixteen are idle and below the bound, and no pool: the time of `choose`, of the word of the lease
//! that follows and of its end, in the mean of a million, on one thread with all data in its caches. A
//! look at a candidate costs more in a pool: it reads the connection's own word there.

use std::hint::black_box;
use std::time::Instant;

use pool_affinity::{Affinity, Class, Complexity, Mode, statement_set};
use pool_core::{Candidate, Candidates, Placement, Profile, RequestInfo};

const CONNECTIONS: u32 = 1000;
const ROUNDS: u32 = 1_000_000;
/// The list is searched by the stand-in for a pool, so it is kept short: what `find` costs in a pool
/// does not grow.
const IDLE: usize = 16;

fn main() {
    let class = Class::reading(Complexity::Simple).id();
    let set = statement_set("orders");
    println!("{:<46} choose  lease", "request");
    measure("of nobody", |_| None);
    measure("of a session whose last connection is idle", |turn| {
        Some(Profile::new(u64::from(turn % 8) + 1))
    });
    measure("for a statement, at a home of its set", |turn| {
        Some(Profile::new(0).statements(set).statement(turn % 100 + 1))
    });
    measure("for a statement that is cached nowhere", |turn| {
        Some(Profile::new(0).statement(turn % 100 + 301))
    });
    measure("for a label that is nowhere", |turn| {
        Some(Profile::new(0).label(turn + 1))
    });
    measure("of a class", |_| Some(Profile::new(0).class(class)));
}

fn request(profile: Option<Profile>) -> RequestInfo {
    let mut request = RequestInfo::default();
    request.profile = profile;
    request
}

fn measure(what: &str, profile: impl Fn(u32) -> Option<Profile>) {
    let affinity = Affinity::builder()
        .selection(Mode::On)
        .breaking(Mode::Off)
        .load_factor(100.0)
        .build();
    let affinity = affinity.expect("the settings are sound");
    let all: Vec<_> = (0..CONNECTIONS)
        .map(|slot| Candidate::new(slot, u64::from(slot) + 1))
        .collect();
    let nothing = request(None);
    for connection in all.iter().cycle().take(50 * all.len()) {
        affinity.acquired(&nothing, *connection);
        affinity.released(&nothing, *connection);
    }
    let idle = &all[..IDLE];
    let requests: Vec<_> = (0..1024).map(|turn| request(profile(turn))).collect();
    for request in requests.iter().cycle().take(8 * requests.len()) {
        settle(&affinity, request, idle);
    }
    let choose = time(|turn| {
        let request = &requests[turn as usize % requests.len()];
        black_box(affinity.choose(request, &Candidates::new(idle)));
    });
    let lease = time(|turn| {
        let request = &requests[turn as usize % requests.len()];
        let connection = all[turn as usize % all.len()];
        affinity.acquired(request, connection);
        affinity.released(request, connection);
    });
    println!("{what:<46} {choose:>4.0} ns {lease:>4.0} ns");
}

/// A lease from beginning to end. Statements up to 100 are cached in it.
fn settle(affinity: &Affinity, request: &RequestInfo, idle: &[Candidate]) {
    let slot = affinity.choose(request, &Candidates::new(idle));
    let connection = idle[slot.map_or(0, |slot| slot as usize)];
    affinity.acquired(request, connection);
    let statement = request.profile.map_or(0, |profile| profile.statement);
    if (1..=100).contains(&statement) {
        affinity.cached(connection, statement);
    }
    affinity.released(request, connection);
}

/// Nanoseconds of one.
fn time(mut one: impl FnMut(u32)) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    let began = Instant::now();
    (0..ROUNDS).for_each(&mut one);
    began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}
