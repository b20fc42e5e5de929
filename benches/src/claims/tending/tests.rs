use std::time::Duration;

use pool_core::{HealthPolicy, Order, Orders, Place, Subject};

use super::{CONNECTIONS, Care, Class, REVIEW, Run, Tally, World, traffic::Traffic};

/// Two fixed times: quarantine after the first, close after the second. What the model makes of it
/// can be computed.
#[derive(Clone, Copy, Debug)]
struct TwoStage {
    /// Silence after which nobody gets the connection.
    suspects: Duration,
    /// Silence after which it is closed.
    gives_up: Duration,
}

impl HealthPolicy for TwoStage {
    fn review(&self, now: Duration, subjects: &[Subject], orders: &mut Orders) -> Option<Duration> {
        for subject in subjects {
            let silence = subject.pulse.silence(now);
            if silence >= self.gives_up {
                orders.push(Order::Evict(subject.connection));
            } else if silence >= self.suspects && !subject.quarantined {
                orders.push(Order::Quarantine(subject.connection));
            } else if silence < self.suspects && subject.quarantined {
                orders.push(Order::Release(subject.connection));
            }
        }
        Some(REVIEW)
    }
}

/// Gives the same order about every connection, each time.
struct Always(fn(&Subject) -> Option<Order>);

impl HealthPolicy for Always {
    fn review(&self, _: Duration, subjects: &[Subject], orders: &mut Orders) -> Option<Duration> {
        for order in subjects.iter().filter_map(self.0) {
            orders.push(order);
        }
        Some(Duration::from_millis(100))
    }
}

fn run(policy: impl HealthPolicy, seconds: u64) -> Run {
    let length = Duration::from_secs(seconds);
    World::new(1, Care::Policy(Box::new(policy))).run(length)
}

fn count(tally: &Tally, what: impl Fn(Class) -> bool) -> usize {
    tally.found.iter().filter(|found| what(found.class)).count()
}

#[test]
fn traffic_keeps_half_of_the_connections_busy_and_pauses_as_often_as_it_says() {
    let mut traffic = Traffic::new(1);
    let (mut gaps, mut holds) = (Duration::ZERO, Duration::ZERO);
    let (mut pauses, mut requests) = (0, 0);
    while gaps < Duration::from_secs(600) {
        gaps += traffic.next();
        let request = traffic.request(gaps);
        let last = request.steps.last().expect("each has some");
        holds += request
            .steps
            .iter()
            .map(|step| step.takes + step.thinks)
            .sum();
        holds -= last.thinks;
        pauses += request.steps.iter().filter(|step| step.pause).count();
        requests += 1;
    }
    let hold = holds.as_secs_f64() / f64::from(requests);
    assert!((hold / 0.049 - 1.0).abs() < 0.01, "{hold}");
    let busy = holds.as_secs_f64() / gaps.as_secs_f64();
    assert!((busy / 50.0 - 1.0).abs() < 0.01, "{busy}");
    assert!((19_600..20_400).contains(&pauses), "{pauses}");
}

/// Of lognormal(80 ms, 1), 28.8 % are above 140 ms and 26.5 % above 150, which is when the last review
/// comes; 0.58 % are above 1 s.
#[test]
fn two_fixed_times_do_to_pauses_what_arithmetic_says() {
    let policy = TwoStage {
        suspects: Duration::from_millis(140),
        gives_up: Duration::from_secs(1),
    };
    let tally = run(policy, 300).tally;
    let part = |count: u64| count as f64 / tally.pauses as f64;
    assert!(
        (0.255..0.29).contains(&part(tally.quarantined)),
        "{}",
        part(tally.quarantined)
    );
    assert!(
        (0.004..0.0075).contains(&part(tally.closed_well)),
        "{}",
        part(tally.closed_well)
    );
    let black_holes = tally
        .found
        .iter()
        .filter(|one| one.hot && one.class == Class::BlackHole);
    let times: Vec<f64> = black_holes.map(|one| one.took.as_secs_f64()).collect();
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    // Less what was silent already, plus what was thought, plus half a review.
    assert!((0.12..0.16).contains(&mean), "{mean}");
}

#[test]
fn reset_connection_is_given_to_nobody_by_a_pool_that_looks() {
    let tally = run(Always(|_| None), 60).tally;
    let resets = tally.found.iter().filter(|one| one.class == Class::Reset);
    assert!(resets.clone().count() > 10);
    assert!(resets.clone().all(|one| one.handed == 0));
}

#[test]
fn outage_strikes_every_connection_there_is() {
    // Those that failed before are found, all but a few.
    let tally = run(
        Always(|subject| Some(Order::Check(subject.connection))),
        155,
    )
    .tally;
    let struck = count(&tally, |class| class == Class::Outage);
    assert!(
        (CONNECTIONS * 9 / 10..=CONNECTIONS).contains(&struck),
        "{struck}"
    );
}

#[test]
fn quarantine_costs_a_well_connection_a_check_and_no_more() {
    let tally = run(
        Always(|subject| Some(Order::Quarantine(subject.connection))),
        10,
    )
    .tally;
    assert_eq!(tally.closed_well, 0);
    assert!(tally.checks > 5_000, "{}", tally.checks);
    assert!(tally.callers.came() > 10_000);
}

#[test]
fn evicted_and_replaced_connections_are_closed_idle_or_leased() {
    let evicts = |subject: &Subject| Some(Order::Evict(subject.connection));
    let tally = run(Always(evicts), 5).tally;
    assert!(
        tally.closed_well > 10 * CONNECTIONS as u64,
        "{}",
        tally.closed_well
    );
    let replaces = |subject: &Subject| Some(Order::Replace(subject.connection));
    let tally = run(Always(replaces), 5).tally;
    assert_eq!(tally.closed_well, 0);
    assert!(
        tally.replaced > 10 * CONNECTIONS as u64,
        "{}",
        tally.replaced
    );
}

#[test]
fn flush_closes_a_connection_when_it_is_come_upon() {
    let tally = run(Always(|_| Some(Order::Flush)), 2).tally;
    // Those deep among the idle ones are come upon by nobody.
    let closed = tally.closed_well;
    assert!(closed > 500, "{closed}");
    assert!(tally.flushes > 15);
}

#[test]
fn released_connection_goes_on_without_a_check() {
    let both = |subject: &Subject| match (subject.place, subject.quarantined) {
        (Place::Leased, false) => Some(Order::Quarantine(subject.connection)),
        (Place::Leased, true) => Some(Order::Release(subject.connection)),
        _ => None,
    };
    let released = run(Always(both), 10).tally.checks;
    let quarantines = |subject: &Subject| {
        (subject.place == Place::Leased).then_some(Order::Quarantine(subject.connection))
    };
    let kept = run(Always(quarantines), 10).tally.checks;
    assert!(released < kept, "{released} of {kept}");
}

#[test]
fn traffic_is_the_same_whoever_looks_after_it() {
    let length = Duration::from_secs(20);
    let came = |care| World::new(1, care).run(length).tally.callers.came();
    let ours = came(Care::Policy(Box::new(Always(|_| None))));
    assert_eq!(ours, came(Care::Validate));
    assert_eq!(ours, came(Care::Probe));
}
